import EventLoop
import GRPC
import Logging
import Postgres
import Segmentation
import TLS

/// The PostgreSQL that a command works on: the one that was named, or the private one.
struct Database {
  /// How many connections one loop has open besides its pool's.
  private static let spareConnections = 6

  let connectionString: String
  /// Nil when the database is somebody else's.
  let own: PrivatePostgres?

  /// Starts the private PostgreSQL when no database was named.
  /// - Parameter stop: Cancels the start.
  /// - Throws: `PrivatePostgresError`, one line for a person.
  static func open(_ settings: Settings, loops: Int, logger: Logger, stop: StopSignal) async throws -> Database {
    if let named = settings.database { return Database(connectionString: named, own: nil) }
    let own = PrivatePostgres(
      dataDirectory: settings.dataDirectory,
      connections: (settings.databaseConnections + spareConnections) * loops, logger: logger,
      progress: { Output.error("segmentd: \($0)") })
    let starting = Task { try await own.start() }
    let stopping = Task {
      await stop.wait()
      starting.cancel()
    }
    defer { stopping.cancel() }
    return Database(connectionString: try await starting.value, own: own)
  }
}

extension PostgresConfiguration {
  init(_ settings: Settings, connectionString: String) {
    self.init(
      connectionString: connectionString, maximumConnections: settings.databaseConnections,
      waitLimit: settings.databaseWaitLimit, waitTimeout: settings.databaseWaitTimeout,
      statementTimeout: settings.statementTimeout, connectTimeout: settings.databaseConnectTimeout)
  }
}

extension SegmentationSettings {
  init(_ settings: Settings) {
    self.init()
    maximumItemsPerUpdate = settings.updateLimit
    maximumUsersPerBatch = settings.batchLimit
    importChunk = settings.importBatch
    requestRetention = settings.idempotencyRetention
    auditRetention = settings.auditRetention
  }
}

extension ServerConfiguration {
  init(_ settings: Settings, tls: TLSServerIdentity?) {
    self.init()
    self.tls = tls
    tlsHandshakeTimeout = settings.tls.handshakeTimeout
    maxMessageSize = settings.maxMessageSize
    apply(settings.connections)
    http2.maxHeaderListSize = settings.maxMetadataSize
    http2.maxConcurrentStreams = UInt32(settings.maxConcurrentStreams)
  }
}
