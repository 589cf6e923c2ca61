import EventLoop
import Logging
import Postgres
import PostgresFixture

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a round trip to PostgreSQL costs over a unix socket: wall time, and our own CPU time without the server's.
///
///     swift run -c release round-trips [PART OF A NAME]
@main
struct RoundTrips {
  private static let plain = Statement(
    "plain", "SELECT segment_id FROM memberships WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > now())")

  static func main() async throws {
    let cluster = try await PostgresCluster()
    let configuration = PostgresConfiguration(
      connectionString: cluster.connectionString("postgres"), maximumConnections: 8)
    let loop = try EventLoop(name: "bench")
    let thread = try loop.start()
    try await Task(executorPreference: loop) {
      let pool = PostgresPool(on: loop, configuration: configuration, logger: Logger(label: "bench"))
      try await prepare(pool)
      try await measureAll(pool, on: loop)
      await pool.close()
    }.value
    loop.stop()
    thread.join()
    try cluster.end()
  }

  private static func prepare(_ pool: PostgresPool) async throws {
    try await pool.withConnection {
      try await $0.execute(
        """
        CREATE TABLE memberships (user_id int8, segment_id int8, expires_at timestamptz, PRIMARY KEY (user_id, segment_id));
        INSERT INTO memberships SELECT u, s, NULL FROM generate_series(1, 20000) u, generate_series(1, 5) s;
        ANALYZE memberships
        """)
      try await $0.execute("VACUUM memberships")
    }
  }

  private static func measureAll(_ pool: PostgresPool, on loop: EventLoop) async throws {
    for _ in 0..<2000 { _ = try await pool.query(plain, [.int64(1)]) }
    try await measure("query, one after the other", 30_000) { count in
      for index in 0..<count { _ = try await pool.query(plain, [.int64(Int64(index % 20_000))]) }
    }
    try await measure("query with a deadline", 30_000) { count in
      for index in 0..<count {
        _ = try await pool.query(plain, [.int64(Int64(index % 20_000))], deadline: .now + .seconds(2))
      }
    }
    try await measure("query, 100 tasks on 8 connections", 50_000) { count in
      let tasks = (0..<100).map { task in
        Task(executorPreference: loop) {
          for index in 0..<count / 100 { _ = try await pool.query(plain, [.int64(Int64(index * 100 + task))]) }
        }
      }
      for task in tasks { try await task.value }
    }
    for size in [10, 100] {
      try await measure("pipeline of \(size), per statement", 100_000) { count in
        for round in 0..<count / size {
          let queries = (0..<size).map { (plain, [Parameter.int64(Int64((round * size + $0) % 20_000))]) }
          _ = try await pool.withConnection { try await $0.pipeline(queries) }
        }
      }
    }
    try await measure("transaction of one statement", 10_000) { count in
      for index in 0..<count {
        _ = try await pool.transaction { try await $0.query(plain, [.int64(Int64(index % 20_000))]) }
      }
    }
    try await measure("COPY, per row of 100 bytes", 1_000_000) { count in
      try await pool.withConnection { connection in
        var rows = 0
        try await connection.copyOut(
          "COPY (SELECT n, repeat('x', 80) FROM generate_series(1, \(count)) n) TO STDOUT (FORMAT binary)"
        ) { _ in rows += 1 }
        precondition(rows == count)
      }
    }
  }

  private static func measure(_ name: String, _ count: Int, _ body: (Int) async throws -> Void) async throws {
    if let wanted = CommandLine.arguments.dropFirst().first, !name.contains(wanted) { return }
    let cpu = cpuMicroseconds()
    let start = ContinuousClock.now
    try await body(count)
    let wall = (ContinuousClock.now - start) / .microseconds(1) / Double(count)
    let own = Double(cpuMicroseconds() - cpu) / Double(count)
    print("\(name): \(rounded(wall)) us, of which our CPU \(rounded(own)) us")
  }

  private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

  private static func cpuMicroseconds() -> Int {
    var usage = rusage()
    #if canImport(Glibc)
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
      getrusage(RUSAGE_SELF, &usage)
    #endif
    let times = [usage.ru_utime, usage.ru_stime]
    return times.reduce(0) { $0 + Int($1.tv_sec) * 1_000_000 + Int($1.tv_usec) }
  }
}
