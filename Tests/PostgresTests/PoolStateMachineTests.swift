import Testing

@testable import Postgres

@Suite("The pool's decisions")
struct PoolStateMachineTests {
  /// A machine with one leased connection and no room for another.
  private func leased(waitLimit: Int = 10) -> PoolStateMachine {
    var machine = PoolStateMachine(maximumConnections: 1, waitLimit: waitLimit)
    _ = machine.leaseRequested()
    _ = machine.ready(0)
    return machine
  }

  private func wait(_ machine: inout PoolStateMachine) -> PoolStateMachine.Ticket? {
    if case .wait(let ticket, _) = machine.leaseRequested() { ticket } else { nil }
  }

  @Test("the first caller waits for a connection that is opened for it")
  func opensOnDemand() {
    var machine = PoolStateMachine(maximumConnections: 2, waitLimit: 10)
    guard case .wait(let ticket, connect: 0) = machine.leaseRequested() else {
      Issue.record("no connection was asked for")
      return
    }
    #expect(machine.slots == [.connecting, .empty])
    #expect(machine.ready(0) == .lease(0, to: ticket))
    #expect(machine.ready(0) == .keep)
    #expect(machine.leaseRequested() == .lease(0))
  }

  @Test("a returned connection goes to the one who waits longest")
  func servesInOrder() {
    var machine = leased()
    let tickets = (0..<3).compactMap { _ in wait(&machine) }
    #expect(tickets.count == 3)
    #expect(machine.waiterLeft(tickets[0]) == true)
    #expect(machine.waiterLeft(tickets[0]) == false)
    #expect(machine.ready(0) == .lease(0, to: tickets[1]))
    #expect(machine.waiterLeft(tickets[1]) == false)
    #expect(machine.ready(0) == .lease(0, to: tickets[2]))
    #expect(machine.ready(0) == .keep)
  }

  @Test("a caller beyond the wait limit is refused, until one leaves")
  func limitsTheQueue() {
    var machine = leased(waitLimit: 2)
    let first = wait(&machine)
    #expect(wait(&machine) != nil)
    #expect(machine.leaseRequested() == .refuse(.queueIsFull))
    #expect(first.map { machine.waiterLeft($0) } == true)
    #expect(wait(&machine) != nil)
    #expect(machine.leaseRequested() == .refuse(.queueIsFull))
  }

  @Test("without a queue every connection can still be opened and used")
  func needsNoQueue() {
    var machine = PoolStateMachine(maximumConnections: 2, waitLimit: 0)
    #expect(wait(&machine) != nil)
    #expect(wait(&machine) != nil)
    #expect(machine.leaseRequested() == .refuse(.queueIsFull))
    #expect(machine.slots == [.connecting, .connecting])
  }

  @Test("a lost connection is replaced for those who wait, and otherwise when it is needed")
  func replacesLost() {
    var machine = leased()
    #expect(wait(&machine) != nil)
    #expect(machine.lost(0) == .connect(0))
    var quiet = leased()
    #expect(quiet.ready(0) == .keep)
    #expect(quiet.lost(0) == .none)
    #expect(quiet.slots == [.empty])
    guard case .wait(_, connect: 0) = quiet.leaseRequested() else {
      Issue.record("no connection was asked for")
      return
    }
  }

  @Test("who waits for the very first connection hears at once that it failed")
  func failsFirstAttempt() {
    var machine = PoolStateMachine(maximumConnections: 1, waitLimit: 10)
    let ticket = wait(&machine)
    #expect(machine.lost(0) == .retryLater(failing: ticket.map { [$0] } ?? []))
    #expect(machine.leaseRequested() == .refuse(.unreachable))
    #expect(machine.retryDue() == 0)
    #expect(machine.ready(0) == .keep)
    #expect(machine.leaseRequested() == .lease(0))
  }

  @Test("callers wait through a short outage and are refused during a long one")
  func toleratesShortOutages() {
    var machine = leased()
    #expect(machine.lost(0) == .none)
    let ticket = wait(&machine)
    for _ in 1..<PoolStateMachine.toleratedFailures {
      #expect(machine.lost(0) == .retryLater(failing: []))
      #expect(machine.retryDue() == 0)
    }
    #expect(machine.lost(0) == .retryLater(failing: ticket.map { [$0] } ?? []))
    #expect(machine.leaseRequested() == .refuse(.unreachable))
  }

  @Test("a closing pool turns waiters away and closes what comes back")
  func closes() {
    var machine = leased()
    let ticket = wait(&machine)
    let (waiters, slots) = machine.close()
    #expect(waiters == (ticket.map { [$0] } ?? []))
    #expect(slots.isEmpty)
    #expect(machine.leaseRequested() == .refuse(.closed))
    #expect(!machine.isEmpty)
    #expect(machine.ready(0) == .close)
    #expect(machine.isEmpty)
  }

  @Test("a queue of thousands with leavers in it stays in order")
  func keepsOrder() {
    var queue = WaitQueue()
    let tickets = (0..<5000).map { _ in queue.join() }
    for index in stride(from: 0, to: 5000, by: 3) { #expect(queue.leave(tickets[index]) == true) }
    #expect(queue.count == 3333)
    var served: [WaitQueue.Ticket] = []
    while let ticket = queue.next() { served.append(ticket) }
    #expect(served == tickets.indices.filter { $0 % 3 != 0 }.map { tickets[$0] })
    #expect(queue.isEmpty)
  }

  @Test("the pause doubles up to five seconds, never less than half of it")
  func backsOff() {
    var backoff = Backoff()
    var random = SystemRandomNumberGenerator()
    let pauses = (0..<12).map { _ in backoff.failed(using: &random) }
    for (index, pause) in pauses.enumerated() {
      let step = min(Duration.milliseconds(50) * (1 << min(index, 20)), .seconds(5))
      #expect(pause <= step && pause >= step / 2)
    }
    backoff.succeeded()
    #expect(backoff.failed(using: &random) <= .milliseconds(50))
  }
}
