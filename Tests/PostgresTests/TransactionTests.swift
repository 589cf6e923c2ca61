import Postgres
import Testing

@Suite("Transactions")
struct TransactionTests {
  @Test("what the body does is committed when it returns and undone when it throws")
  func commitsAndRollsBack() async throws {
    struct Stop: Error {}
    try await withPool { pool in
      let insert = Statement("insert", "INSERT INTO transactions VALUES ($1)")
      let all = Statement("all", "SELECT array_agg(n ORDER BY n) FROM transactions")
      try await pool.withConnection {
        try await $0.execute("DROP TABLE IF EXISTS transactions; CREATE TABLE transactions (n int8)")
      }
      try await pool.transaction { connection in
        _ = try await connection.query(insert, [.int64(1)])
        _ = try await connection.query(insert, [.int64(2)])
      }
      await #expect(throws: Stop.self) {
        try await pool.transaction { connection in
          _ = try await connection.query(insert, [.int64(3)])
          throw Stop()
        }
      }
      #expect(try await pool.query(all).int64Array(0, 0) == [1, 2])
    }
  }

  @Test("an error that the body ignores still fails the transaction")
  func refusesIgnoredErrors() async throws {
    try await withPool { pool in
      let error = await #expect(throws: PostgresError.self) {
        try await pool.transaction { connection in
          do { _ = try await connection.query(Statement("wrong", "SELECT 1/0")) } catch {}
        }
      }
      #expect(error?.sqlState == .inFailedTransaction)
    }
  }

  @Test("a transaction that sends nothing costs nothing, and the isolation is the one that was asked for")
  func opensLazily() async throws {
    try await withPool(connections: 1) { pool in
      let seven = try await pool.transaction { _ in 7 }
      #expect(seven == 7)
      let level = Statement(
        "level", "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')")
      for (isolation, expected) in [
        (PostgresPool.Isolation.readCommitted, "read committedoff"), (.repeatableRead, "repeatable readoff"),
        (.serializable, "serializableoff"), (.readOnlySnapshot, "repeatable readon"),
      ] {
        let seen = try await pool.transaction(isolation: isolation) { try await $0.query(level).text(0, 0) }
        #expect(seen == expected)
      }
    }
  }

  @Test("a conflict of serialisable transactions has its own code, and a retry succeeds")
  func reportsConflicts() async throws {
    try await withPool(connections: 2) { pool in
      try await pool.withConnection {
        try await $0.execute("DROP TABLE IF EXISTS conflict; CREATE TABLE conflict AS SELECT 1::int8 AS n")
      }
      let add = Statement("add", "UPDATE conflict SET n = n + 1")
      let read = Statement("read", "SELECT n FROM conflict")
      let error = await #expect(throws: PostgresError.self) {
        try await pool.transaction(isolation: .repeatableRead) { connection in
          _ = try await connection.query(read)
          _ = try await pool.query(add)
          _ = try await connection.query(add)
        }
      }
      #expect(error?.sqlState == .serializationFailure)
      try await pool.transaction(isolation: .repeatableRead) { _ = try await $0.query(add) }
      #expect(try await pool.query(read).int64(0, 0) == 3)
    }
  }

  @Test("scripts run in transactions too, and commands that refuse transactions run alone")
  func runsScripts() async throws {
    struct Stop: Error {}
    try await withPool(connections: 1) { pool in
      await #expect(throws: Stop.self) {
        try await pool.transaction { connection in
          try await connection.execute("CREATE TABLE scripted (n int8); INSERT INTO scripted VALUES (1)")
          throw Stop()
        }
      }
      let exists = Statement("exists", "SELECT to_regclass('scripted') IS NOT NULL")
      #expect(try await !pool.query(exists).bool(0, 0))
      let error = await #expect(throws: PostgresError.self) {
        try await pool.withConnection { try await $0.execute("CREATE TABLE scripted (n int8); SELECT wrong") }
      }
      #expect(error?.sqlState == .undefinedColumn)
      #expect(try await !pool.query(exists).bool(0, 0))
      try await pool.withConnection { try await $0.execute("VACUUM pg_class") }
    }
  }
}
