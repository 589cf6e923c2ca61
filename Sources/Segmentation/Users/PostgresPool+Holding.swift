import Postgres

extension PostgresPool {
  /// Runs a statement in a transaction of its own, in which none of the users can be deleted: one round trip, of one unit.
  /// Who deletes one of them waits until the transaction has ended, and then sees what it did; if it came first, the statement
  /// looks after the deletion.
  /// - Parameter others: Statements behind it in the same transaction.
  /// - Returns: What the statement answers.
  func query(
    _ statement: Statement, _ parameters: [Parameter], holding users: Set<UserID>,
    followedBy others: [(Statement, [Parameter])] = [], deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    if users.isEmpty && others.isEmpty { return try await query(statement, parameters, deadline: deadline) }
    let locks = Set(users.map(\.lock)).sorted()
    let hold = users.isEmpty ? [] : [(UserSQL.hold, [Parameter.int32Array(locks)])]
    let results = try await withConnection(deadline: deadline) { connection in
      try await connection.pipeline(hold + [(statement, parameters)] + others)
    }
    guard results.count > hold.count else { throw PostgresError(.connectionLost, "a unit has other results") }
    return results[hold.count]
  }
}
