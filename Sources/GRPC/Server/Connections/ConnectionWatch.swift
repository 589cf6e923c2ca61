/// Decides, at each look at a connection, whether it may go on. Counts and instants in, a verdict out.
///
///     handshake ──established──► open ──idle, old──► draining
///         └──────────┴──────too slow──────┴────► close
struct ConnectionWatch {
  typealias Instant = ContinuousClock.Instant

  /// What the connection has done so far. Counts only ever grow.
  struct Facts: Equatable {
    var isEstablished = true
    var receivedBytes = 0
    var receivedFrames = 0
    var isWithinFrame = false
    var openedCalls = 0
    var calls = 0
    /// Bytes that flow control keeps back, and that it has let go.
    var queuedOutput = 0
    var sentOutput = 0
    /// Bytes that the socket does not take, and that it has taken.
    var unwrittenBytes = 0
    var writtenBytes = 0
  }

  enum Verdict: Equatable {
    case none
    case ping
    /// No more calls; the running ones finish.
    case drain(Reason)
    case close(Reason)
  }

  enum Reason: Equatable {
    case handshake, frame, stalled, crowded, idle, aged, keepalive
    /// Told to go, and still there after the grace.
    case overdue
  }

  /// A count and when it changed last.
  private struct Mark {
    var count = 0
    var since: Instant

    /// - Returns: For how long the count has been what it is.
    mutating func age(_ count: Int, at now: Instant) -> Duration {
      if count != self.count {
        self.count = count
        since = now
      }
      return now - since
    }
  }

  private let shared: SharedLimits
  private let openedAt: Instant
  private let retiresAt: Instant
  private var drainedAt: Instant?
  private var pingedAt: Instant?
  private var received: Mark
  private var frame: Mark
  private var calls: Mark
  private var sent: Mark
  private var written: Mark
  /// Since when more is queued than should be, and what had been sent then.
  private var crowded: Mark?

  /// - Parameter jitter: 0.9 to 1.1; connections that were opened together must not all end together.
  init(_ shared: SharedLimits, openedAt: Instant, jitter: Double = .random(in: 0.9...1.1)) {
    self.shared = shared
    self.openedAt = openedAt
    retiresAt = openedAt + shared.limits.connectionAge * jitter
    received = Mark(since: openedAt)
    frame = Mark(since: openedAt)
    calls = Mark(since: openedAt)
    sent = Mark(since: openedAt)
    written = Mark(since: openedAt)
  }

  private var limits: ServerLimits { shared.limits }

  mutating func look(_ facts: Facts, at now: Instant) -> Verdict {
    guard facts.isEstablished else {
      return now - openedAt >= limits.handshakeTimeout ? .close(.handshake) : .none
    }
    if isFrameLate(facts, at: now) { return .close(.frame) }
    if isStalled(facts, at: now) { return .close(.stalled) }
    if isCrowded(facts, at: now) { return .close(.crowded) }
    // The clock of idleness runs from the last call's end.
    let quiet = calls.age(facts.openedCalls, at: now)
    if facts.calls > 0 { calls.since = now }
    switch retirement(facts, quiet: facts.calls > 0 ? .zero : quiet, at: now) {
    case .none: return keepalive(facts, at: now)
    case let verdict: return verdict
    }
  }

  private mutating func isFrameLate(_ facts: Facts, at now: Instant) -> Bool {
    let age = frame.age(facts.receivedFrames, at: now)
    guard facts.isWithinFrame else {
      frame.since = now
      return false
    }
    return age >= limits.frameTimeout
  }

  private mutating func isStalled(_ facts: Facts, at now: Instant) -> Bool {
    let unsent = sent.age(facts.sentOutput, at: now)
    if facts.queuedOutput == 0 { sent.since = now }
    let unwritten = written.age(facts.writtenBytes, at: now)
    if facts.unwrittenBytes == 0 { written.since = now }
    if facts.queuedOutput > 0, unsent >= limits.stallTimeout { return true }
    return facts.unwrittenBytes > 0 && unwritten >= limits.stallTimeout
  }

  private mutating func isCrowded(_ facts: Facts, at now: Instant) -> Bool {
    guard facts.queuedOutput > limits.queuedOutput else {
      crowded = nil
      return false
    }
    let mark = crowded ?? Mark(count: facts.sentOutput, since: now)
    crowded = mark
    guard now - mark.since >= limits.crowdedTimeout else { return false }
    crowded = nil
    return facts.sentOutput - mark.count < limits.queuedOutput / 16
  }

  private mutating func retirement(_ facts: Facts, quiet: Duration, at now: Instant) -> Verdict {
    if let drainedAt {
      let grace = facts.calls > 0 ? limits.connectionAgeGrace : min(limits.connectionAgeGrace, limits.keepaliveTimeout)
      return now - drainedAt >= grace ? .close(.overdue) : .none
    }
    let reason: Reason? = now >= retiresAt ? .aged : quiet >= limits.idleTimeout ? .idle : nil
    guard let reason else { return .none }
    drainedAt = now
    return .drain(reason)
  }

  private mutating func keepalive(_ facts: Facts, at now: Instant) -> Verdict {
    let silence = received.age(facts.receivedBytes, at: now)
    if silence == .zero { pingedAt = nil }
    if let pingedAt { return now - pingedAt >= limits.keepaliveTimeout ? .close(.keepalive) : .none }
    guard silence >= limits.keepaliveInterval else { return .none }
    pingedAt = now
    return .ping
  }
}
