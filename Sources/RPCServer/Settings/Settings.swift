import EventLoop
import Logging

/// What segmentd was told, checked. `SettingsTable` says what each value means and which bounds it keeps.
package struct Settings: Sendable {
  package let listen: Endpoint
  package let adminListen: Endpoint
  package let health: Switch
  package let reflection: Switch

  package let tls: TLSSettings
  package let reports: ReportSettings

  /// Nil: start the private PostgreSQL.
  package let database: String?
  package let dataDirectory: String
  /// For each event loop.
  package let databaseConnections: Int
  /// For each event loop.
  package let databaseWaitLimit: Int
  package let databaseWaitTimeout: Duration
  package let databaseConnectTimeout: Duration
  package let statementTimeout: Duration

  /// Nil: one for each core.
  package let loops: Int?
  /// Bytes.
  package let maxMessageSize: Int
  /// Bytes.
  package let maxMetadataSize: Int
  package let maxConcurrentStreams: Int
  package let connections: ConnectionSettings

  package let updateLimit: Int
  package let batchLimit: Int
  package let importBatch: Int
  package let idempotencyRetention: Duration
  package let sweepInterval: Duration
  package let auditPollInterval: Duration
  /// Nil: all is kept.
  package let auditRetention: Duration?

  package let logLevel: Logger.Level
  package let logFormat: LogFormat
  /// Zero: no call is slow.
  package let slowCallThreshold: Duration
  package let shutdownGrace: Duration

  /// - Throws: `SettingsError` for the first setting, in the table's order, whose value is not what it takes.
  init(from sources: SettingsSources) throws(SettingsError) {
    listen = try sources.value(of: SettingsTable.listen)
    adminListen = try sources.value(of: SettingsTable.adminListen)
    health = try sources.value(of: SettingsTable.health)
    reflection = try sources.value(of: SettingsTable.reflection)
    tls = try TLSSettings(from: sources)
    reports = try ReportSettings(from: sources)
    database = try sources.value(of: SettingsTable.database)
    dataDirectory = try sources.value(of: SettingsTable.dataDirectory)
    databaseConnections = try sources.value(of: SettingsTable.databaseConnections)
    databaseWaitLimit = try sources.value(of: SettingsTable.databaseWaitLimit)
    databaseWaitTimeout = try sources.value(of: SettingsTable.databaseWaitTimeout)
    databaseConnectTimeout = try sources.value(of: SettingsTable.databaseConnectTimeout)
    statementTimeout = try sources.value(of: SettingsTable.statementTimeout)
    loops = try sources.value(of: SettingsTable.loops)
    maxMessageSize = try sources.value(of: SettingsTable.maxMessageSize)
    maxMetadataSize = try sources.value(of: SettingsTable.maxMetadataSize)
    maxConcurrentStreams = try sources.value(of: SettingsTable.maxConcurrentStreams)
    connections = try ConnectionSettings(from: sources)
    updateLimit = try sources.value(of: SettingsTable.updateLimit)
    batchLimit = try sources.value(of: SettingsTable.batchLimit)
    importBatch = try sources.value(of: SettingsTable.importBatch)
    idempotencyRetention = try sources.value(of: SettingsTable.idempotencyRetention)
    sweepInterval = try sources.value(of: SettingsTable.sweepInterval)
    auditPollInterval = try sources.value(of: SettingsTable.auditPollInterval)
    auditRetention = try sources.value(of: SettingsTable.auditRetention)
    logLevel = try sources.value(of: SettingsTable.logLevel)
    logFormat = try sources.value(of: SettingsTable.logFormat)
    slowCallThreshold = try sources.value(of: SettingsTable.slowCallThreshold)
    shutdownGrace = try sources.value(of: SettingsTable.shutdownGrace)
  }

  /// Flags win over the environment, the environment over the file, the file over the defaults.
  /// - Parameters:
  ///   - flags: What the command line gave, by the settings' names.
  ///   - environment: Nil: the process's own.
  ///   - file: The `.env` file; it may be missing.
  /// - Throws: `SettingsError`, one line that names the setting, where its value came from and what it takes.
  package static func resolve(
    _ flags: [String: String], environment: [String: String]? = nil, file: String = ".env"
  ) async throws -> Settings {
    try Settings(from: await SettingsSources(flags: flags, environment: environment, file: file))
  }
}
