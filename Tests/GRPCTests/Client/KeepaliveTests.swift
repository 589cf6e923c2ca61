import GRPC
import Testing

@Suite struct KeepaliveTests {
  private static let policy = Keepalive.Policy(interval: .seconds(60))

  @Test("a connection on which something comes is not asked")
  func busy() {
    var keepalive = Keepalive(Self.policy)
    for count in 1...3 {
      #expect(keepalive.timerFired(receivedBytes: count, hasCalls: true) == .wait(.seconds(60)))
    }
  }

  @Test("a silent connection is asked, and closed when it does not answer")
  func silent() {
    var keepalive = Keepalive(Self.policy)
    #expect(keepalive.timerFired(receivedBytes: 0, hasCalls: true) == .ping(thenWait: .seconds(20)))
    #expect(keepalive.timerFired(receivedBytes: 0, hasCalls: true) == .close)
  }

  @Test("an answer starts the next interval")
  func answered() {
    var keepalive = Keepalive(Self.policy)
    #expect(keepalive.timerFired(receivedBytes: 0, hasCalls: true) == .ping(thenWait: .seconds(20)))
    #expect(keepalive.timerFired(receivedBytes: 1, hasCalls: true) == .wait(.seconds(60)))
    #expect(keepalive.timerFired(receivedBytes: 1, hasCalls: true) == .ping(thenWait: .seconds(20)))
  }

  @Test("a connection without calls is asked only when that is wanted")
  func idle() {
    var keepalive = Keepalive(Self.policy)
    #expect(keepalive.timerFired(receivedBytes: 0, hasCalls: false) == .wait(.seconds(60)))
    var policy = Self.policy
    policy.withoutCalls = true
    keepalive = Keepalive(policy)
    #expect(keepalive.timerFired(receivedBytes: 0, hasCalls: false) == .ping(thenWait: .seconds(20)))
  }
}
