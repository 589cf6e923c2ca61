import EventLoop
import Logging
import Postgres
import PostgresFixture
import Testing

/// The loop that this test target's pools live on.
let testLoop: EventLoop = {
  do {
    let loop = try EventLoop(name: "postgres tests")
    _ = try loop.start()
    return loop
  } catch {
    preconditionFailure("no loop: \(error)")
  }
}()

extension EventLoop {
  /// Runs `body` as a task of the loop and waits for it.
  func run<Output: Sendable>(_ body: @escaping @Sendable () async throws -> Output) async throws -> Output {
    try await Task(executorPreference: self) { try await body() }.value
  }
}

/// Runs `body` on the loop with a pool on the shared cluster, and closes the pool.
func withPool<Output: Sendable>(
  connections: Int = 2, cluster: PostgresCluster? = nil,
  configure: @escaping @Sendable (inout PostgresConfiguration) -> Void = { _ in },
  _ body: @escaping @Sendable (PostgresPool) async throws -> Output
) async throws -> Output {
  let shared = if let cluster { cluster } else { try await PostgresCluster.shared() }
  var configuration = PostgresConfiguration(
    connectionString: shared.connectionString("postgres"), maximumConnections: connections)
  configure(&configuration)
  return try await withPool(configuration, body)
}

func withPool<Output: Sendable>(
  _ configuration: PostgresConfiguration, _ body: @escaping @Sendable (PostgresPool) async throws -> Output
) async throws -> Output {
  try await testLoop.run {
    let pool = PostgresPool(on: testLoop, configuration: configuration, logger: Logger(label: "test"))
    do {
      let output = try await body(pool)
      await pool.close()
      return output
    } catch {
      await pool.close()
      throw error
    }
  }
}

/// Expects that the pool answers.
func expectServing(_ pool: PostgresPool) async throws {
  let one = try await pool.query(Statement("one", "SELECT 1")).int64(0, 0)
  #expect(one == 1)
}

/// Waits until the condition holds, for at most a minute.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
  let limit = ContinuousClock.now + .seconds(60)
  while ContinuousClock.now < limit {
    if try await condition() { return true }
    try await testLoop.sleep(for: .milliseconds(5))
  }
  return false
}
