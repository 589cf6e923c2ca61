import EventLoop
import Logging
import PostgresFixture
import Testing

@testable import Postgres

@Suite("The pool", .timeLimit(.minutes(5)))
struct PoolTests {
  private static let one = Statement("one", "SELECT 1")
  private static let pid = Statement("pid", "SELECT pg_backend_pid()")

  @Test("10,000 queries of 100 tasks get their own answers over at most four connections")
  func sharesConnections() async throws {
    try await withPool(connections: 4) { pool in
      let double = Statement("double", "SELECT $1 * 2, pg_backend_pid()")
      let tasks = (0..<100).map { task in
        Task(executorPreference: testLoop) {
          var backends: Set<Int64> = []
          for round in 0..<100 {
            let value = Int64(task * 1000 + round)
            let result = try await pool.query(double, [.int64(value)])
            guard try result.int64(0, 0) == value * 2 else { throw PostgresError(.misuse, "another's answer") }
            backends.insert(try result.int64(0, 1))
          }
          return backends
        }
      }
      var backends: Set<Int64> = []
      for task in tasks { backends.formUnion(try await task.value) }
      #expect((1...4).contains(backends.count))
    }
  }

  @Test("a caller beyond the wait limit is refused at once and told when to come again")
  func refusesBeyondLimit() async throws {
    try await withPool(connections: 1, configure: { $0.waitLimit = 1 }) { pool in
      let waiting = try await pool.withConnection { _ in
        let waiting = Task(executorPreference: testLoop) { try await pool.query(Self.one).int64(0, 0) }
        try await testLoop.sleep(for: .milliseconds(1))
        let error = await #expect(throws: PostgresError.self) { _ = try await pool.query(Self.one) }
        guard case .poolExhausted(let retryAfter)? = error?.kind else {
          Issue.record("\(String(describing: error))")
          return waiting
        }
        #expect(retryAfter > .zero && retryAfter <= .seconds(5))
        return waiting
      }
      #expect(try await waiting.value == 1)
    }
  }

  @Test("a caller waits no longer than the wait timeout")
  func limitsWaiting() async throws {
    try await withPool(connections: 1, configure: { $0.waitTimeout = .seconds(1) }) { pool in
      try await pool.withConnection { _ in
        let error = await #expect(throws: PostgresError.self) { _ = try await pool.query(Self.one) }
        guard case .poolExhausted? = error?.kind else {
          Issue.record("\(String(describing: error))")
          return
        }
      }
    }
  }

  @Test("a backend that is terminated in the middle of a statement is a lost connection, and the next statement works")
  func survivesTermination() async throws {
    try await withPool(connections: 2) { pool in
      try await pool.withConnection { victim in
        let pid = try victim.processID
        let sleep = Task(executorPreference: testLoop) {
          _ = try await victim.query(Statement("sleep", "SELECT pg_sleep(600)"))
        }
        _ = try await pool.query(Statement("kill", "SELECT pg_terminate_backend($1)"), [.int32(pid)])
        let error = await #expect(throws: PostgresError.self) { try await sleep.value }
        #expect(error?.kind == .connectionLost)
        #expect(error?.sqlState == .adminShutdown)
        await #expect(throws: PostgresError.self) { _ = try await victim.query(Self.one) }
      }
      for _ in 0..<4 { try await expectServing(pool) }
    }
  }

  @Test("a backend that is terminated between two statements of a transaction loses all of it")
  func losesTransaction() async throws {
    try await withPool(connections: 2) { pool in
      try await pool.withConnection { try await $0.execute("DROP TABLE IF EXISTS lost; CREATE TABLE lost (n int8)") }
      let insert = Statement("insert", "INSERT INTO lost VALUES (1)")
      let error = await #expect(throws: PostgresError.self) {
        try await pool.transaction { connection in
          _ = try await connection.query(insert)
          let pid = try connection.processID
          _ = try await pool.query(Statement("kill", "SELECT pg_terminate_backend($1)"), [.int32(pid)])
          _ = try await connection.query(insert)
        }
      }
      #expect(error?.kind == .connectionLost)
      #expect(try await pool.query(Statement("rows", "SELECT count(*) FROM lost")).int64(0, 0) == 0)
    }
  }

  @Test("an idle connection that the server ended is not handed out")
  func dropsDeadIdle() async throws {
    try await withPool(connections: 1) { pool in
      let before = try await pool.query(Self.pid).int64(0, 0)
      try await withPool(connections: 1) { other in
        _ = try await other.query(Statement("kill", "SELECT pg_terminate_backend($1)"), [.int32(Int32(before))])
      }
      // The pool hears of it by the socket, whose end may come after the backend has left the server's own views.
      #expect(try await eventually { pool.slots(.empty) == 1 })
      #expect(try await pool.query(Self.pid).int64(0, 0) != before)
    }
  }

  @Test("callers wait through a restart of the server, and after a crash the pool works again")
  func survivesRestart() async throws {
    let cluster = try await PostgresCluster()
    defer { try? cluster.end() }
    try await withPool(connections: 2, cluster: cluster, configure: { $0.waitTimeout = .seconds(60) }) { pool in
      try await expectServing(pool)
      try await cluster.stop()
      let waiting = Task(executorPreference: testLoop) { try await pool.query(Self.one).int64(0, 0) }
      try await cluster.start()
      #expect(try await waiting.value == 1)
      try await cluster.crash()
      #expect(try await eventually { (try? await pool.query(Self.one).int64(0, 0)) == 1 })
    }
  }

  @Test(
    "settings that cannot work are one clear line",
    arguments: [
      ("nonsense", "neither a URI nor"), ("host=/nowhere/at/all dbname=x", "/nowhere/at/all"),
      ("postgres://127.0.0.1:1/x", "127.0.0.1"), ("nosuchkeyword=1", "nosuchkeyword"),
      ("postgres://[::1/x", "cannot be read"),
    ])
  func explainsWrongSettings(_ string: String, _ expected: String) async throws {
    try await withPool(PostgresConfiguration(connectionString: string, waitTimeout: .seconds(120))) { pool in
      let start = ContinuousClock.now
      let error = await #expect(throws: PostgresError.self) { _ = try await pool.query(Self.one) }
      #expect(error?.kind == .connectFailed)
      #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains("\n") == false)
      #expect(ContinuousClock.now - start < .seconds(60))
    }
  }

  @Test("a database that does not exist is named")
  func namesMissingDatabase() async throws {
    let cluster = try await PostgresCluster.shared()
    try await withPool(PostgresConfiguration(connectionString: cluster.connectionString("nowhere"))) { pool in
      let error = await #expect(throws: PostgresError.self) { _ = try await pool.query(Self.one) }
      #expect(error?.kind == .connectFailed)
      #expect(error?.description.contains("database \"nowhere\" does not exist") == true)
    }
  }

  @Test("a closed pool refuses, after those who had a connection are done")
  func closes() async throws {
    try await withPool(connections: 1) { pool in
      let started = Promise<Void>(on: testLoop)
      let task = Task(executorPreference: testLoop) {
        try await pool.withConnection { connection in
          started.succeed(())
          return try await connection.query(Statement("nap", "SELECT 1 FROM pg_sleep(0.1)")).int64(0, 0)
        }
      }
      try await started.value()
      await pool.close()
      #expect(try await task.value == 1)
      let error = await #expect(throws: PostgresError.self) { _ = try await pool.query(Self.one) }
      #expect(error?.kind == .misuse)
    }
  }

  @Test("a connection that is kept beyond its scope refuses")
  func endsScopes() async throws {
    try await withPool { pool in
      let kept = try await pool.withConnection { $0 }
      let error = await #expect(throws: PostgresError.self) { _ = try await kept.query(Self.one) }
      #expect(error?.kind == .misuse)
    }
  }

  @Test("statements that the server has forgotten or whose tables have changed are prepared again")
  func preparesAgain() async throws {
    try await withPool(connections: 1) { pool in
      let all = Statement("all", "SELECT * FROM shape")
      try await pool.withConnection {
        try await $0.execute("DROP TABLE IF EXISTS shape; CREATE TABLE shape AS SELECT 1::int8 AS a")
      }
      #expect(try await pool.query(all).columnCount == 1)
      try await pool.withConnection { try await $0.execute("ALTER TABLE shape ADD b int8") }
      #expect(try await pool.query(all).columnCount == 2)
      try await pool.withConnection { try await $0.execute("DEALLOCATE ALL") }
      #expect(try await pool.query(all).columnCount == 2)
      try await pool.withConnection { connection in
        let results = try await connection.pipeline([(all, []), (Self.one, []), (all, [])])
        #expect(results.count == 3)
      }
    }
  }

  @Test("notifications arrive, and again after the connection was lost")
  func listens() async throws {
    let cluster = try await PostgresCluster.shared()
    let configuration = PostgresConfiguration(connectionString: cluster.connectionString("postgres"))
    try await withPool { pool in
      let log = EventLog()
      let listener = PostgresListener(
        on: testLoop, configuration: configuration, channels: ["odd \"name\""], logger: Logger(label: "test")
      ) { log.append($0) }
      listener.start()
      defer { listener.stop() }
      #expect(try await eventually { log.listening == 1 })
      let notify = Statement("notify", "SELECT pg_notify($1, $2)")
      _ = try await pool.query(notify, [.text("odd \"name\""), .text("first")])
      #expect(try await eventually { log.payloads == ["first"] })
      let kill = Statement("kill", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
      _ = try await pool.query(kill)
      #expect(try await eventually { log.listening == 2 })
      _ = try await pool.query(notify, [.text("odd \"name\""), .text("second")])
      #expect(try await eventually { log.payloads == ["first", "second"] })
    }
  }
}

/// What a listener told. Confined to the loop.
private final class EventLog: @unchecked Sendable {
  private(set) var listening = 0
  private(set) var payloads: [String] = []

  func append(_ event: PostgresListener.Event) {
    switch event {
    case .listening: listening += 1
    case .notified(let notification): payloads.append(notification.payload)
    case .interrupted: break
    }
  }
}
