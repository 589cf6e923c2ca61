import EventLoop
import Logging
import Postgres

/// A command's work on the database that its flags name, from the settings to the closed connections.
enum DatabaseSession {
  /// - Parameters:
  ///   - besideServer: Without --database, use the private PostgreSQL of a server that runs in the data directory, if one does.
  ///   - body: Runs on the pool's loop.
  /// - Throws: What `CommandFailure` has a line for.
  static func run(
    _ flags: DatabaseFlags, besideServer: Bool = false, _ body: @Sendable (PostgresPool) async throws -> Void
  ) async throws {
    let settings = try await Settings.resolve(flags.given)
    let logger = LogOutput.logger("segmentd", settings: settings)
    let group = try LoopGroup(count: 1)
    defer { group.stop() }
    let database: Database
    if besideServer, settings.database == nil,
      let running = PrivatePostgres.address(ofRunningIn: settings.dataDirectory)
    {
      database = Database(connectionString: running, own: nil)
    } else {
      database = try await Database.open(settings, loops: 1, logger: logger, stop: StopSignal())
    }
    let loop = group.loops[0]
    let configuration = PostgresConfiguration(settings, connectionString: database.connectionString)
    do {
      try await withTaskExecutorPreference(loop) {
        let pool = try await loop.perform { PostgresPool(on: loop, configuration: configuration, logger: logger) }
        do { try await body(pool) } catch {
          await pool.close()
          throw error
        }
        await pool.close()
      }
    } catch {
      await database.own?.stop()
      throw error
    }
    await database.own?.stop()
  }
}
