/// Which of its addresses a client's calls go to. A value: it hears what becomes of the connections and says what is to be done
/// next; it does no I/O and knows no clock.
///
/// One address:
///
///     idle ──connect──► connecting ──► ready ──lost, GOAWAY──► idle
///                           └──failed──► pausing ──pause over, another one lost──► idle
package struct Balancer: Sendable {
  package enum Policy: Sendable {
    /// All calls go to the first address that answers, tried in their order, each a quarter of a second after the one before
    /// unless that has failed by then (RFC 8305).
    case pickFirst
    /// Calls go to all addresses in turn.
    case roundRobin
  }

  package enum Address: Sendable {
    case idle, connecting, ready, pausing
  }

  package enum Pick: Equatable {
    case address(Int)
    /// Something is going on that decides it.
    case wait
    /// No address can be reached now.
    case failed
  }

  /// What the owner has to do, in this order.
  package enum Command: Equatable {
    case connect(Int)
    /// The connection, or the attempt at one, is not wanted any more.
    case drop(Int)
    /// The address need not rest any longer.
    case endPause(Int)
    /// Call `staggerPassed()` after `stagger`, unless it is cancelled or asked for again before.
    case startStagger
    case cancelStagger
  }

  package static let stagger = Duration.milliseconds(250)

  private let policy: Policy
  private var addresses: [Address]
  private var commands: [Command] = []
  /// Round robin: the address of the latest call.
  private var latest = -1
  /// Pick first: the next address to try, nil when none is being tried.
  private var next: Int?

  package init(_ policy: Policy, addresses: [Address] = []) {
    self.policy = policy
    self.addresses = addresses
    if policy == .roundRobin { latest = addresses.count - 1 }
  }

  /// What there is to do since the last time.
  package mutating func takeCommands() -> [Command] {
    guard !commands.isEmpty else { return [] }
    defer { commands = [] }
    return commands
  }

  /// A call wants a connection.
  package mutating func pick() -> Pick {
    switch policy {
    case .pickFirst:
      // Others are dropped once one is ready.
      if let ready = addresses.firstIndex(of: .ready) { return .address(ready) }
      if next == nil { begin() }
      return addresses.contains(.connecting) ? .wait : .failed
    case .roundRobin:
      connectIdle()
      for offset in 1...max(addresses.count, 1) where !addresses.isEmpty {
        let index = (latest + offset) % addresses.count
        guard addresses[index] == .ready else { continue }
        latest = index
        return .address(index)
      }
      return addresses.contains(.connecting) ? .wait : .failed
    }
  }

  // MARK: What happened

  package mutating func connected(_ index: Int) {
    addresses[index] = .ready
    guard policy == .pickFirst else { return }
    if next != nil { commands.append(.cancelStagger) }
    next = nil
    for other in addresses.indices where other != index {
      guard addresses[other] == .connecting || addresses[other] == .ready else { continue }
      addresses[other] = .idle
      commands.append(.drop(other))
    }
  }

  /// An attempt to connect failed; the address rests until `pauseEnded(_:)`.
  package mutating func attemptFailed(_ index: Int) {
    addresses[index] = .pausing
    if next != nil { tryNext() }
  }

  package mutating func pauseEnded(_ index: Int) {
    addresses[index] = .idle
  }

  /// A connection was lost, or takes no more calls. Servers come and go just now: one that could not be reached before may be back,
  /// and calls need it.
  package mutating func connectionLost(_ index: Int) {
    addresses[index] = .idle
    for other in addresses.indices where addresses[other] == .pausing {
      addresses[other] = .idle
      commands.append(.endPause(other))
    }
  }

  package mutating func staggerPassed() {
    if next != nil { tryNext() }
  }

  // MARK: Connecting

  private mutating func connect(_ index: Int) {
    addresses[index] = .connecting
    commands.append(.connect(index))
  }

  private mutating func connectIdle() {
    for index in addresses.indices where addresses[index] == .idle { connect(index) }
  }

  private mutating func begin() {
    next = 0
    tryNext()
  }

  /// Tries the next address that is not resting; after the last one there is nothing more to stagger.
  private mutating func tryNext() {
    var index = next ?? 0
    while index < addresses.count, addresses[index] != .idle { index += 1 }
    next = index + 1
    if index < addresses.count {
      connect(index)
      commands.append(.startStagger)
    } else {
      commands.append(.cancelStagger)
      next = addresses.contains(.connecting) ? index : nil
    }
  }
}
