import GRPC
import Postgres
import Proto
import Segmentation

/// Which records a StreamAudit request means.
struct AuditRange: Sendable {
  private static let standardHeartbeat = Duration.seconds(10)
  private static let shortestHeartbeat = Duration.milliseconds(100)

  /// What there is when the call begins, up to the token that it is to end with; a follower goes on behind it.
  let bound: AuditBound
  let start: Segmentation.AuditPosition
  let filter: AuditFilter
  /// Where to end that was asked for by a token.
  let endPosition: Segmentation.AuditPosition?
  let limit: Int64
  let heartbeat: Duration

  /// Fixes the end of the log for this call.
  /// - Parameter acknowledged: Where a request that does not say where to begin begins; nil for the beginning.
  /// - Throws: `SegmentationError.invalid` for a request that means nothing, `tokenTooOld`.
  init(
    _ request: StreamAuditRequest, _ audit: AuditStore, acknowledged: Segmentation.AuditPosition? = nil,
    _ call: ServerCall
  ) async throws {
    guard request.limit >= 0 else { throw SegmentationError.invalid(field: "limit", reason: "must not be negative") }
    limit = request.limit == 0 ? .max : request.limit
    heartbeat = try Self.heartbeat(request)
    var filter = try await Self.filter(request, audit, call)
    // A follower need not wait for what is being committed, unless it wants to begin behind that.
    var bound =
      request.follow && request.start != .startPosition(.now)
      ? try await audit.settled(deadline: call.deadline) : try await audit.bound(deadline: call.deadline)
    var endPosition: Segmentation.AuditPosition?
    switch request.start {
    case nil:
      start = try acknowledged.map { try bound.start(AuditToken(bound.identity, $0), field: "consumer") } ?? .beginning
    case .startPosition(.unspecified), .startPosition(.beginning): start = .beginning
    case .startPosition(.now): start = bound.end
    case .startPosition: throw SegmentationError.invalid(field: "start_position", reason: "is unknown")
    case .startToken(let text):
      start = try bound.start(AuditToken(text, field: "start_token"), field: "start_token")
    case .startTime(let time):
      start = .beginning
      filter.from = try Timestamp(time, field: "start_time")
    }
    switch request.end {
    case nil: break
    case .endTime(let time): filter.until = try Timestamp(time, field: "end_time")
    case .endToken(let text):
      let end = try AuditToken(text, field: "end_token").position(in: bound.identity, field: "end_token")
      bound = bound.ending(at: end)
      endPosition = end
    }
    self.endPosition = endPosition
    self.filter = filter
    self.bound = bound
  }

  private static func heartbeat(_ request: StreamAuditRequest) throws(SegmentationError) -> Duration {
    guard let asked = request.heartbeatInterval else { return standardHeartbeat }
    guard let microseconds = try? asked.microseconds() else {
      throw .invalid(field: "heartbeat_interval", reason: "is out of range")
    }
    let interval = Duration.microseconds(microseconds)
    guard interval >= shortestHeartbeat else {
      throw .invalid(field: "heartbeat_interval", reason: "must be at least 100 milliseconds")
    }
    return interval
  }

  private static func filter(
    _ request: StreamAuditRequest, _ audit: AuditStore, _ call: ServerCall
  ) async throws -> AuditFilter {
    var filter = AuditFilter()
    if !request.userIDs.isEmpty {
      filter.users = Set(try request.userIDs.enumerated().map { try UserID($1, field: "user_ids[\($0)]") })
    }
    if !request.segments.isEmpty {
      let references = try request.segments.enumerated().map { try SegmentReference($1, field: "segments[\($0)]") }
      filter.segments = try await audit.segments(named: references, deadline: call.deadline)
    }
    if !request.actions.isEmpty {
      filter.actions = Set(
        try request.actions.enumerated().map { try Segmentation.AuditAction($1, field: "actions[\($0)]") })
    }
    if !request.causes.isEmpty {
      filter.causes = Set(
        try request.causes.enumerated().map { try Segmentation.AuditCause($1, field: "causes[\($0)]") })
    }
    return filter
  }
}

private typealias Timestamp = Postgres.Timestamp

extension Segmentation.AuditAction {
  fileprivate init(_ action: Proto.AuditAction, field: String) throws(SegmentationError) {
    switch action {
    case .assign: self = .assign
    case .deprive: self = .deprive
    case .renew: self = .renew
    default: throw .invalid(field: field, reason: "is unknown")
    }
  }
}

extension Segmentation.AuditCause {
  fileprivate init(_ cause: Proto.AuditCause, field: String) throws(SegmentationError) {
    guard let number = Int16(exactly: cause.rawValue), let known = Self(rawValue: number) else {
      throw .invalid(field: field, reason: "is unknown")
    }
    self = known
  }
}
