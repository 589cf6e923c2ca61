/// The settings of `ConnectionSettings`.
extension SettingsTable {
  static let compression = Setting<CompressionPolicy>(
    "compression", .choice, "POLICY", default: "off",
    "Whether answers of 1 KiB and more are compressed for callers that take it; requests may always be")

  static let maxConnections = Setting(
    "max-connections", .integer(1...1_000_000), "COUNT", default: "10000",
    "Connections of all event loops together; one more is closed at once")
  static let maxRunningCalls = Setting(
    "max-running-calls", .integer(1...1_000_000), "COUNT", default: "20000",
    "Calls at once on each event loop, and handlers that run; one more is refused with UNAVAILABLE")
  static let handshakeTimeout = Setting(
    "handshake-timeout", .duration(.milliseconds(10) ... .seconds(3600)), "TIME", default: "10s",
    "How long a new connection may take until it speaks HTTP/2")
  static let frameTimeout = Setting(
    "frame-timeout", .duration(.milliseconds(10) ... .seconds(3600)), "TIME", default: "30s",
    "How long one frame may take from its first byte to its last")
  static let stallTimeout = Setting(
    "stall-timeout", .duration(.milliseconds(10) ... .seconds(7 * 86400)), "TIME", default: "10m",
    "How long a client may take nothing of what is queued for it")
  static let maxQueuedOutput = Setting(
    "max-queued-output", .size(65536...(1 << 30)), "SIZE", default: "8MiB",
    "What may be queued for one client; one that holds more and takes next to nothing of it for --crowded-timeout is cut off"
  )
  static let crowdedTimeout = Setting(
    "crowded-timeout", .duration(.milliseconds(10) ... .seconds(3600)), "TIME", default: "10s",
    "How long a client may hold more than --max-queued-output without taking a sixteenth of that")
  static let maxQueuedInput = Setting(
    "max-queued-input", .size((1 << 20)...(1 << 30)), "SIZE", default: "64MiB",
    "What may wait of one client's requests, parts of messages too, and eight times as much on each event loop")
  static let idleTimeout = Setting(
    "idle-timeout", .duration(.milliseconds(10) ... .seconds(7 * 86400)), "TIME", default: "30m",
    "A connection without calls for so long is told to go")
  static let connectionAge = Setting(
    "connection-age", .duration(.milliseconds(10) ... .seconds(365 * 86400)), "TIME", default: "2h",
    "A connection so old, give or take a tenth, is told to go: its calls finish, new ones go to another")
  static let connectionAgeGrace = Setting(
    "connection-age-grace", .duration(.zero ... .seconds(365 * 86400)), "TIME", default: "24h",
    "How long the calls of such a connection may go on")
  static let keepaliveInterval = Setting(
    "keepalive-interval", .duration(.milliseconds(10) ... .seconds(7 * 86400)), "TIME", default: "1m",
    "After so long without a byte from a client it is sent a ping")
  static let keepaliveTimeout = Setting(
    "keepalive-timeout", .duration(.milliseconds(10) ... .seconds(3600)), "TIME", default: "20s",
    "How long the answer to such a ping may take")
  static let maxPings = Setting(
    "max-pings", .integer(1...1_000_000), "COUNT", default: "10",
    "PINGs a second from one client beside those that answers allow; each of these four rates allows ten times as much at once"
  )
  static let maxSettings = Setting(
    "max-settings", .integer(1...1_000_000), "COUNT", default: "10",
    "SETTINGS frames a second from one client")
  static let maxResets = Setting(
    "max-resets", .integer(1...1_000_000), "COUNT", default: "1000",
    "Streams a second that one client resets, or makes the server reset")
  static let maxEmptyFrames = Setting(
    "max-empty-frames", .integer(1...1_000_000), "COUNT", default: "1000",
    "Frames a second from one client that carry nothing for a call")
  static let maxContinuations = Setting(
    "max-continuations", .integer(1...100_000), "COUNT", default: "100",
    "CONTINUATION frames into which a client may cut the headers of one call")
  static let maxUnreadFrames = Setting(
    "max-unread-frames", .integer(100...10_000_000), "COUNT", default: "10000",
    "Frames that may wait for a client whose socket takes nothing, beside two for each of its calls")
  static let drainPause = Setting(
    "drain-pause", .duration(.zero ... .seconds(3600)), "TIME", default: "0s",
    "After a signal to stop, how long calls are still taken while health says NOT_SERVING, for balancers to notice")

  static let connectionEntries = [
    compression.entry, maxConnections.entry, maxRunningCalls.entry, handshakeTimeout.entry, frameTimeout.entry,
    stallTimeout.entry, maxQueuedOutput.entry, crowdedTimeout.entry, maxQueuedInput.entry, idleTimeout.entry,
    connectionAge.entry,
    connectionAgeGrace.entry,
    keepaliveInterval.entry, keepaliveTimeout.entry, maxPings.entry, maxSettings.entry, maxResets.entry,
    maxEmptyFrames.entry, maxContinuations.entry, maxUnreadFrames.entry,
    drainPause.entry,
  ]
}
