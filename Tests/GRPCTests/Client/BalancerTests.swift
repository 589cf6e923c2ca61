import GRPC
import Testing

@Suite struct BalancerTests {
  private func idle(_ policy: Balancer.Policy, _ count: Int) -> Balancer {
    Balancer(policy, addresses: .init(repeating: .idle, count: count))
  }

  // MARK: Pick first

  @Test("the first address is tried when a call wants it, and gets all calls")
  func first() {
    var balancer = idle(.pickFirst, 2)
    #expect(balancer.takeCommands() == [])
    #expect(balancer.pick() == .wait)
    #expect(balancer.takeCommands() == [.connect(0), .startStagger])
    #expect(balancer.pick() == .wait)
    #expect(balancer.takeCommands() == [])
    balancer.connected(0)
    #expect(balancer.takeCommands() == [.cancelStagger])
    for _ in 0..<3 { #expect(balancer.pick() == .address(0)) }
  }

  @Test("the next address is tried at once when one fails, and when it takes long")
  func nextAddress() {
    var balancer = idle(.pickFirst, 3)
    _ = balancer.pick()
    balancer.attemptFailed(0)
    #expect(balancer.takeCommands() == [.connect(0), .startStagger, .connect(1), .startStagger])
    balancer.staggerPassed()
    #expect(balancer.takeCommands() == [.connect(2), .startStagger])
    balancer.staggerPassed()
    #expect(balancer.takeCommands() == [.cancelStagger])
    #expect(balancer.pick() == .wait)
    // Both were being tried: the first that answers wins.
    balancer.connected(2)
    #expect(balancer.takeCommands() == [.cancelStagger, .drop(1)])
    #expect(balancer.pick() == .address(2))
  }

  @Test("when all have failed calls fail, until one has rested")
  func allFailed() {
    var balancer = idle(.pickFirst, 2)
    _ = balancer.pick()
    balancer.attemptFailed(0)
    #expect(balancer.pick() == .wait)
    balancer.attemptFailed(1)
    _ = balancer.takeCommands()
    #expect(balancer.pick() == .failed)
    balancer.pauseEnded(1)
    #expect(balancer.pick() == .wait)
    #expect(balancer.takeCommands().contains(.connect(1)))
    balancer.connected(1)
    #expect(balancer.pick() == .address(1))
  }

  @Test("when the connection is lost the addresses are tried from the first on, without more rest")
  func lost() {
    var balancer = idle(.pickFirst, 3)
    _ = balancer.pick()
    balancer.attemptFailed(0)
    balancer.connected(1)
    balancer.connectionLost(1)
    _ = balancer.takeCommands()
    #expect(balancer.pick() == .wait)
    #expect(balancer.takeCommands() == [.connect(0), .startStagger])
    balancer.attemptFailed(0)
    #expect(balancer.takeCommands() == [.connect(1), .startStagger])
  }

  @Test("new addresses keep the connection that is there")
  func keeps() {
    var balancer = Balancer(.pickFirst, addresses: [.idle, .ready])
    #expect(balancer.pick() == .address(1))
    #expect(balancer.takeCommands() == [])
  }

  // MARK: Round robin

  @Test("calls go to all addresses in turn")
  func turns() {
    var balancer = idle(.roundRobin, 3)
    #expect(balancer.pick() == .wait)
    #expect(balancer.takeCommands() == [.connect(0), .connect(1), .connect(2)])
    for index in 0..<3 { balancer.connected(index) }
    #expect((0..<6).map { _ in balancer.pick() } == [0, 1, 2, 0, 1, 2].map { .address($0) })
  }

  @Test("an address that is lost is left out, and connected to again")
  func leavesOut() {
    var balancer = Balancer(.roundRobin, addresses: [.ready, .ready, .ready])
    #expect(balancer.pick() == .address(0))
    balancer.connectionLost(1)
    #expect((0..<4).map { _ in balancer.pick() } == [2, 0, 2, 0].map { .address($0) })
    #expect(balancer.takeCommands() == [.connect(1)])
    balancer.attemptFailed(1)
    _ = balancer.pick()
    #expect(balancer.takeCommands() == [])
    balancer.pauseEnded(1)
    _ = balancer.pick()
    #expect(balancer.takeCommands() == [.connect(1)])
    balancer.connected(1)
    #expect(Set((0..<3).map { _ in "\(balancer.pick())" }).count == 3)
  }

  @Test("calls fail only when every address has failed")
  func allOfThemFailed() {
    var balancer = idle(.roundRobin, 2)
    _ = balancer.pick()
    balancer.attemptFailed(0)
    #expect(balancer.pick() == .wait)
    balancer.attemptFailed(1)
    #expect(balancer.pick() == .failed)
  }

  @Test("without addresses calls fail", arguments: [Balancer.Policy.pickFirst, .roundRobin])
  func none(_ policy: Balancer.Policy) {
    var balancer = Balancer(policy)
    #expect(balancer.pick() == .failed)
  }

  @Test(
    "whatever happens, a call goes to an address that is ready or none is",
    arguments: [Balancer.Policy.pickFirst, .roundRobin])
  func random(_ policy: Balancer.Policy) {
    for _ in 0..<200 {
      var model = [Balancer.Address](repeating: .idle, count: Int.random(in: 1...4))
      var balancer = Balancer(policy, addresses: model)
      for _ in 0..<100 {
        step(&balancer, &model)
        let pick = balancer.pick()
        for command in balancer.takeCommands() { obey(command, &model) }
        switch pick {
        case .address(let index): #expect(model[index] == .ready)
        case .wait: #expect(model.contains(.connecting) && !model.contains(.ready))
        case .failed: #expect(model.allSatisfy { $0 == .pausing })
        }
      }
    }
  }

  /// Something happens to one of the addresses.
  private func step(_ balancer: inout Balancer, _ model: inout [Balancer.Address]) {
    let index = model.indices.randomElement() ?? 0
    switch model[index] {
    case .idle: balancer.staggerPassed()
    case .connecting where Bool.random():
      model[index] = .ready
      balancer.connected(index)
    case .connecting:
      model[index] = .pausing
      balancer.attemptFailed(index)
    case .ready:
      model[index] = .idle
      balancer.connectionLost(index)
    case .pausing:
      model[index] = .idle
      balancer.pauseEnded(index)
    }
    for command in balancer.takeCommands() { obey(command, &model) }
  }

  private func obey(_ command: Balancer.Command, _ model: inout [Balancer.Address]) {
    switch command {
    case .connect(let index):
      #expect(model[index] == .idle)
      model[index] = .connecting
    case .drop(let index):
      #expect(model[index] == .connecting || model[index] == .ready)
      model[index] = .idle
    case .endPause(let index):
      #expect(model[index] == .pausing)
      model[index] = .idle
    case .startStagger, .cancelStagger: break
    }
  }
}
