import GRPC
import Testing

@Suite struct RetryStateTests {
  /// One call and the client's budget.
  private struct Call {
    var state: RetryState
    var budget = RetryBudget()
    private var random = SystemRandomNumberGenerator()

    init(isIdempotent: Bool = false, _ policy: RetryPolicy = .init()) {
      state = RetryState(policy, isIdempotent: isIdempotent)
    }

    mutating func failed(_ failure: RetryState.Failure) -> RetryState.OnAttemptFailed {
      state.attemptFailed(failure, budget: &budget, using: &random)
    }

    /// The wait, nil when the call gives up.
    mutating func pause(_ failure: RetryState.Failure) -> Duration? {
      if case .retry(let pause) = failed(failure) { pause } else { nil }
    }
  }

  @Test("a call that a server may have processed is not repeated unless it is idempotent")
  func processed() {
    var call = Call()
    #expect(call.failed(.processed(.unavailable)) == .giveUp)
    call = Call(isIdempotent: true)
    #expect(call.pause(.processed(.unavailable)) != nil)
  }

  @Test("only UNAVAILABLE is worth repeating", arguments: 1...16)
  func codes(_ code: Int) {
    var call = Call(isIdempotent: true)
    #expect((call.pause(.processed(StatusCode(rawValue: code))) != nil) == (code == 14))
  }

  @Test("a call that no server processed is repeated at once, and only the second time costs a token")
  func refused() {
    var call = Call()
    #expect(call.failed(.refused) == .retry(after: .zero))
    #expect(call.budget.tokens == 10)
    #expect(call.state.retries == 0)
    #expect(call.pause(.refused) != nil)
    #expect(call.budget.tokens == 9)
    #expect(call.state.retries == 1)
  }

  @Test("a call is made five times, with growing random waits")
  func attempts() {
    var longest = [Duration](repeating: .zero, count: 4)
    for _ in 0..<500 {
      var call = Call(isIdempotent: true)
      for index in longest.indices {
        longest[index] = max(longest[index], call.pause(.processed(.unavailable)) ?? .seconds(99))
      }
      #expect(call.failed(.processed(.unavailable)) == .giveUp)
    }
    for (index, bound) in [50, 100, 200, 400].enumerated() {
      #expect(longest[index] <= .milliseconds(bound))
      #expect(longest[index] > .milliseconds(bound * 8 / 10))
    }
  }

  @Test("a call without a connection is tried again like one that failed")
  func unreachable() {
    var call = Call()
    for _ in 0..<4 { #expect(call.pause(.unreachable) != nil) }
    #expect(call.failed(.unreachable) == .giveUp)
  }

  @Test("the server says when to come again, or not to")
  func pushback() {
    var call = Call(isIdempotent: true)
    #expect(call.failed(.processed(.unavailable, .after(.seconds(7)))) == .retry(after: .seconds(7)))
    #expect(call.failed(.processed(.unavailable, .never)) == .giveUp)
    #expect(RetryState.Pushback("250") == .after(.milliseconds(250)))
    #expect(RetryState.Pushback("-1") == .never)
    #expect(RetryState.Pushback("soon") == .never)
  }

  @Test("a client whose calls fail stops repeating them, and begins again when calls succeed")
  func budget() {
    var budget = RetryBudget()
    for _ in 0..<4 { budget.callFailed() }
    #expect(budget.allowsRetry)
    budget.callFailed()
    #expect(!budget.allowsRetry)
    budget.callSucceeded()
    #expect(budget.allowsRetry)
    for _ in 0..<100 { budget.callFailed() }
    #expect(budget.tokens == 0)
    for _ in 0..<1000 { budget.callSucceeded() }
    #expect(budget.tokens == 10)
  }

  @Test("an empty budget ends the repetitions of a call")
  func emptyBudget() {
    var call = Call(isIdempotent: true)
    for _ in 0..<4 { call.budget.callFailed() }
    #expect(call.failed(.processed(.unavailable)) == .giveUp)
  }
}
