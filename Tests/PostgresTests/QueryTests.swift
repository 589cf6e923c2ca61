import Postgres
import Testing

@Suite("Queries")
struct QueryTests {
  @Test("a query answers its rows")
  func answersRows() async throws {
    let total = try await withPool { pool in
      let result = try await pool.query(
        Statement("sum", "SELECT sum(n)::int8, count(*) FROM unnest($1) n"), [.int64Array([1, 2, 39])])
      #expect(result.rowCount == 1)
      #expect(result.columnCount == 2)
      #expect(try result.int64(0, 1) == 3)
      return try result.int64(0, 0)
    }
    #expect(total == 42)
  }

  @Test("statements of a pipeline answer in their order, in one transaction")
  func pipelines() async throws {
    try await withPool { pool in
      let transactions = try await pool.withConnection { connection in
        let number = Statement("number", "SELECT $1::int8, pg_current_xact_id()")
        let results = try await connection.pipeline((0..<100).map { (number, [.int64($0)]) })
        #expect(try results.map { try $0.int64(0, 0) } == Array(0..<100))
        return try Set(results.map { try $0.int64(0, 1) })
      }
      #expect(transactions.count == 1)
    }
  }

  @Test("an error in the middle of a pipeline undoes all of it and leaves the connection usable")
  func failsInTheMiddle() async throws {
    try await withPool(connections: 1) { pool in
      let insert = Statement("insert", "INSERT INTO numbers VALUES ($1)")
      let count = Statement("count", "SELECT count(*) FROM numbers")
      try await pool.withConnection {
        try await $0.execute("DROP TABLE IF EXISTS numbers; CREATE TABLE numbers (n int8 PRIMARY KEY)")
      }
      let error = await #expect(throws: PostgresError.self) {
        _ = try await pool.withConnection { connection in
          try await connection.pipeline([
            (insert, [.int64(1)]), (insert, [.int64(1)]), (insert, [.int64(2)]), (count, []),
          ])
        }
      }
      #expect(error?.kind == .server)
      #expect(error?.sqlState == .uniqueViolation)
      #expect(error?.constraint == "numbers_pkey")
      #expect(error?.statement == "insert")
      #expect(try await pool.query(count).int64(0, 0) == 0)
    }
  }
}
