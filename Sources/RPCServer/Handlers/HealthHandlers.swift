import Contract
import EventLoop
import GRPC
import Proto

/// `grpc.health.v1.Health` on one loop: whether this process takes calls. Confined to its loop.
///
/// It tells about the process, not about the database: a failover must not make every balancer drop every server. Readiness,
/// on the admin port, is what depends on the database.
final class HealthHandlers: @unchecked Sendable {
  private let loop: EventLoop
  private let services: Set<String>
  private var isServing = true
  private var isEnding = false
  private var watchers: [Promise<Void>] = []

  /// - Parameter services: The full names that can be asked for, besides the empty one for the whole server.
  init(on loop: EventLoop, services: Set<String>) {
    self.loop = loop
    self.services = services
  }

  func register(on router: Router) {
    router.unary(Health.Methods.check.descriptor) { try self.check($0, $1) }
    router.unary(Health.Methods.list.descriptor) { self.list($0, $1) }
    router.serverStreaming(Health.Methods.watch.descriptor) { try await self.watch($0, $1, $2) }
  }

  /// From now on the answer is NOT_SERVING; those who watch are told.
  func stopServing() {
    isServing = false
    wakeWatchers()
  }

  /// Those who watch are sent away.
  func endWatching() {
    isEnding = true
    wakeWatchers()
  }

  private func wakeWatchers() {
    let waiting = watchers
    watchers = []
    for watcher in waiting { watcher.succeed(()) }
  }

  private func check(_ request: HealthCheckRequest, _ call: ServerCall) throws -> HealthCheckResponse {
    guard isKnown(request.service) else { throw RPCError(.notFound, "unknown service") }
    return HealthCheckResponse(status: status(of: request.service))
  }

  private func list(_ request: HealthListRequest, _ call: ServerCall) -> HealthListResponse {
    let names = services.union([""])
    let statuses = names.map { ($0, HealthCheckResponse(status: status(of: $0))) }
    return HealthListResponse(statuses: Dictionary(uniqueKeysWithValues: statuses))
  }

  private func watch(
    _ request: HealthCheckRequest, _ responses: ResponseWriter<HealthCheckResponse>, _ call: ServerCall
  ) async throws {
    var last: HealthCheckResponse.ServingStatus?
    while true {
      let status = status(of: request.service)
      if status != last { try await responses.write(HealthCheckResponse(status: status)) }
      last = status
      if isEnding { throw RPCError(.unavailable, "the server is stopping") }
      let change = Promise<Void>(on: loop)
      watchers.append(change)
      defer { watchers.removeAll { $0 === change } }
      try await change.value()
    }
  }

  private func isKnown(_ service: String) -> Bool { service.isEmpty || services.contains(service) }

  private func status(of service: String) -> HealthCheckResponse.ServingStatus {
    guard isKnown(service) else { return .serviceUnknown }
    return isServing ? .serving : .notServing
  }
}
