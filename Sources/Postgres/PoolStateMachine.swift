/// Who has which connection: the pool's decisions, without its connections, its clock or its tasks.
///
/// Each slot holds at most one connection:
///
///     empty ──connect──► connecting ──ready──► idle ◄──────► leased
///       ▲                    │                  ▲              │ returned, not ready yet
///       │                    │                  └──ready── settling
///       └─────── lost ───────┴──────────────────┴──────────────┘
///
/// The pool as a whole, by its attempts to connect:
///
///     reachable ──attempt failed──► retrying (callers wait) ──more failed, none left──► unreachable (callers fail at once)
///         ▲                             │                                                 │
///         └──────────────────────────── connected ───────────────────────────────────────┘
struct PoolStateMachine {
  typealias Ticket = WaitQueue.Ticket

  enum Slot: Hashable {
    case empty, connecting, idle, leased, settling
  }

  enum OnLeaseRequested: Equatable {
    case lease(Int)
    /// Wait, and open a connection in this slot when there is one.
    case wait(Ticket, connect: Int?)
    case refuse(Refusal)
  }

  enum Refusal: Equatable {
    case queueIsFull, unreachable, closed
  }

  enum OnReady: Equatable {
    case lease(Int, to: Ticket)
    case keep
    case close
  }

  enum OnLost: Equatable {
    case none
    case connect(Int)
    /// Try again after a pause, and tell these callers that there is no connection.
    case retryLater(failing: [Ticket])
  }

  /// How many attempts in a row may fail before callers are told at once instead of waiting.
  static let toleratedFailures = 6

  private let waitLimit: Int
  private(set) var slots: [Slot]
  /// The slots with an idle connection; the one used last is used next.
  private var idle: [Int] = []
  private var waiters = WaitQueue()
  private var connecting = 0
  private(set) var failures = 0
  private var hasConnected = false
  private(set) var isClosed = false

  init(maximumConnections: Int, waitLimit: Int) {
    slots = Array(repeating: .empty, count: max(1, maximumConnections))
    self.waitLimit = waitLimit
  }

  var firstWaiter: Ticket? { waiters.first }
  var isEmpty: Bool { slots.allSatisfy { $0 == .empty } }
  private var isUnreachable: Bool {
    failures > 0 && (failures >= Self.toleratedFailures || !hasConnected) && !slots.contains { $0 == .leased }
  }

  // MARK: Callers

  mutating func leaseRequested() -> OnLeaseRequested {
    if isClosed { return .refuse(.closed) }
    if let slot = idle.popLast() {
      slots[slot] = .leased
      return .lease(slot)
    }
    if isUnreachable { return .refuse(.unreachable) }
    // Those for whom a connection is being opened do not count: nobody is before them.
    if waiters.count >= waitLimit + connecting, !canConnect { return .refuse(.queueIsFull) }
    let ticket = waiters.join()
    return .wait(ticket, connect: connectIfWanted())
  }

  /// The caller has given up; false when it has been served already.
  mutating func waiterLeft(_ ticket: Ticket) -> Bool {
    waiters.leave(ticket)
  }

  /// The caller has returned a connection that cannot be used at once.
  mutating func returnedUnsettled(_ slot: Int) {
    slots[slot] = .settling
  }

  // MARK: Connections

  /// A connection has been opened, returned or has settled.
  mutating func ready(_ slot: Int) -> OnReady {
    if slots[slot] == .connecting {
      connecting -= 1
      failures = 0
      hasConnected = true
    }
    if isClosed {
      slots[slot] = .empty
      return .close
    }
    if let ticket = waiters.next() {
      slots[slot] = .leased
      return .lease(slot, to: ticket)
    }
    slots[slot] = .idle
    idle.append(slot)
    return .keep
  }

  /// A connection has ended, or an attempt has failed.
  /// - Parameter isHopeless: The attempt failed for a reason that another attempt does not change.
  mutating func lost(_ slot: Int, isHopeless: Bool = false) -> OnLost {
    let was = slots[slot]
    slots[slot] = .empty
    switch was {
    case .connecting:
      connecting -= 1
      failures += 1
      if isClosed { return .none }
      return .retryLater(failing: isUnreachable || isHopeless ? waiters.removeAll() : [])
    case .idle: idle.removeAll { $0 == slot }
    case .empty, .leased, .settling: break
    }
    return connectIfWanted().map { .connect($0) } ?? .none
  }

  /// The pause after a failed attempt is over.
  mutating func retryDue() -> Int? {
    guard !isClosed, connecting == 0, failures > 0, let slot = slots.firstIndex(of: .empty) else { return nil }
    return connect(slot)
  }

  /// After a success: one more connection for those who still wait.
  mutating func connectIfWanted() -> Int? {
    guard canConnect, connecting < waiters.count, let slot = slots.firstIndex(of: .empty) else { return nil }
    return connect(slot)
  }

  /// - Returns: The callers to turn away and the idle connections to close; those in use are closed when they come back.
  mutating func close() -> (waiters: [Ticket], slots: [Int]) {
    isClosed = true
    let closing = slots.indices.filter { slots[$0] == .idle || slots[$0] == .connecting }
    for slot in closing { slots[slot] = .empty }
    idle.removeAll()
    connecting = 0
    return (waiters.removeAll(), closing)
  }

  private var canConnect: Bool { !isClosed && failures == 0 && slots.contains(.empty) }

  private mutating func connect(_ slot: Int) -> Int {
    slots[slot] = .connecting
    connecting += 1
    return slot
  }
}
