import Postgres
import Testing

@Suite("COPY")
struct CopyTests {
  @Test("a COPY hands over every row, and the connection goes on")
  func copiesOut() async throws {
    try await withPool(connections: 1) { pool in
      try await pool.withConnection { connection in
        var sum: Int64 = 0
        var rows = 0
        var fields = 0
        try await connection.copyOut(
          "COPY (SELECT n, 'row ' || n FROM generate_series(1, 100000) n) TO STDOUT (FORMAT binary)"
        ) { bytes in
          var reader = WireReader(bytes)
          fields += try reader.fieldCount()
          sum += try reader.int64()
          _ = try reader.text()
          rows += 1
        }
        #expect(rows == 100_000)
        #expect(fields == 200_000)
        #expect(sum == 5_000_050_000)
      }
      #expect(try await pool.query(Statement("one", "SELECT 1")).int64(0, 0) == 1)
    }
  }
}
