/// Finds out that a connection is dead although nothing says so (gRPC Keepalive). A value without a clock: its owner calls
/// `timerFired` when the time that the last answer named is over.
package struct Keepalive: Sendable {
  package struct Policy: Sendable {
    /// How long nothing may come from the server before it is asked. Servers of other make end connections that ask more often
    /// than every five minutes.
    package var interval: Duration
    /// How long the answer may take.
    package var timeout = Duration.seconds(20)
    /// Whether connections without a call are asked too.
    package var withoutCalls = false

    package init(interval: Duration) {
      self.interval = interval
    }
  }

  package enum OnTimerFired: Equatable {
    case wait(Duration)
    case ping(thenWait: Duration)
    case close
  }

  private let policy: Policy
  private var seen = 0
  private var isAsking = false

  package init(_ policy: Policy) {
    self.policy = policy
  }

  /// - Parameter receivedBytes: Grows with whatever comes from the server.
  package mutating func timerFired(receivedBytes: Int, hasCalls: Bool) -> OnTimerFired {
    guard receivedBytes == seen else {
      seen = receivedBytes
      isAsking = false
      return .wait(policy.interval)
    }
    if isAsking { return .close }
    guard hasCalls || policy.withoutCalls else { return .wait(policy.interval) }
    isAsking = true
    return .ping(thenWait: policy.timeout)
  }
}
