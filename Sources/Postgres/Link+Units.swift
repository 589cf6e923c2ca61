import EventLoop

/// Units: any number of commands in pipeline mode that end with one sync. They cost one round trip and, outside a
/// transaction block, succeed or fail together: after an error the server skips the rest and rolls back what was done.
extension Link {
  /// What goes before the first statement of a unit.
  enum Opening {
    case nothing
    case begin(PostgresPool.Isolation)
  }

  func query(
    _ statement: Statement, _ parameters: [Parameter], opening: Opening = .nothing,
    deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    try check(parameters)
    for isLastTry in [false, true] {
      let mayRetry = !isLastTry && maySendAgain(opening)
      do {
        try await unit(opening, deadline: deadline) { try send(statement, parameters) }
        guard let result = results.last else { throw PostgresError(.connectionLost, "the server sent no result") }
        results.removeAll(keepingCapacity: true)
        return result
      } catch let error as PostgresError where mayRetry && error.isAboutPreparing {
        continue
      }
    }
    throw PostgresError(.misuse, "unreachable")
  }

  func pipeline(
    _ queries: [(Statement, [Parameter])], opening: Opening = .nothing, deadline: ContinuousClock.Instant?
  ) async throws -> [PostgresResult] {
    for (_, parameters) in queries { try check(parameters) }
    for isLastTry in [false, true] {
      let mayRetry = !isLastTry && maySendAgain(opening)
      do {
        try await unit(opening, deadline: deadline) {
          for (statement, parameters) in queries { try send(statement, parameters) }
        }
        defer { results.removeAll() }
        guard results.count == queries.count else {
          throw PostgresError(
            .connectionLost, "the server sent \(results.count) results for \(queries.count) statements")
        }
        return results
      } catch let error as PostgresError where mayRetry && error.isAboutPreparing {
        continue
      }
    }
    throw PostgresError(.misuse, "unreachable")
  }

  /// Ends the transaction block.
  /// - Throws: `PostgresError` (`inFailedTransaction`) when the server rolled it back instead.
  func commit(deadline: ContinuousClock.Instant?) async throws {
    try await unit(.nothing, deadline: deadline) { try send("COMMIT", as: .query(name: "COMMIT")) }
    let tag = results.last?.commandTag
    results.removeAll(keepingCapacity: true)
    guard tag == "COMMIT" else {
      forgetSettings()
      throw PostgresError(
        .server, "the transaction was rolled back, because a statement in it had failed", sqlState: .inFailedTransaction
      )
    }
  }

  /// A unit outside a transaction block has no effect when it fails, so it may be sent once more.
  private func maySendAgain(_ opening: Opening) -> Bool {
    if case .nothing = opening { !wire.isInTransaction } else { false }
  }

  // MARK: Sending

  /// Sends the commands that `compose` puts on the wire and waits for the end of the unit; `results` has the answers.
  func unit(
    _ opening: Opening, deadline: ContinuousClock.Instant?, _ compose: () throws -> Void
  ) async throws {
    try begin(deadline: deadline)
    do {
      if case .begin(let isolation) = opening { try send(isolation.beginning, as: .control) }
      try sendTimeout(until: deadline)
      try compose()
      guard wire.sync() else { throw PostgresError(.connectionLost, wire.message) }
    } catch {
      // Half a unit is on the wire and cannot be taken back.
      close(PostgresError(.connectionLost, "\(error)"))
      throw error
    }
    traffic = .unit
    flush()
    try await outcome()
  }

  /// Makes the link busy with a new exchange.
  func begin(deadline: ContinuousClock.Instant?) throws {
    switch state {
    case .idle: break
    case .closed(let error): throw error
    case .connecting, .busy, .settling: throw PostgresError(.misuse, "the connection is busy with another statement")
    }
    if Task.isCancelled { throw PostgresError.cancelled }
    if let deadline {
      let remaining = deadline - .now
      guard remaining > .zero else { throw PostgresError.timedOut }
      timer?.schedule(after: remaining)
    }
    self.deadline = deadline
    serial &+= 1
    position = 0
    failure = nil
    commands.removeAll(keepingCapacity: true)
    results.removeAll(keepingCapacity: true)
    state = .busy
  }

  /// Waits until the exchange is over, the deadline passes or the caller's task is cancelled.
  func outcome() async throws {
    if case .closed(let error) = state { throw error }
    let promise = Promise<Void>(on: loop)
    waiter = promise
    let mine = serial
    do {
      try await promise.value()
    } catch is CancellationError {
      if serial == mine, case .busy = state { abandon() }
      throw PostgresError.cancelled
    }
  }

  /// Refuses what cannot be sent while nothing has been sent.
  private func check(_ parameters: [Parameter]) throws {
    guard parameters.count <= ParameterEncoder.maximumCount else {
      throw PostgresError(.misuse, "a statement has at most \(ParameterEncoder.maximumCount) parameters")
    }
  }

  private func send(_ statement: Statement, _ parameters: [Parameter]) throws {
    try plan(statement.planning)
    try encoder.encode(parameters)
    let name = try prepareIfNeeded(statement)
    guard wire.sendPrepared(name, encoder) else { throw PostgresError(.connectionLost, wire.message) }
    commands.append(.query(name: statement.name))
  }

  func send(_ sql: String, as command: Command) throws {
    guard wire.sendCommand(sql) else { throw PostgresError(.connectionLost, wire.message) }
    commands.append(command)
  }

  /// The deadline is kept by our own timer; the server's `statement_timeout` is the net below it, for the case that we or the
  /// network die. So it may be generous, and it stays set from one statement to the next as long as it is of the right size:
  /// never nearer than the deadline, at most four times as far, and never farther than the configured one.
  private func sendTimeout(until deadline: ContinuousClock.Instant?) throws {
    let standard = configuration.statementTimeout.settingMilliseconds
    var wanted = standard
    if let deadline {
      let remaining = max(1, (deadline - .now).settingMilliseconds)
      if standard == 0 || remaining < standard {
        if let serverTimeout, serverTimeout >= remaining, serverTimeout <= 4 * remaining { return }
        wanted = standard == 0 ? 2 * remaining : min(standard, 2 * remaining)
      }
    }
    guard serverTimeout != wanted else { return }
    try send("SET statement_timeout = \(wanted)", as: .timeout(milliseconds: wanted))
  }

  // MARK: Preparing

  /// Sends Parse when this connection does not know the statement yet, or not with these types.
  /// - Returns: The name under which the server knows it.
  private func prepareIfNeeded(_ statement: Statement) throws -> String {
    var entry: PreparedStatement
    if let known = prepared[statement.name] {
      if known.isCurrent, known.accepts(encoder.types), known.sql == statement.sql {
        return known.name(for: statement)
      }
      entry = PreparedStatement(
        sql: statement.sql, generation: known.generation + 1,
        types: known.sql == statement.sql ? known.merging(encoder.types) : encoder.types, isCurrent: true)
    } else {
      entry = PreparedStatement(sql: statement.sql, generation: 0, types: encoder.types, isCurrent: true)
    }
    let name = entry.name(for: statement)
    guard wire.sendPrepare(name, statement.sql, entry.types) else {
      throw PostgresError(.connectionLost, wire.message)
    }
    prepared[statement.name] = entry
    commands.append(.prepare(name: statement.name))
    return name
  }

  // MARK: Receiving

  func receiveUnit() {
    while case .unit = traffic, !wire.isBusy {
      switch wire.receive() {
      case .commandEnd:
        position += 1
        if wire.isBroken || position > commands.count { return lost() }
      case .result(let result): succeeded(result)
      case .failed(let error): failed(error)
      case .skipped: break
      case .synced: unitEnded()
      case .copyOut: close(PostgresError(.misuse, "COPY is not a prepared statement: use copyOut"))
      case .unexpected(let what): close(PostgresError(.connectionLost, "unexpected \(what) from the server"))
      }
    }
  }

  private func succeeded(_ result: PostgresResult) {
    guard position < commands.count else { return }
    switch commands[position] {
    case .timeout(let milliseconds): serverTimeout = milliseconds
    case .control, .prepare: break
    case .query: results.append(result)
    }
  }

  private func failed(_ error: PostgresError) {
    guard failure == nil else { return }
    failure = error
    if error.kind == .connectionLost { return lost() }
    failure?.statement = position < commands.count ? commands[position].name : nil
    // Settings go back with the transaction, and statements behind the failing command were not prepared.
    forgetSettings()
    for command in commands.dropFirst(position) {
      if case .prepare(let name) = command { prepared[name]?.isCurrent = false }
    }
    if error.isAboutPreparing, let name = failure?.statement { prepared[name]?.isCurrent = false }
  }

  private func unitEnded() {
    traffic = .none
    exchangeEnded()
  }

  /// The wire is quiet again.
  func exchangeEnded() {
    guard case .busy = state else { return settle() }
    timer?.cancel()
    state = .idle
    let waiter = takeWaiter()
    if let failure { waiter?.fail(outcome(failure)) } else { waiter?.succeed(()) }
    failure = nil
  }
}

extension Link {
  /// What a failure is to the caller: where the server kept the deadline before we did, it has timed out.
  func outcome(_ failure: PostgresError) -> PostgresError {
    guard failure.sqlState == .queryCanceled, let deadline, deadline <= .now else { return failure }
    return .timedOut
  }
}

extension PreparedStatement {
  func name(for statement: Statement) -> String {
    generation == 0 ? statement.name : "\(statement.name)/\(generation)"
  }

  /// Whether parameters of these types can be bound: NULL fits everything.
  func accepts(_ wanted: [UInt32]) -> Bool {
    guard wanted.count == types.count else { return false }
    for index in wanted.indices where wanted[index] != types[index] && wanted[index] != TypeID.unknown { return false }
    return true
  }

  /// The types of a new preparation: what is wanted, and where that is NULL what was there before.
  func merging(_ wanted: [UInt32]) -> [UInt32] {
    guard wanted.count == types.count else { return wanted }
    return zip(wanted, types).map { $0 == TypeID.unknown ? $1 : $0 }
  }
}

extension PostgresError {
  /// The server does not know the statement any more, knows another one of that name, or its tables have changed.
  var isAboutPreparing: Bool {
    sqlState == .invalidStatementName || sqlState == .duplicatePreparedStatement || wantsNewPlan
  }
}
