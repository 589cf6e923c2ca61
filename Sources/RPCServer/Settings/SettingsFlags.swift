import ArgumentParser

/// The flags of every command that opens the database.
package struct DatabaseFlags: ParsableArguments {
  @Option(SettingsTable.database.entry) package var database: String?
  @Option(SettingsTable.dataDirectory.entry) package var dataDirectory: String?
  @Option(SettingsTable.databaseConnectTimeout.entry) package var databaseConnectTimeout: String?
  @Option(SettingsTable.statementTimeout.entry) package var statementTimeout: String?
  @Option(SettingsTable.logLevel.entry) package var logLevel: String?
  @Option(SettingsTable.logFormat.entry) package var logFormat: String?

  package init() {}

  /// What was given, by the settings' names.
  package var given: [String: String] {
    collect([
      (SettingsTable.database.entry, database), (SettingsTable.dataDirectory.entry, dataDirectory),
      (SettingsTable.databaseConnectTimeout.entry, databaseConnectTimeout),
      (SettingsTable.statementTimeout.entry, statementTimeout),
      (SettingsTable.logLevel.entry, logLevel), (SettingsTable.logFormat.entry, logFormat),
    ])
  }
}

/// The flags of `segmentd serve`.
package struct ServeFlags: ParsableArguments {
  @Option(SettingsTable.listen.entry) package var listen: String?
  @Option(SettingsTable.adminListen.entry) package var adminListen: String?
  @Option(SettingsTable.health.entry) package var health: String?
  @Option(SettingsTable.reflection.entry) package var reflection: String?
  @OptionGroup package var databaseFlags: DatabaseFlags
  @Option(SettingsTable.databaseConnections.entry) package var databaseConnections: String?
  @Option(SettingsTable.databaseWaitLimit.entry) package var databaseWaitLimit: String?
  @Option(SettingsTable.databaseWaitTimeout.entry) package var databaseWaitTimeout: String?
  @Option(SettingsTable.loops.entry) package var loops: String?
  @Option(SettingsTable.maxMessageSize.entry) package var maxMessageSize: String?
  @Option(SettingsTable.maxMetadataSize.entry) package var maxMetadataSize: String?
  @Option(SettingsTable.maxConcurrentStreams.entry) package var maxConcurrentStreams: String?
  @OptionGroup package var connectionFlags: ConnectionFlags
  @OptionGroup package var tlsFlags: TLSFlags
  @OptionGroup package var reportFlags: ReportFlags
  @Option(SettingsTable.updateLimit.entry) package var updateLimit: String?
  @Option(SettingsTable.batchLimit.entry) package var batchLimit: String?
  @Option(SettingsTable.importBatch.entry) package var importBatch: String?
  @Option(SettingsTable.idempotencyRetention.entry) package var idempotencyRetention: String?
  @Option(SettingsTable.sweepInterval.entry) package var sweepInterval: String?
  @Option(SettingsTable.auditPollInterval.entry) package var auditPollInterval: String?
  @Option(SettingsTable.auditRetention.entry) package var auditRetention: String?
  @Option(SettingsTable.slowCallThreshold.entry) package var slowCallThreshold: String?
  @Option(SettingsTable.shutdownGrace.entry) package var shutdownGrace: String?

  package init() {}

  /// What was given, by the settings' names.
  package var given: [String: String] {
    [connectionFlags.given, tlsFlags.given, reportFlags.given].reduce(into: databaseFlags.given) { all, some in
      all.merge(some, uniquingKeysWith: { mine, _ in mine })
    }.merging(
      collect([
        (SettingsTable.listen.entry, listen), (SettingsTable.adminListen.entry, adminListen),
        (SettingsTable.health.entry, health), (SettingsTable.reflection.entry, reflection),
        (SettingsTable.databaseConnections.entry, databaseConnections),
        (SettingsTable.databaseWaitLimit.entry, databaseWaitLimit),
        (SettingsTable.databaseWaitTimeout.entry, databaseWaitTimeout),
        (SettingsTable.loops.entry, loops),
        (SettingsTable.maxMessageSize.entry, maxMessageSize),
        (SettingsTable.maxMetadataSize.entry, maxMetadataSize),
        (SettingsTable.maxConcurrentStreams.entry, maxConcurrentStreams),
        (SettingsTable.updateLimit.entry, updateLimit), (SettingsTable.batchLimit.entry, batchLimit),
        (SettingsTable.importBatch.entry, importBatch),
        (SettingsTable.idempotencyRetention.entry, idempotencyRetention),
        (SettingsTable.sweepInterval.entry, sweepInterval),
        (SettingsTable.auditPollInterval.entry, auditPollInterval),
        (SettingsTable.auditRetention.entry, auditRetention),
        (SettingsTable.slowCallThreshold.entry, slowCallThreshold), (SettingsTable.shutdownGrace.entry, shutdownGrace),
      ]), uniquingKeysWith: { mine, _ in mine })
  }
}

func collect(_ flags: [(SettingEntry, String?)]) -> [String: String] {
  flags.reduce(into: [:]) { given, flag in given[flag.0.name] = flag.1 }
}

extension Option where Value == String? {
  /// The flag of a setting: its name and help come from the table, its text is checked with all other sources' later.
  init(_ entry: SettingEntry) {
    let fallback = entry.fallback.isEmpty ? "" : "; default: \(entry.fallback)"
    self.init(
      name: .customLong(entry.name),
      help: ArgumentHelp("\(entry.meaning). (\(entry.environment)\(fallback))", valueName: entry.placeholder))
  }
}
