import Postgres
import PostgresFixture
import Testing

/// On one connection, so that each statement comes behind the one before.
@Suite("Planning")
struct PlanningTests {
  private static let settings = "SELECT current_setting('plan_cache_mode') || ' ' || current_setting('enable_seqscan')"
  private static let automatic = Statement("settings_automatic", settings)
  private static let once = Statement("settings_once", planning: .once, settings)

  private static func expectSettings(of pool: PostgresPool) async throws {
    for _ in 0..<2 {
      #expect(try await pool.query(once).text(0, 0) == "force_generic_plan off")
      #expect(try await pool.query(automatic).text(0, 0) == "auto on")
    }
  }

  @Test("each statement is planned by its own settings, whatever went before it")
  func followsStatements() async throws {
    try await withPool(connections: 1) { pool in
      try await Self.expectSettings(of: pool)
      let results = try await pool.withConnection {
        try await $0.pipeline([(Self.once, []), (Self.automatic, []), (Self.once, [])])
      }
      #expect(try results.map { try $0.text(0, 0) } == ["force_generic_plan off", "auto on", "force_generic_plan off"])
      try await Self.expectSettings(of: pool)
    }
  }

  @Test("settings that went back with a transaction are set again")
  func survivesRollbacks() async throws {
    try await withPool(connections: 1) { pool in
      for statement in [Self.once, Self.automatic, Self.once] {
        await #expect(throws: CancellationError.self) {
          try await pool.transaction { connection in
            _ = try await connection.query(statement)
            throw CancellationError()
          }
        }
        try await Self.expectSettings(of: pool)
        await #expect(throws: PostgresError.self) {
          try await pool.withConnection {
            try await $0.pipeline([(statement, []), (Statement("fails", "SELECT 1 / 0"), [])])
          }
        }
        try await Self.expectSettings(of: pool)
      }
    }
  }

  @Test("a script and a COPY are planned as the session began")
  func resetsForScripts() async throws {
    try await withPool(connections: 1) { pool in
      _ = try await pool.query(Self.once)
      try await pool.withConnection {
        try await $0.execute("DROP TABLE IF EXISTS seen; CREATE TABLE seen AS \(Self.settings)")
      }
      #expect(try await pool.query(Statement("seen", planning: .once, "SELECT * FROM seen")).text(0, 0) == "auto on")
      var copied: [String] = []
      try await pool.withConnection { connection in
        try await connection.copyOut("COPY (\(Self.settings)) TO STDOUT (FORMAT binary)") { row in
          copied.append(String(decoding: row.dropFirst(6), as: UTF8.self))
        }
      }
      #expect(copied == ["auto on"])
      try await Self.expectSettings(of: pool)
    }
  }

  @Test("a statement that is to be planned once is never planned for its parameters")
  func plansOnce() async throws {
    try await withPool(connections: 1) { pool in
      let count = Statement("count_named", planning: .once, "SELECT count(*) FROM pg_class WHERE oid::int8 = ANY ($1)")
      for number in 1...8 { _ = try await pool.query(count, [.int64Array([Int64(number)])]) }
      let plans = try await pool.query(
        Statement(
          "plans", "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'count_named'"))
      #expect(try (plans.int64(0, 0), plans.int64(0, 1)) == (8, 0))
    }
  }
}
