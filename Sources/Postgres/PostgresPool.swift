import EventLoop
import Logging

/// A loop's connections to the server: at most `maximumConnections`, opened when they are needed, opened again when they are
/// lost. Confined to its loop.
///
/// A caller has a connection to itself for one statement, one pipeline or one scope; the others wait in the order in which
/// they came. All methods throw `PostgresError` beside what their bodies throw.
package final class PostgresPool: @unchecked Sendable {
  /// A caller in the queue.
  private struct Waiter {
    let promise: Promise<Link>
    let timer: Timer
    let since: ContinuousClock.Instant
  }

  let loop: EventLoop
  let configuration: PostgresConfiguration
  private let logger: Logger
  private let encoder = ParameterEncoder()
  private let settings: Result<ConnectionSettings, any Error>
  private var machine: PoolStateMachine
  private var links: [Link?]
  private var waiters: [PoolStateMachine.Ticket: Waiter] = [:]
  private var backoff = Backoff()
  private var retryTimer: Timer?
  private var lastFailure: PostgresError?
  private var closing: [Promise<Void>] = []
  package var statistics = PoolStatistics()

  /// Opens nothing yet.
  package init(on loop: EventLoop, configuration: PostgresConfiguration, logger: Logger) {
    self.loop = loop
    self.configuration = configuration
    self.logger = logger
    settings = Result { try ConnectionSettings(configuration) }
    machine = PoolStateMachine(
      maximumConnections: configuration.maximumConnections, waitLimit: configuration.waitLimit)
    links = Array(repeating: nil, count: configuration.maximumConnections)
    retryTimer = Timer(on: loop) { [unowned self] in retryDue() }
  }

  /// How many slots are in a state.
  func slots(_ state: PoolStateMachine.Slot) -> Int { machine.slots.count { $0 == state } }

  /// How many callers wait.
  var waiting: Int { waiters.count }

  /// Runs one statement in a transaction of its own: one round trip.
  /// - Parameter deadline: By when the caller wants the answer; the statement is cancelled then. Nil: `statementTimeout`.
  package func query(
    _ statement: Statement, _ parameters: [Parameter] = [], deadline: ContinuousClock.Instant? = nil
  ) async throws -> PostgresResult {
    let link = try await lease(until: deadline)
    defer { takeBack(link) }
    return try await link.query(statement, parameters, deadline: deadline)
  }

  /// Lends a connection to `body`; it must not be kept beyond that.
  package func withConnection<Output: Sendable>(
    deadline: ContinuousClock.Instant? = nil, _ body: (PostgresConnection) async throws -> Output
  ) async throws -> Output {
    let link = try await lease(until: deadline)
    let connection = PostgresConnection(link, deadline: deadline)
    defer {
      connection.end()
      takeBack(link)
    }
    return try await body(connection)
  }

  /// Commits what `body` does, or rolls it back when `body` throws or its task is cancelled.
  ///
  /// BEGIN travels with the first statement and a rollback is not waited for; a body that sends nothing costs nothing.
  /// - Throws: `PostgresError` (`inFailedTransaction`) when `body` ignored the error of a statement: nothing is committed then.
  package func transaction<Output: Sendable>(
    deadline: ContinuousClock.Instant? = nil, isolation: Isolation = .readCommitted,
    _ body: (PostgresConnection) async throws -> Output
  ) async throws -> Output {
    try await withConnection(deadline: deadline) { connection in
      connection.openTransaction(isolation)
      let output = try await body(connection)
      try await connection.commit()
      return output
    }
  }

  /// Turns waiting callers away, waits until the connections in use have come back, and closes all.
  package func close() async {
    let (tickets, slots) = machine.close()
    retryTimer?.cancel()
    for ticket in tickets { turnAway(ticket, .closed) }
    for slot in slots {
      let link = links[slot]
      links[slot] = nil
      link?.owner = nil
      link?.close(.closed)
    }
    guard !machine.isEmpty else { return }
    let promise = Promise<Void>(on: loop)
    closing.append(promise)
    try? await promise.value()
  }

  // MARK: Leases

  private func lease(until deadline: ContinuousClock.Instant?) async throws -> Link {
    loop.assertCurrent()
    switch machine.leaseRequested() {
    case .lease(let slot):
      guard let link = links[slot] else { throw PostgresError(.misuse, "no connection in slot \(slot)") }
      return link
    case .wait(let ticket, let slot):
      return try await wait(ticket, connecting: slot, until: deadline)
    case .refuse(.queueIsFull):
      statistics.refused &+= 1
      throw PostgresError(.poolExhausted(retryAfter: longestWait), "too many callers wait for a database connection")
    case .refuse(.unreachable): throw lastFailure ?? PostgresError(.connectFailed, "the database is not reachable")
    case .refuse(.closed): throw PostgresError.closed
    }
  }

  private func wait(
    _ ticket: PoolStateMachine.Ticket, connecting slot: Int?, until deadline: ContinuousClock.Instant?
  ) async throws -> Link {
    let now = ContinuousClock.now
    let started = MonotonicTime.now
    defer { statistics.waits.observe(MonotonicTime.now &- started) }
    let promise = Promise<Link>(on: loop)
    let timer = Timer(on: loop) { [unowned self] in waitedTooLong(ticket, until: deadline) }
    timer.schedule(after: min(configuration.waitTimeout, deadline.map { $0 - now } ?? configuration.waitTimeout))
    waiters[ticket] = Waiter(promise: promise, timer: timer, since: now)
    if let slot { connect(slot) }
    do {
      return try await promise.value()
    } catch is CancellationError {
      if machine.waiterLeft(ticket) { waiters[ticket] = nil }
      throw PostgresError.cancelled
    }
  }

  private func waitedTooLong(_ ticket: PoolStateMachine.Ticket, until deadline: ContinuousClock.Instant?) {
    let retryAfter = longestWait
    guard machine.waiterLeft(ticket) else { return }
    statistics.refused &+= 1
    // The loop's clock may be a little behind.
    let isLate = deadline.map { $0 - .now < .milliseconds(5) } ?? false
    let exhausted = PostgresError(
      .poolExhausted(retryAfter: retryAfter), "no database connection was free within \(configuration.waitTimeout)")
    turnAway(ticket, isLate ? .timedOut : machine.failures > 0 ? lastFailure ?? exhausted : exhausted)
  }

  private func turnAway(_ ticket: PoolStateMachine.Ticket, _ error: PostgresError) {
    waiters.removeValue(forKey: ticket)?.promise.fail(error)
  }

  /// How long the first in the queue has been waiting: a fair guess of what a new one would have to.
  private var longestWait: Duration {
    let first = machine.firstWaiter.flatMap { waiters[$0]?.since } ?? .now
    return min(max(.now - first, .milliseconds(50)), configuration.waitTimeout)
  }

  private func takeBack(_ link: Link) {
    if link.retire() { return offer(link) }
    if !link.isClosed { return machine.returnedUnsettled(link.slot) }
    discard(link)
  }

  // MARK: Connections

  private func connect(_ slot: Int) {
    switch settings {
    case .failure(let error):
      attemptFailed(slot, error as? PostgresError ?? PostgresError(.connectFailed, "\(error)"))
    case .success(let settings):
      let link = Link(
        slot: slot, on: loop, configuration: configuration, settings: settings, encoder: encoder, logger: logger)
      links[slot] = link
      link.owner = self
      link.connect()
    }
  }

  private func discard(_ link: Link) {
    guard links[link.slot] === link else { return }
    links[link.slot] = nil
    handle(machine.lost(link.slot))
  }

  private func attemptFailed(_ slot: Int, _ error: PostgresError) {
    links[slot] = nil
    lastFailure = error
    statistics.failed &+= 1
    if machine.failures == 0 { logger.warning("cannot connect to PostgreSQL", metadata: ["error": "\(error)"]) }
    handle(machine.lost(slot, isHopeless: error.isHopeless))
  }

  private func handle(_ action: PoolStateMachine.OnLost) {
    switch action {
    case .none: break
    case .connect(let slot): connect(slot)
    case .retryLater(let tickets):
      var random = SystemRandomNumberGenerator()
      retryTimer?.schedule(after: backoff.failed(using: &random))
      for ticket in tickets { turnAway(ticket, lastFailure ?? PostgresError(.connectFailed, "no connection")) }
    }
    finishClosing()
  }

  private func retryDue() {
    if let slot = machine.retryDue() { connect(slot) }
  }

  private func finishClosing() {
    guard machine.isClosed, machine.isEmpty else { return }
    for promise in closing { promise.succeed(()) }
    closing.removeAll()
  }
}

extension PostgresPool: LinkOwner {
  func linkReady(_ link: Link) {
    switch machine.slots[link.slot] {
    case .connecting:
      if machine.failures > 0 { logger.info("connected to PostgreSQL again") }
      statistics.connected &+= 1
      backoff.succeeded()
      offer(link)
      while let slot = machine.connectIfWanted() { connect(slot) }
    case .settling: offer(link)
    // It has tidied up while its user still holds it.
    case .leased, .empty, .idle: break
    }
  }

  /// Gives a connection that can be used to the first who waits.
  private func offer(_ link: Link) {
    switch machine.ready(link.slot) {
    case .keep: break
    case .lease(_, let ticket):
      guard let waiter = waiters.removeValue(forKey: ticket), !waiter.promise.isSettled else {
        // Its caller was cancelled in this very turn.
        return offer(link)
      }
      waiter.timer.cancel()
      waiter.promise.succeed(link)
    case .close:
      links[link.slot] = nil
      link.owner = nil
      link.close(.closed)
      finishClosing()
    }
  }

  func linkClosed(_ link: Link, _ error: PostgresError) {
    guard links[link.slot] === link else { return }
    switch machine.slots[link.slot] {
    case .connecting: attemptFailed(link.slot, error)
    case .leased: logger.debug("lost a connection in use", metadata: ["error": "\(error)"])
    case .empty, .idle, .settling: discard(link)
    }
  }
}

extension PostgresError {
  /// Another attempt with the same settings would fail the same way.
  var isHopeless: Bool {
    guard kind == .connectFailed, let sqlState else { return false }
    return sqlState.category == "28" || sqlState == .invalidCatalogName
  }
}
