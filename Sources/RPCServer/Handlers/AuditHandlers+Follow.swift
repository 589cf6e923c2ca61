import Contract
import GRPC
import Postgres
import Proto
import Segmentation

extension AuditHandlers {
  /// Sends what there is, then what is committed from then on, until the end or the limit is reached, the caller goes away or the
  /// server stops. While it waits it holds no connection; what it sends it has from the loop's feed, unless it has fallen behind.
  func follow(
    _ range: AuditRange, _ batches: AuditBatcher, _ responses: ResponseWriter<StreamAuditResponse>,
    _ call: ServerCall
  ) async throws {
    feed.join()
    defer { feed.leave() }
    var follower = AuditFollower(range)
    while true {
      try await advance(&follower, batches, responses, call)
      try batches.flush(into: responses)
      try await responses.waitForRoom()
      if batches.taken > follower.reported {
        follower.reported = batches.taken
        follower.beats(at: .now)
      }
      if follower.isDone(taken: batches.taken, feed.tip) { return }
      switch try await feed.wait(beyond: follower.position, until: follower.nextLook) {
      case .moved: break
      case .timeIsUp where follower.nextBeat <= .now: try await beat(&follower, responses)
      case .timeIsUp: break
      case .stopped:
        try await beat(&follower, responses)
        throw RPCError(.unavailable, "the server is stopping; go on from the last token")
      }
    }
  }

  /// Goes on to the end that the feed has seen.
  private func advance(
    _ follower: inout AuditFollower, _ batches: AuditBatcher, _ responses: ResponseWriter<StreamAuditResponse>,
    _ call: ServerCall
  ) async throws {
    while let tip = feed.tip, follower.position < tip.end, batches.taken < follower.range.limit, !feed.isStopped {
      guard tip.identity == follower.range.bound.identity else {
        throw RPCError(.unavailable, "the database has been replaced or restored")
      }
      guard let slices = feed.recent(after: follower.position) else {
        let bound = follower.bound(tip)
        try await copy(follower.range, after: follower.position, to: bound, batches, responses, call)
        follower.position = tip.end
        continue
      }
      for slice in slices {
        for record in slice.records where follower.wants(record) && batches.taken < follower.range.limit {
          batches.add(record)
          guard batches.isFull else { continue }
          try batches.flush(into: responses)
          try await responses.waitForRoom()
        }
        follower.position = slice.end
      }
    }
  }

  private func beat(
    _ follower: inout AuditFollower, _ responses: ResponseWriter<StreamAuditResponse>
  ) async throws {
    follower.beats(at: .now)
    let token = AuditToken(follower.range.bound.identity, follower.position)
    let time = feed.tip?.time ?? follower.time
    try await responses.write(
      StreamAuditResponse(
        event: .heartbeat(AuditHeartbeat(resumeToken: token.text, time: time.map { ProtoTimestamp($0) }))))
  }
}

/// How far a follower has come, and when it ends.
struct AuditFollower {
  /// Between two looks whether the end's instant has passed.
  private static let lookInterval = Duration.seconds(1)

  let range: AuditRange
  /// Everything up to here has been sent, or was not wanted.
  var position: Segmentation.AuditPosition
  /// How many records the caller has been sent.
  var reported: Int64 = 0
  private(set) var nextBeat: ContinuousClock.Instant
  /// The last time that the database told.
  private(set) var time: Postgres.Timestamp?
  /// The transactions that ran when the end's instant passed are below.
  private var lastTransaction: Int64?

  init(_ range: AuditRange) {
    self.range = range
    position = range.start
    // The first one comes at once: the caller learns where it is.
    nextBeat = .now
  }

  mutating func beats(at now: ContinuousClock.Instant) {
    nextBeat = now + range.heartbeat
  }

  var nextLook: ContinuousClock.Instant {
    range.filter.until == nil ? nextBeat : min(nextBeat, .now + Self.lookInterval)
  }

  func bound(_ tip: AuditTip) -> AuditBound {
    // What is dropped from the call's beginning on was still to be read.
    let bound = AuditBound(
      identity: tip.identity, end: tip.end, isComplete: tip.bound.isComplete, floor: range.bound.floor)
    return range.endPosition.map { bound.ending(at: $0) } ?? bound
  }

  func wants(_ record: Segmentation.AuditRecord) -> Bool {
    if record.position <= position { return false }
    if let end = range.endPosition, record.position > end { return false }
    return range.filter.matches(record)
  }

  /// Whether the limit, the end's token or the end's instant has been reached. What takes effect before that instant and is
  /// written after it, as an expiry may be, is not waited for.
  mutating func isDone(taken: Int64, _ tip: AuditTip?) -> Bool {
    if taken >= range.limit { return true }
    if let end = range.endPosition, position >= end { return true }
    guard let tip else { return false }
    time = tip.time
    guard let until = range.filter.until, tip.time >= until else { return false }
    let last = lastTransaction ?? tip.next
    lastTransaction = last
    return tip.oldest >= last && position >= tip.end
  }
}
