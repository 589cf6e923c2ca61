import Postgres

extension PostgresPool {
  /// Runs a statement in a transaction of its own, in which none of the users can be deleted: one round trip, of one unit.
  /// Who deletes one of them waits until the transaction has ended, and then sees what it did; if it came first, the statement
  /// looks after the deletion.
  func query(
    _ statement: Statement, _ parameters: [Parameter], holding users: Set<UserID>,
    deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    if users.isEmpty { return try await query(statement, parameters, deadline: deadline) }
    let locks = Set(users.map(\.lock)).sorted()
    let results = try await withConnection(deadline: deadline) { connection in
      try await connection.pipeline([(UserSQL.hold, [.int32Array(locks)]), (statement, parameters)])
    }
    guard results.count == 2 else { throw PostgresError(.connectionLost, "a unit of two has other results") }
    return results[1]
  }
}
