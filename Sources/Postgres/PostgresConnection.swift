/// A connection that a scope of `PostgresPool` has to itself, one statement after the other. Confined to its loop.
///
/// After a statement that timed out or was cancelled the connection takes no more statements: the scope is over.
package final class PostgresConnection: @unchecked Sendable {
  private enum Transaction {
    case none
    /// BEGIN travels with the first statement.
    case wanted(PostgresPool.Isolation)
    case open
  }

  private enum State {
    case usable(Link)
    case spoiled(PostgresError)
  }

  private var state: State
  private var transaction = Transaction.none
  private let deadline: ContinuousClock.Instant?

  init(_ link: Link, deadline: ContinuousClock.Instant?) {
    state = .usable(link)
    self.deadline = deadline
  }

  /// Runs one statement: one round trip.
  package func query(_ statement: Statement, _ parameters: [Parameter] = []) async throws -> PostgresResult {
    try await use { link, opening in
      try await link.query(statement, parameters, opening: opening, deadline: deadline)
    }
  }

  /// Runs the statements in one round trip. Outside a transaction they are one: all take effect or none.
  /// - Throws: The error of the first statement that failed; those behind it did not run.
  package func pipeline(_ queries: [(Statement, [Parameter])]) async throws -> [PostgresResult] {
    guard !queries.isEmpty else { return [] }
    return try await use { link, opening in
      try await link.pipeline(queries, opening: opening, deadline: deadline)
    }
  }

  /// Runs an SQL script without parameters and drops its results. Outside a transaction it is one, unless it is a
  /// single command. It may take until the deadline, without regard to the configured `statementTimeout`.
  package func execute(_ script: String) async throws {
    try await use { link, opening in
      try await link.script(script, opening: opening, deadline: deadline)
    }
  }

  /// Runs `COPY ... TO STDOUT (FORMAT binary)` and calls `row` for each row: a 16-bit field count, then the fields, as
  /// `WireReader` reads them. The bytes are lent for the call.
  ///
  /// The server goes on only as fast as `row` returns; memory stays flat however slow it is. It may take until the deadline,
  /// without regard to the configured `statementTimeout`. What `row` throws cancels the COPY.
  package func copyOut(_ sql: String, _ row: (UnsafeRawBufferPointer) async throws -> Void) async throws {
    try await use { link, opening in
      try await link.copyOut(sql, opening: opening, deadline: deadline, row)
    }
  }

  /// The same for rows that are taken without waiting: faster, and the loop goes on to do other things between reads.
  package func copyOut(_ sql: String, rows: (UnsafeRawBufferPointer) throws -> Void) async throws {
    try await use { link, opening in
      try await link.copyOut(sql, opening: opening, deadline: deadline, rows: rows)
    }
  }

  /// The text as an SQL literal with its quotes, for statements that take no parameters, as COPY.
  /// - Throws: `PostgresError` (`misuse`) when the text holds U+0000.
  package func quote(literal text: String) throws -> String {
    guard !text.utf8.contains(0), let quoted = try link().wire.quote(text) else {
      throw PostgresError(.misuse, "the text cannot be written as an SQL literal")
    }
    return quoted
  }

  /// The server's process number for this connection, as in `pg_stat_activity.pid`.
  package var processID: Int32 {
    get throws { try link().wire.processID }
  }

  // MARK: The scope

  func openTransaction(_ isolation: PostgresPool.Isolation) {
    transaction = .wanted(isolation)
  }

  /// Commits what the transaction did, if anything was sent at all.
  func commit() async throws {
    guard case .open = transaction else {
      if case .spoiled(let error) = state { throw error }
      return
    }
    try await use { link, _ in try await link.commit(deadline: deadline) }
    transaction = .none
  }

  func end() {
    state = .spoiled(PostgresError(.misuse, "the connection was used outside its scope"))
  }

  private func link() throws -> Link {
    switch state {
    case .usable(let link): return link
    case .spoiled(let error): throw error
    }
  }

  private func use<Output>(_ body: (Link, Link.Opening) async throws -> Output) async throws -> Output {
    let link = try link()
    var opening = Link.Opening.nothing
    if case .wanted(let isolation) = transaction {
      opening = .begin(isolation)
      transaction = .open
    }
    do {
      return try await body(link, opening)
    } catch let error as PostgresError {
      switch error.kind {
      case .timedOut, .cancelled, .connectionLost: if case .usable = state { state = .spoiled(error) }
      default: break
      }
      throw error
    }
  }
}
