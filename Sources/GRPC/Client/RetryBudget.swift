/// How much of a client's calls may be repeated, so that retries do not bury a server that is down already (gRFC A6, "Throttling
/// Retry Attempts"). A value.
package struct RetryBudget: Sendable {
  package struct Policy: Sendable {
    /// The most tokens; a call is repeated while more than half of them are there.
    package var maxTokens = 10.0
    /// What a call that succeeds gives back; one that fails takes a whole token.
    package var tokenRatio = 0.1

    package init() {}
  }

  private let policy: Policy
  package private(set) var tokens: Double

  package init(_ policy: Policy = .init()) {
    self.policy = policy
    tokens = policy.maxTokens
  }

  package var allowsRetry: Bool { tokens > policy.maxTokens / 2 }

  package mutating func callSucceeded() {
    tokens = min(tokens + policy.tokenRatio, policy.maxTokens)
  }

  package mutating func callFailed() {
    tokens = max(tokens - 1, 0)
  }
}
