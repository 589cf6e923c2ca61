import Contract
import EventLoop
import GRPC
import Logging
import Metrics
import Postgres
import Proto
import Segmentation

/// Everything of one loop: its PostgreSQL connections, its stores, its handlers. Confined to its loop.
final class LoopServices: @unchecked Sendable {
  /// The full names that the health service knows.
  private static let services: Set<String> = [
    SegmentService.fullName, UserService.fullName, MembershipService.fullName, AuditService.fullName,
  ]

  /// One reads the end of the audit log, one notifies.
  private static let feedConnections = 2
  /// For listings of the past.
  private static let listingConnections = 2

  private static let followers = MetricFamily(
    "segmentd_audit_followers", .gauge, "Callers that follow the audit log just now")
  private static let tailLag = MetricFamily(
    "segmentd_audit_tail_lag_seconds", .gauge,
    "How old the oldest new record was when it was last looked for followers' sake; 0 when there was none",
    merging: .most)

  let pool: PostgresPool
  let installation: Installation
  let sweeper: Sweeper
  /// Works only when it is run: one loop of a process does.
  let rollouts: RolloutWorker
  /// Nil when all is kept.
  let retention: AuditRetention?
  let hold: AuditHoldMonitor
  let router = Router()
  let audit: AuditStore
  let reports: ReportStore
  private let health: HealthHandlers
  private let feed: AuditFeed
  /// Of the feed and its notifications: what is queued for the other pool does not hold them back.
  private let feedPool: PostgresPool
  /// Of the background work, one connection: calls are not to wait for it.
  private let rolloutPool: PostgresPool
  /// Of listings of the past, each of which keeps a connection until its reader has taken all.
  private let listingPool: PostgresPool
  private let statistics = SegmentationStatistics()
  private let monitor: LoopMonitor

  /// - Parameters:
  ///   - bell, auditBell: The process's, which its loops share.
  ///   - offersHealth, offersReflection: Whether these services of gRPC's are answered.
  init(
    on loop: EventLoop, database: PostgresConfiguration, settings: SegmentationSettings,
    pollInterval: Duration = .seconds(1), bell: RolloutBell = RolloutBell(), auditBell: AuditBell = AuditBell(),
    offersHealth: Bool = true, offersReflection: Bool = true,
    desk: ReportDesk = ReportDesk(ReportDirectory("", limit: 0)), logger: Logger
  ) {
    monitor = LoopMonitor(on: loop)
    pool = PostgresPool(on: loop, configuration: database, logger: logger)
    var few = database
    few.maximumConnections = Self.feedConnections
    few.serverSettings = AuditFeed.serverSettings
    feedPool = PostgresPool(on: loop, configuration: few, logger: logger)
    few.serverSettings = []
    few.maximumConnections = 1
    rolloutPool = PostgresPool(on: loop, configuration: few, logger: logger)
    few.maximumConnections = Self.feedConnections
    let notifier = AuditNotifier(on: loop, pool: feedPool, bell: auditBell)
    feed = AuditFeed(
      on: loop, pool: feedPool, configuration: few, bell: auditBell, pollInterval: pollInterval, settings: settings,
      logger: logger)
    few.maximumConnections = Self.listingConnections
    listingPool = PostgresPool(on: loop, configuration: few, logger: logger)
    let history = HistoryStore(pool: pool, listings: listingPool, settings: settings)
    installation = Installation(pool: pool, settings: settings, notifier: notifier, statistics: statistics)
    sweeper = Sweeper(
      pool: pool, settings: settings, logger: logger, notifier: notifier, statistics: statistics)
    let background = Installation(pool: rolloutPool, settings: settings, notifier: notifier, statistics: statistics)
    rollouts = RolloutWorker(
      on: loop, pool: rolloutPool, installation: background, settings: settings, bell: bell, logger: logger)
    health = HealthHandlers(on: loop, services: Self.services)
    if offersHealth { health.register(on: router) }
    let directory = SegmentDirectory(pool: pool)
    let memberships = MembershipStore(
      on: loop, pool: pool, installation: installation, directory: directory, settings: settings)
    let segments = SegmentStore(pool: pool, installation: installation, settings: settings, bell: bell)
    SegmentHandlers(segments: segments, history: history) { [feed] in feed.isStopped }.register(on: router)
    UserHandlers(users: UserStore(pool: pool, installation: installation, settings: settings)).register(on: router)
    MembershipHandlers(memberships: memberships, history: history).register(on: router)
    audit = AuditStore(pool: pool, installation: installation, directory: directory, settings: settings)
    reports = ReportStore(pool: pool, settings: settings)
    let exports = AuditExports(on: loop, connections: database.maximumConnections)
    let consumers = AuditConsumers(pool: pool, installation: installation)
    AuditHandlers(audit: audit, feed: feed, exports: exports, consumers: consumers, loop: loop).register(on: router)
    ReportHandlers(reports: reports, audit: audit, desk: desk).register(on: router)
    AuditConsumerHandlers(consumers: consumers).register(on: router)
    retention =
      if let keep = settings.auditRetention {
        AuditRetention(pool: pool, keep: keep, logger: logger, statistics: statistics)
      } else { nil }
    hold = AuditHoldMonitor(pool: feedPool, logger: logger, statistics: statistics)
    if offersReflection { ReflectionHandlers(services: router.services).register(on: router) }
  }

  /// From now on health says NOT_SERVING; calls are still taken.
  func stopServing() {
    health.stopServing()
  }

  /// Ends the calls that would go on for ever: those who follow the audit log are sent away with their last token.
  func endWatching() {
    health.endWatching()
    feed.stop()
  }

  /// What this loop has counted.
  func collect(into set: inout MetricSet) {
    pool.collect(into: &set, as: "calls")
    feedPool.collect(into: &set, as: "followers")
    listingPool.collect(into: &set, as: "listings")
    rolloutPool.collect(into: &set, as: "rollouts")
    statistics.collect(into: &set)
    set.add(Self.followers, feed.followers)
    set.add(Self.tailLag, feed.lag)
    monitor.collect(into: &set)
  }

  /// Closes the connections to PostgreSQL.
  func close() async {
    feed.stop()
    monitor.stop()
    await feedPool.close()
    await rolloutPool.close()
    await listingPool.close()
    await pool.close()
  }
}
