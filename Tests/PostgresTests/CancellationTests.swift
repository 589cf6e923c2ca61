import EventLoop
import Postgres
import Testing

@Suite("Deadlines and callers that go away", .timeLimit(.minutes(5)))
struct CancellationTests {
  private static let sleep = Statement("sleep", "SELECT pg_sleep(600), $1::text")
  private static let one = Statement("one", "SELECT 1")
  private static let sleepers = Statement(
    "sleepers",
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> pg_backend_pid() AND application_name = $1"
  )

  /// A pool whose sleeping statements can be told from those of other tests.
  private func withNamedPool(
    _ name: String, connections: Int, _ body: @escaping @Sendable (PostgresPool, String) async throws -> Void
  ) async throws {
    try await withPool(
      connections: connections, configure: { $0.applicationName = name }, { try await body($0, name) })
  }

  private func sleeping(_ pool: PostgresPool, _ name: String) async throws -> Int64 {
    try await pool.query(Self.sleepers, [.text(name)]).int64(0, 0)
  }

  @Test("a deadline ends a running statement, here and on the server, and the connection serves the next")
  func endsRunning() async throws {
    try await withNamedPool("endsRunning", connections: 1) { pool, name in
      let start = ContinuousClock.now
      let error = await #expect(throws: PostgresError.self) {
        _ = try await pool.query(Self.sleep, [.text("x")], deadline: .now + .milliseconds(100))
      }
      #expect(error?.kind == .timedOut)
      #expect(ContinuousClock.now - start < .seconds(60))
      #expect(try await sleeping(pool, name) == 0)
      try await expectServing(pool)
    }
  }

  @Test("a deadline that has passed sends nothing")
  func refusesLate() async throws {
    try await withPool { pool in
      let error = await #expect(throws: PostgresError.self) {
        _ = try await pool.query(Self.one, deadline: .now - .seconds(1))
      }
      #expect(error?.kind == .timedOut)
    }
  }

  @Test("a deadline that passes in the queue takes the caller out of it")
  func endsWaiting() async throws {
    try await withPool(connections: 1) { pool in
      try await pool.withConnection { _ in
        let error = await #expect(throws: PostgresError.self) {
          _ = try await pool.query(Self.one, deadline: .now + .milliseconds(50))
        }
        #expect(error?.kind == .timedOut)
      }
      try await expectServing(pool)
    }
  }

  @Test("the server itself keeps a deadline, roughly, and the configured limit without one")
  func setsStatementTimeout() async throws {
    try await withPool(connections: 1, configure: { $0.statementTimeout = .seconds(2000) }) { pool in
      let show = Statement("show", "SELECT setting::int8 FROM pg_settings WHERE name = 'statement_timeout'")
      #expect(try await pool.query(show).int64(0, 0) == 2_000_000)
      let near = try await pool.query(show, deadline: .now + .seconds(200)).int64(0, 0)
      #expect((200_000...800_000).contains(near))
      // Still of the right size: nothing is sent again.
      #expect(try await pool.query(show, deadline: .now + .seconds(150)).int64(0, 0) == near)
      #expect(try await pool.query(show, deadline: .now + .seconds(360_000)).int64(0, 0) == 2_000_000)
      let inTransaction = try await pool.transaction(deadline: .now + .seconds(100)) { connection in
        try await connection.query(show).int64(0, 0)
      }
      #expect((100_000...400_000).contains(inTransaction))
      #expect(try await pool.query(show).int64(0, 0) == 2_000_000)
    }
  }

  @Test("without a deadline the server ends a statement at the configured limit")
  func limitsStatements() async throws {
    try await withPool(connections: 1, configure: { $0.statementTimeout = .milliseconds(100) }) { pool in
      let error = await #expect(throws: PostgresError.self) { _ = try await pool.query(Self.sleep, [.text("x")]) }
      #expect(error?.kind == .server)
      #expect(error?.sqlState == .queryCanceled)
    }
  }

  @Test("a cancelled task gets its answer at once, its statement ends on the server, and only that one")
  func cancelsRunning() async throws {
    try await withNamedPool("cancelsRunning", connections: 2) { pool, name in
      let task = Task(executorPreference: testLoop) { _ = try await pool.query(Self.sleep, [.text("x")]) }
      #expect(try await eventually { try await sleeping(pool, name) == 1 })
      task.cancel()
      let error = await #expect(throws: PostgresError.self) { try await task.value }
      #expect(error?.kind == .cancelled)
      #expect(try await eventually { try await sleeping(pool, name) == 0 })
      try await expectServing(pool)
    }
  }

  @Test("a cancelled task leaves the queue, and those behind it move up")
  func cancelsWaiting() async throws {
    try await withPool(connections: 1, configure: { $0.waitLimit = 1 }) { pool in
      try await pool.withConnection { _ in
        let task = Task(executorPreference: testLoop) { _ = try await pool.query(Self.one) }
        try await testLoop.sleep(for: .milliseconds(1))
        task.cancel()
        let error = await #expect(throws: PostgresError.self) { try await task.value }
        #expect(error?.kind == .cancelled)
      }
      try await expectServing(pool)
    }
  }

  @Test("a cancel request never reaches the next statement of its connection")
  func cancelsOnlyItsOwn() async throws {
    try await withPool(connections: 1) { pool in
      let brief = Statement("brief", "SELECT pg_sleep($1)")
      for round in 0..<300 {
        // The deadline falls about when the statement ends.
        do {
          _ = try await pool.query(brief, [.double(0.002)], deadline: .now + .microseconds(1500 + round * 5))
        } catch let error as PostgresError {
          #expect(error.kind == .timedOut)
        }
        try await expectServing(pool)
      }
    }
  }

  @Test("a transaction that times out is rolled back, and its scope takes no more statements")
  func rollsBackLate() async throws {
    try await withPool(connections: 1) { pool in
      try await pool.withConnection { try await $0.execute("DROP TABLE IF EXISTS late; CREATE TABLE late (n int8)") }
      let error = await #expect(throws: PostgresError.self) {
        try await pool.transaction(deadline: .now + .milliseconds(200)) { connection in
          _ = try await connection.query(Statement("late", "INSERT INTO late VALUES (1)"))
          do { _ = try await connection.query(Self.sleep, [.text("x")]) } catch {}
          _ = try await connection.query(Statement("late", "INSERT INTO late VALUES (1)"))
        }
      }
      #expect(error?.kind == .timedOut)
      #expect(try await pool.query(Statement("rows", "SELECT count(*) FROM late")).int64(0, 0) == 0)
    }
  }

  @Test("a hundred callers that go away at once leave a pool that works")
  func survivesMassCancellation() async throws {
    try await withNamedPool("mass", connections: 3) { pool, name in
      let tasks = (0..<100).map { _ in
        Task(executorPreference: testLoop) { _ = try await pool.query(Self.sleep, [.text("x")]) }
      }
      try await testLoop.sleep(for: .milliseconds(50))
      for task in tasks { task.cancel() }
      for task in tasks { await #expect(throws: PostgresError.self) { try await task.value } }
      for _ in 0..<10 { try await expectServing(pool) }
      #expect(try await eventually { try await sleeping(pool, name) == 0 })
    }
  }
}
