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
}
