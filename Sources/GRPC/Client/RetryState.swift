/// When a call is made again, and how often (gRFC A6).
package struct RetryPolicy: Sendable {
  /// How often a call may be made, the first time included. 1 never repeats what a server may have begun to process.
  package var maxAttempts = 5
  /// The longest wait before the first repetition; the wait itself is random.
  package var initialBackoff = Duration.milliseconds(50)
  package var multiplier = 2.0
  package var maxBackoff = Duration.seconds(2)
  /// How many bytes of requests a call keeps to send them again; a call that has sent more is not repeated.
  package var bufferLimit = 256 << 10
  package var budget = RetryBudget.Policy()

  package init() {}
}

/// What one call has tried. A value without a clock.
package struct RetryState: Sendable {
  /// How an attempt failed.
  package enum Failure: Sendable {
    /// There was no connection.
    case unreachable
    /// No server has begun to process it: REFUSED_STREAM, GOAWAY with a lower last stream, or it was still queued here.
    case refused
    /// A server may have begun to process it.
    case processed(StatusCode, Pushback? = nil)
  }

  /// What the server says about when to come again (`grpc-retry-pushback-ms`).
  package enum Pushback: Sendable, Equatable {
    case after(Duration)
    case never

    /// Anything but a number from 0 on means never.
    package init(_ text: String) {
      self = if let number = Int32(text), number >= 0 { .after(.milliseconds(number)) } else { .never }
    }
  }

  package enum OnAttemptFailed: Equatable {
    case giveUp
    case retry(after: Duration)
  }

  private let policy: RetryPolicy
  private let isIdempotent: Bool
  /// How often the call has been made again, not counting those that no server has seen.
  package private(set) var retries = 0
  private var wasRefused = false

  /// - Parameter isIdempotent: Making the call twice does what making it once does, so that it may be repeated also when a server
  ///   may have processed it.
  package init(_ policy: RetryPolicy, isIdempotent: Bool) {
    self.policy = policy
    self.isIdempotent = isIdempotent
  }

  package mutating func attemptFailed(
    _ failure: Failure, budget: inout RetryBudget, using random: inout some RandomNumberGenerator
  ) -> OnAttemptFailed {
    var pause: Duration?
    switch failure {
    case .refused where !wasRefused:
      wasRefused = true
      return .retry(after: .zero)
    case .refused, .unreachable:
      budget.callFailed()
    case .processed(let code, let pushback):
      guard code == .unavailable else { return .giveUp }
      budget.callFailed()
      guard isIdempotent, pushback != .never else { return .giveUp }
      if case .after(let wait) = pushback { pause = wait }
    }
    guard retries + 1 < policy.maxAttempts, budget.allowsRetry else { return .giveUp }
    retries += 1
    if let pause { return .retry(after: pause) }
    let longest = min(policy.initialBackoff * pow(policy.multiplier, retries - 1), policy.maxBackoff)
    return .retry(after: longest * Double.random(in: 0...1, using: &random))
  }
}

private func pow(_ base: Double, _ exponent: Int) -> Double {
  (0..<exponent).reduce(1) { product, _ in product * base }
}
