import Contract
import EventLoop
import GRPC
import Logging
import Postgres
import Proto
import Segmentation

/// Everything of one loop: its PostgreSQL connections, its stores, its handlers. Confined to its loop.
final class LoopServices: @unchecked Sendable {
  /// The full names that the health service knows.
  private static let services: Set<String> = [
    SegmentService.fullName, UserService.fullName, MembershipService.fullName, AuditService.fullName,
  ]

  let pool: PostgresPool
  let installation: Installation
  let sweeper: Sweeper
  let router = Router()
  private let health: HealthHandlers

  init(on loop: EventLoop, database: PostgresConfiguration, settings: SegmentationSettings, logger: Logger) {
    pool = PostgresPool(on: loop, configuration: database, logger: logger)
    installation = Installation(pool: pool, settings: settings)
    sweeper = Sweeper(pool: pool, settings: settings, logger: logger)
    health = HealthHandlers(on: loop, services: Self.services)
    health.register(on: router)
    let memberships = MembershipStore(
      on: loop, pool: pool, installation: installation, directory: SegmentDirectory(pool: pool), settings: settings)
    SegmentHandlers(segments: SegmentStore(pool: pool, installation: installation, settings: settings))
      .register(on: router)
    UserHandlers(users: UserStore(pool: pool, installation: installation, settings: settings)).register(on: router)
    MembershipHandlers(memberships: memberships).register(on: router)
    AuditHandlers(audit: AuditStore(pool: pool, installation: installation, settings: settings)).register(on: router)
  }

  /// From now on health says NOT_SERVING.
  func stopServing() {
    health.stopServing()
  }
}
