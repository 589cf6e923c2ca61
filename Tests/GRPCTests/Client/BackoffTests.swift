import GRPC
import Testing

@Suite struct BackoffTests {
  private static func policy(jitter: Double = 0) -> Backoff.Policy {
    var policy = Backoff.Policy()
    policy.jitter = jitter
    return policy
  }

  @Test("the waits grow by 1.6 from a second to two minutes, and begin anew after a connection")
  func growth() {
    var backoff = Backoff(Self.policy())
    var random = SystemRandomNumberGenerator()
    var waits = (0..<13).map { _ in backoff.attemptFailed(after: .zero, using: &random) }
    let milliseconds = waits.map { Int(($0 / .milliseconds(1)).rounded()) }
    #expect(milliseconds.prefix(4) == [1000, 1600, 2560, 4096])
    #expect(waits.last == .seconds(120))
    backoff.connected()
    waits = [backoff.attemptFailed(after: .zero, using: &random)]
    #expect(waits == [.seconds(1)])
  }

  @Test("the time that an attempt took counts for the wait, which never falls below nothing")
  func elapsed() {
    var backoff = Backoff(Self.policy())
    var random = SystemRandomNumberGenerator()
    #expect(backoff.attemptFailed(after: .milliseconds(300), using: &random) == .milliseconds(700))
    #expect(backoff.attemptFailed(after: .seconds(10), using: &random) == .zero)
  }

  @Test("the jitter spreads the waits over a fifth on both sides")
  func jitter() {
    var random = SystemRandomNumberGenerator()
    var waits: [Duration] = []
    for _ in 0..<1000 {
      var backoff = Backoff(Self.policy(jitter: 0.2))
      waits.append(backoff.attemptFailed(after: .zero, using: &random))
    }
    #expect(waits.allSatisfy { (.milliseconds(800)...(.milliseconds(1200))).contains($0) })
    #expect(waits.contains { $0 < .milliseconds(850) } && waits.contains { $0 > .milliseconds(1150) })
  }
}
