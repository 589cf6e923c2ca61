/// How long a client waits between two attempts to connect to one address (gRPC Connection Backoff Protocol). A value without
/// a clock.
package struct Backoff: Sendable {
  package struct Policy: Sendable {
    /// Between the begin of the first attempt and that of the second.
    package var initial = Duration.seconds(1)
    /// By how much the wait grows with each failure.
    package var multiplier = 1.6
    /// By which part of itself the wait is longer or shorter, at random: clients that failed together come back apart.
    package var jitter = 0.2
    package var longest = Duration.seconds(120)

    package init() {}
  }

  private let policy: Policy
  private var current: Duration

  package init(_ policy: Policy = .init()) {
    self.policy = policy
    current = policy.initial
  }

  /// An attempt has failed.
  /// - Parameter elapsed: Since the attempt began; it counts for the wait.
  /// - Returns: How long to wait from now on.
  package mutating func attemptFailed(
    after elapsed: Duration, using random: inout some RandomNumberGenerator
  ) -> Duration {
    let wait = current * Double.random(in: (1 - policy.jitter)...(1 + policy.jitter), using: &random)
    current = min(current * policy.multiplier, policy.longest)
    return max(wait - elapsed, .zero)
  }

  /// A connection is there: the next failure is a first one.
  package mutating func connected() {
    current = policy.initial
  }
}
