import EventLoop
import Logging

/// Every setting of segmentd, in the order in which the help lists them. This is the only place that knows their names,
/// defaults and bounds.
package enum SettingsTable {
  static let listen = Setting(
    "listen", .endpoint, "HOST:PORT", default: "127.0.0.1:7700", "Where gRPC calls are answered")
  static let adminListen = Setting(
    "admin-listen", .endpoint, "HOST:PORT", default: "127.0.0.1:7701",
    "Where health, readiness, metrics and the log level are answered over HTTP"
  )

  static let health = Setting<Switch>(
    "health", .choice, "on|off", default: "on", "Whether grpc.health.v1.Health is answered")
  static let reflection = Setting<Switch>(
    "reflection", .choice, "on|off", default: "on",
    "Whether server reflection tells generic clients such as grpcurl what can be called")

  static let database = Setting(
    "database", .database, "URL", default: "",
    "The PostgreSQL database; without one, segmentd starts a private PostgreSQL in its data directory", isSecret: true)
  static let dataDirectory = Setting(
    "data-dir", .text("the path of a directory"), "DIR", default: ".segmentd", "Where the private PostgreSQL lives")
  static let databaseConnections = Setting(
    "database-connections", .integer(1...64), "COUNT", default: "4",
    "PostgreSQL connections of each event loop; up to 5 more serve those who follow the audit log or list the past, one the rollouts"
  )
  static let databaseWaitLimit = Setting(
    "database-wait-limit", .integer(0...1_000_000), "COUNT", default: "1024",
    "Callers of each event loop that may wait for a connection; one more is refused with RESOURCE_EXHAUSTED")
  static let databaseWaitTimeout = Setting(
    "database-wait-timeout", .duration(.milliseconds(1) ... .seconds(3600)), "TIME", default: "5s",
    "How long a caller waits for a connection")
  static let databaseConnectTimeout = Setting(
    "database-connect-timeout", .duration(.milliseconds(100) ... .seconds(300)), "TIME", default: "5s",
    "How long one attempt to connect may take")
  static let statementTimeout = Setting(
    "statement-timeout", .duration(.milliseconds(10) ... .seconds(86400)), "TIME", default: "30s",
    "The longest a statement may run when the call's own deadline is later")

  static let loops = Setting(
    "loops", .automaticOr(1...256), "COUNT", default: "auto", "Event loops, each a thread; auto is one for each core")
  static let maxMessageSize = Setting(
    "max-message-size", .size(1024...(256 << 20)), "SIZE", default: "4MiB", "The largest request message")
  static let maxMetadataSize = Setting(
    "max-metadata-size", .size(1024...(1 << 20)), "SIZE", default: "16KiB", "The most metadata of a call")
  static let maxConcurrentStreams = Setting(
    "max-concurrent-streams", .integer(1...100_000), "COUNT", default: "1024", "Calls at once on one connection")
  static let updateLimit = Setting(
    "update-limit", .integer(1...10000), "COUNT", default: "1000", "Segments in one UpdateUserSegments")
  static let batchLimit = Setting(
    "batch-limit", .integer(1...10000), "COUNT", default: "1000", "Users in one BatchGetUserSegments")
  static let importBatch = Setting(
    "import-batch", .integer(1...20000), "COUNT", default: "2000",
    "Memberships that an import writes in one transaction")
  static let idempotencyRetention = Setting(
    "idempotency-retention", .duration(.seconds(60) ... .seconds(90 * 86400)), "TIME", default: "24h",
    "How long a repeated request_id gets the same answer")
  static let sweepInterval = Setting(
    "sweep-interval", .duration(.milliseconds(50) ... .seconds(3600)), "TIME", default: "1s",
    "How long an expiry may wait at most to be written to the audit log; reads never wait for it")
  static let auditPollInterval = Setting(
    "audit-poll-interval", .duration(.milliseconds(10) ... .seconds(3600)), "TIME", default: "1s",
    "How often the end of the audit log is looked at for its followers when no notification comes")

  static let auditRetention = Setting(
    "audit-retention", .foreverOr(.seconds(3600) ... .seconds(36_500 * 86400)), "TIME", default: "forever",
    "How long records of the audit log are kept at least; a month is dropped when all of it is older")

  static let logLevel = Setting<Logger.Level>(
    "log-level", .choice, "LEVEL", default: "info", "The least severe messages that are logged")
  static let logFormat = Setting<LogFormat>("log-format", .choice, "FORMAT", default: "text", "How log lines look")
  static let slowCallThreshold = Setting(
    "slow-call-threshold", .duration(.zero ... .seconds(3600)), "TIME", default: "1s",
    "Calls of one request and one response that take longer are logged as a warning; 0s logs none")
  static let shutdownGrace = Setting(
    "shutdown-grace", .duration(.zero ... .seconds(3600)), "TIME", default: "3s",
    "How long running calls may go on after a signal to stop")

  package static let all: [SettingEntry] =
    [listen.entry, adminListen.entry, health.entry, reflection.entry] + tlsEntries + [
      database.entry, dataDirectory.entry, databaseConnections.entry, databaseWaitLimit.entry,
      databaseWaitTimeout.entry,
      databaseConnectTimeout.entry, statementTimeout.entry,
      loops.entry, maxMessageSize.entry, maxMetadataSize.entry, maxConcurrentStreams.entry,
    ] + connectionEntries + [
      updateLimit.entry, batchLimit.entry, importBatch.entry, idempotencyRetention.entry, sweepInterval.entry,
      auditPollInterval.entry, auditRetention.entry,
    ] + reportEntries + [
      logLevel.entry, logFormat.entry, slowCallThreshold.entry, shutdownGrace.entry,
    ]
}

/// How log lines look.
package enum LogFormat: String, CaseIterable, Sendable {
  case text
  case json
}
