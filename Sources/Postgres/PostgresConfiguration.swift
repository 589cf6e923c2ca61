/// Where the server is, and how much a pool may ask of it.
package struct PostgresConfiguration: Sendable {
  /// As libpq reads it: a URI or `key=value` pairs, with several hosts if wanted.
  package var connectionString: String
  /// How many connections a pool (there is one per loop) opens at most; at least 1.
  package var maximumConnections: Int
  /// How many callers may wait for a connection before the next one is refused.
  package var waitLimit: Int
  /// How long a caller waits for a connection.
  package var waitTimeout: Duration
  /// How long a statement may run whose caller has no nearer deadline; zero for no limit.
  package var statementTimeout: Duration
  /// How long one attempt to connect may take, through all hosts.
  package var connectTimeout: Duration
  /// After how much silence the server ends an open transaction; zero for never.
  package var idleInTransactionTimeout: Duration
  /// What the server's views call us, unless the connection string says otherwise.
  package var applicationName: String
  /// More settings of the server for these connections, `name=value`.
  package var serverSettings: [String] = []

  package init(
    connectionString: String, maximumConnections: Int = 4, waitLimit: Int = 1024, waitTimeout: Duration = .seconds(5),
    statementTimeout: Duration = .seconds(30), connectTimeout: Duration = .seconds(5),
    idleInTransactionTimeout: Duration = .seconds(60), applicationName: String = "segmentd"
  ) {
    self.connectionString = connectionString
    self.maximumConnections = max(1, maximumConnections)
    self.waitLimit = max(0, waitLimit)
    self.waitTimeout = waitTimeout
    self.statementTimeout = statementTimeout
    self.connectTimeout = connectTimeout
    self.idleInTransactionTimeout = idleInTransactionTimeout
    self.applicationName = applicationName
  }
}

extension Duration {
  /// In whole milliseconds, rounded up, within the 32 bits of a PostgreSQL setting.
  var settingMilliseconds: Int {
    let (seconds, attoseconds) = components
    guard seconds < 2_000_000 else { return 2_000_000_000 }
    return Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
  }
}
