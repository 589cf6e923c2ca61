import ArgumentParser

/// The flags of `segmentd serve` for `ConnectionSettings`.
package struct ConnectionFlags: ParsableArguments {
  @Option(SettingsTable.compression.entry) package var compression: String?
  @Option(SettingsTable.maxConnections.entry) package var maxConnections: String?
  @Option(SettingsTable.maxRunningCalls.entry) package var maxRunningCalls: String?
  @Option(SettingsTable.handshakeTimeout.entry) package var handshakeTimeout: String?
  @Option(SettingsTable.frameTimeout.entry) package var frameTimeout: String?
  @Option(SettingsTable.stallTimeout.entry) package var stallTimeout: String?
  @Option(SettingsTable.maxQueuedOutput.entry) package var maxQueuedOutput: String?
  @Option(SettingsTable.crowdedTimeout.entry) package var crowdedTimeout: String?
  @Option(SettingsTable.maxQueuedInput.entry) package var maxQueuedInput: String?
  @Option(SettingsTable.idleTimeout.entry) package var idleTimeout: String?
  @Option(SettingsTable.connectionAge.entry) package var connectionAge: String?
  @Option(SettingsTable.connectionAgeGrace.entry) package var connectionAgeGrace: String?
  @Option(SettingsTable.keepaliveInterval.entry) package var keepaliveInterval: String?
  @Option(SettingsTable.keepaliveTimeout.entry) package var keepaliveTimeout: String?
  @Option(SettingsTable.maxPings.entry) package var maxPings: String?
  @Option(SettingsTable.maxSettings.entry) package var maxSettings: String?
  @Option(SettingsTable.maxResets.entry) package var maxResets: String?
  @Option(SettingsTable.maxEmptyFrames.entry) package var maxEmptyFrames: String?
  @Option(SettingsTable.maxContinuations.entry) package var maxContinuations: String?
  @Option(SettingsTable.maxUnreadFrames.entry) package var maxUnreadFrames: String?
  @Option(SettingsTable.drainPause.entry) package var drainPause: String?

  package init() {}

  /// What was given, by the settings' names.
  var given: [String: String] {
    collect([
      (SettingsTable.compression.entry, compression),
      (SettingsTable.maxConnections.entry, maxConnections),
      (SettingsTable.maxRunningCalls.entry, maxRunningCalls),
      (SettingsTable.handshakeTimeout.entry, handshakeTimeout),
      (SettingsTable.frameTimeout.entry, frameTimeout),
      (SettingsTable.stallTimeout.entry, stallTimeout),
      (SettingsTable.maxQueuedOutput.entry, maxQueuedOutput),
      (SettingsTable.crowdedTimeout.entry, crowdedTimeout),
      (SettingsTable.maxQueuedInput.entry, maxQueuedInput),
      (SettingsTable.idleTimeout.entry, idleTimeout),
      (SettingsTable.connectionAge.entry, connectionAge),
      (SettingsTable.connectionAgeGrace.entry, connectionAgeGrace),
      (SettingsTable.keepaliveInterval.entry, keepaliveInterval),
      (SettingsTable.keepaliveTimeout.entry, keepaliveTimeout),
      (SettingsTable.maxPings.entry, maxPings),
      (SettingsTable.maxSettings.entry, maxSettings),
      (SettingsTable.maxResets.entry, maxResets),
      (SettingsTable.maxEmptyFrames.entry, maxEmptyFrames),
      (SettingsTable.maxContinuations.entry, maxContinuations),
      (SettingsTable.maxUnreadFrames.entry, maxUnreadFrames),
      (SettingsTable.drainPause.entry, drainPause),
    ])
  }
}
