import EventLoop
import Foundation
import Postgres
import Testing

@Suite("COPY", .timeLimit(.minutes(5)))
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
      try await expectServing(pool)
    }
  }

  @Test("rows that come one by one, in large and in small pieces, are all handed over in order without waiting")
  func copiesTrickles() async throws {
    try await withPool(connections: 1) { pool in
      for (count, width, pause) in [
        (200, 9_000, "0.001"), (2_000, 100, "0"), (60, 100_000, "0.002"), (50_000, 10, "0"),
      ] {
        var seen: [Int64] = []
        try await pool.withConnection { connection in
          try await connection.copyOut(
            """
            COPY (SELECT n, repeat('x', \(width)), pg_sleep(\(pause)) FROM generate_series(1::bigint, \(count)) n)
            TO STDOUT (FORMAT binary)
            """,
            rows: { bytes in
              var reader = WireReader(bytes)
              _ = try reader.fieldCount()
              seen.append(try reader.int64())
            })
        }
        #expect(seen == Array(1...Int64(count)))
      }
      try await expectServing(pool)
    }
  }

  @Test("a deadline or the server's end interrupts rows that come one by one, and the pool serves on")
  func interruptsTrickles() async throws {
    try await withPool(connections: 1) { pool in
      let sql =
        "COPY (SELECT repeat('x', 9000), pg_sleep(0.0005) FROM generate_series(1, 10000000)) TO STDOUT (FORMAT binary)"
      for round in 0..<10 {
        var rows = 0
        let error = await #expect(throws: PostgresError.self) {
          try await pool.withConnection(deadline: .now + .milliseconds(50 + round)) { connection in
            try await connection.copyOut(sql, rows: { _ in rows += 1 })
          }
        }
        #expect(error?.kind == .timedOut)
        try await expectServing(pool)
      }
    }
  }

  @Test("1,000,000 rows to a slow reader stay in little memory, and the loop serves others meanwhile")
  func keepsMemoryFlat() async throws {
    try await withPool(connections: 2) { pool in
      try await pool.withConnection { connection in
        var rows = 0
        var others = 0
        let before = residentMegabytes()
        var most = before
        try await connection.copyOut(
          "COPY (SELECT n, repeat('x', 200) FROM generate_series(1, 1000000) n) TO STDOUT (FORMAT binary)"
        ) { _ in
          rows += 1
          guard rows % 10_000 == 0 else { return }
          try await testLoop.sleep(for: .milliseconds(2))
          others += try await pool.query(Statement("one", "SELECT 1")).rowCount
          most = max(most, residentMegabytes())
        }
        #expect(rows == 1_000_000)
        #expect(others == 100)
        // AddressSanitizer keeps freed memory for a while.
        let limit = ProcessInfo.processInfo.environment["ASAN_OPTIONS"] == nil ? 16 : 1024
        #expect(most - before < limit, "grew from \(before) to \(most) MiB")
      }
    }
  }

  @Test("a reader that throws ends the COPY on the server, and the connection serves the next")
  func stopsEarly() async throws {
    struct Enough: Error {}
    try await withPool(connections: 1) { pool in
      for limit in [1, 100, 5000] {
        await #expect(throws: Enough.self) {
          try await pool.withConnection { connection in
            var rows = 0
            try await connection.copyOut("COPY (SELECT generate_series(1, 100000000)) TO STDOUT (FORMAT binary)") { _ in
              rows += 1
              if rows == limit { throw Enough() }
            }
          }
        }
        try await expectServing(pool)
      }
    }
  }

  @Test("a deadline ends a COPY, whether its reader waits or works")
  func keepsDeadlines() async throws {
    try await withPool(connections: 1) { pool in
      for pause in [Duration.zero, .milliseconds(300)] {
        let error = await #expect(throws: PostgresError.self) {
          try await pool.withConnection(deadline: .now + .milliseconds(100)) { connection in
            try await connection.copyOut("COPY (SELECT generate_series(1, 100000000)) TO STDOUT (FORMAT binary)") { _ in
              if pause > .zero { try await testLoop.sleep(for: pause) }
            }
          }
        }
        #expect(error?.kind == .timedOut)
        try await expectServing(pool)
      }
    }
  }

  @Test("a cancelled reader ends its COPY")
  func stopsWhenCancelled() async throws {
    try await withPool(connections: 1) { pool in
      let task = Task(executorPreference: testLoop) {
        try await pool.withConnection { connection in
          try await connection.copyOut("COPY (SELECT pg_sleep(600)) TO STDOUT (FORMAT binary)") { _ in }
        }
      }
      try await testLoop.sleep(for: .milliseconds(30))
      task.cancel()
      let error = await #expect(throws: PostgresError.self) { try await task.value }
      #expect(error?.kind == .cancelled)
      try await expectServing(pool)
    }
  }

  @Test("errors before, within and instead of a COPY are told, and nothing breaks")
  func tellsErrors() async throws {
    try await withPool(connections: 1) { pool in
      let wrong = [
        "COPY (SELECT 1/(n - 500) FROM generate_series(1, 1000) n) TO STDOUT (FORMAT binary)",
        "COPY nowhere TO STDOUT (FORMAT binary)", "COPY (SELECT 1) TO STDOUT", "SELECT 1",
      ]
      for sql in wrong {
        let error = await #expect(throws: PostgresError.self) {
          try await pool.withConnection { try await $0.copyOut(sql) { _ in } }
        }
        #expect(error?.kind == .server || error?.kind == .misuse, "\(sql): \(String(describing: error))")
        try await expectServing(pool)
      }
    }
  }

  @Test("a COPY in a transaction sees its writes, and an empty one hands over nothing")
  func worksInTransactions() async throws {
    struct Stop: Error {}
    try await withPool(connections: 1) { pool in
      try await pool.withConnection {
        try await $0.execute("DROP TABLE IF EXISTS copied; CREATE TABLE copied (t text)")
      }
      await #expect(throws: Stop.self) {
        try await pool.transaction { connection in
          let text = "it's \\ odd"
          var seen: [String] = []
          let copy =
            "COPY (SELECT t FROM copied WHERE t = \(try connection.quote(literal: text))) TO STDOUT (FORMAT binary)"
          try await connection.copyOut(copy) { _ in seen.append("early") }
          _ = try await connection.query(Statement("add", "INSERT INTO copied VALUES ($1)"), [.text(text)])
          try await connection.copyOut(copy) { bytes in
            var reader = WireReader(bytes)
            let fields = try reader.fieldCount()
            #expect(fields == 1)
            seen.append(try reader.text())
            #expect(reader.isAtEnd)
          }
          #expect(seen == [text])
          throw Stop()
        }
      }
      #expect(try await pool.query(Statement("rows", "SELECT count(*) FROM copied")).int64(0, 0) == 0)
    }
  }
}

/// What of this process is in memory.
private func residentMegabytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
  return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096 / 1_048_576
}
