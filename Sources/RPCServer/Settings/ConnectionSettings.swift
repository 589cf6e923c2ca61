import EventLoop
import GRPC
import HTTP2

/// How the server deals with its connections, whatever is asked through them. `SettingsTable` says what each value means.
package struct ConnectionSettings: Sendable {
  package let compression: CompressionPolicy
  package let maxConnections: Int
  package let maxRunningCalls: Int
  package let handshakeTimeout: Duration
  package let frameTimeout: Duration
  package let stallTimeout: Duration
  package let maxQueuedOutput: Int
  package let crowdedTimeout: Duration
  package let maxQueuedInput: Int
  package let idleTimeout: Duration
  package let connectionAge: Duration
  package let connectionAgeGrace: Duration
  package let keepaliveInterval: Duration
  package let keepaliveTimeout: Duration
  package let maxPings: Int
  package let maxSettings: Int
  package let maxResets: Int
  package let maxEmptyFrames: Int
  package let maxContinuations: Int
  package let maxUnreadFrames: Int
  package let drainPause: Duration

  init(from sources: SettingsSources) throws(SettingsError) {
    compression = try sources.value(of: SettingsTable.compression)
    maxConnections = try sources.value(of: SettingsTable.maxConnections)
    maxRunningCalls = try sources.value(of: SettingsTable.maxRunningCalls)
    handshakeTimeout = try sources.value(of: SettingsTable.handshakeTimeout)
    frameTimeout = try sources.value(of: SettingsTable.frameTimeout)
    stallTimeout = try sources.value(of: SettingsTable.stallTimeout)
    maxQueuedOutput = try sources.value(of: SettingsTable.maxQueuedOutput)
    crowdedTimeout = try sources.value(of: SettingsTable.crowdedTimeout)
    maxQueuedInput = try sources.value(of: SettingsTable.maxQueuedInput)
    idleTimeout = try sources.value(of: SettingsTable.idleTimeout)
    connectionAge = try sources.value(of: SettingsTable.connectionAge)
    connectionAgeGrace = try sources.value(of: SettingsTable.connectionAgeGrace)
    keepaliveInterval = try sources.value(of: SettingsTable.keepaliveInterval)
    keepaliveTimeout = try sources.value(of: SettingsTable.keepaliveTimeout)
    maxPings = try sources.value(of: SettingsTable.maxPings)
    maxSettings = try sources.value(of: SettingsTable.maxSettings)
    maxResets = try sources.value(of: SettingsTable.maxResets)
    maxEmptyFrames = try sources.value(of: SettingsTable.maxEmptyFrames)
    maxContinuations = try sources.value(of: SettingsTable.maxContinuations)
    maxUnreadFrames = try sources.value(of: SettingsTable.maxUnreadFrames)
    drainPause = try sources.value(of: SettingsTable.drainPause)
  }
}

extension ConnectionSettings {
  /// What else the process has open: PostgreSQL's sockets, listeners, logs.
  private static let otherDescriptors = 512

  /// `maxConnections`, or as many as the system has descriptors for: without one for PostgreSQL no call could be answered.
  var possibleConnections: Int {
    let descriptors = DescriptorLimit.raise()
    return descriptors > 0
      ? min(maxConnections, max(descriptors / 2, descriptors - Self.otherDescriptors)) : maxConnections
  }
}

extension ServerConfiguration {
  mutating func apply(_ settings: ConnectionSettings) {
    compressesAnswers = settings.compression == .on
    limits.connections = settings.possibleConnections
    limits.runningHandlers = settings.maxRunningCalls
    limits.handshakeTimeout = settings.handshakeTimeout
    limits.frameTimeout = settings.frameTimeout
    limits.stallTimeout = settings.stallTimeout
    limits.queuedOutput = settings.maxQueuedOutput
    http2.connectionOutputHighWater = settings.maxQueuedOutput / 2
    limits.crowdedTimeout = settings.crowdedTimeout
    limits.queuedInput = settings.maxQueuedInput
    limits.queuedInputOfLoop = settings.maxQueuedInput * 8
    limits.idleTimeout = settings.idleTimeout
    limits.connectionAge = settings.connectionAge
    limits.connectionAgeGrace = settings.connectionAgeGrace
    limits.keepaliveInterval = settings.keepaliveInterval
    limits.keepaliveTimeout = settings.keepaliveTimeout
    var floods = FloodLimits()
    floods.pings = settings.maxPings
    floods.settings = settings.maxSettings
    floods.resets = settings.maxResets
    floods.emptyFrames = settings.maxEmptyFrames
    floods.continuations = settings.maxContinuations
    floods.unread = settings.maxUnreadFrames
    http2.floods = floods
  }
}

/// Whether answers are compressed.
package enum CompressionPolicy: String, CaseIterable, Sendable {
  case off
  case on
}
