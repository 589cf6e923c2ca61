/// What went wrong on this floor, in its own words.
///
/// `description` is one line for logs and terminals and never contains parameters: neither the server's detail nor the
/// message of a data exception, which quotes the value that it complains about.
package struct PostgresError: Error, Sendable, CustomStringConvertible {
  package enum Kind: Hashable, Sendable {
    /// The server refused or aborted the statement; `sqlState` says why.
    case server
    /// The connection ended under the request. Whether a write or a commit took effect is unknown.
    case connectionLost
    /// There is no connection to be had: wrong settings, wrong password, no server.
    case connectFailed
    /// As many callers wait for a connection as may, or this one waited as long as it may.
    case poolExhausted(retryAfter: Duration)
    /// The deadline passed, while waiting or while running. Whether a running write took effect is unknown.
    case timedOut
    /// The calling task was cancelled. Whether a running write took effect is unknown.
    case cancelled
    /// A result does not hold what was asked of it.
    case decoding
    /// The pool is closed, or a connection was used outside its scope or by two tasks at once.
    case misuse
  }

  package let kind: Kind
  /// The server's code, where an answer of the server is the reason.
  package internal(set) var sqlState: SQLState?
  /// The constraint that was violated.
  package internal(set) var constraint: String?
  /// The name of the statement that failed.
  package internal(set) var statement: String?
  /// The primary message. That of a data exception (class 22) can quote a parameter.
  package let message: String
  /// The tables under a prepared statement have changed: it must be prepared anew.
  var wantsNewPlan = false

  package init(
    _ kind: Kind, _ message: String, sqlState: SQLState? = nil, constraint: String? = nil, statement: String? = nil
  ) {
    self.kind = kind
    self.message = message
    self.sqlState = sqlState
    self.constraint = constraint
    self.statement = statement
  }

  package var description: String {
    var text = isQuotingValues ? "data exception" : message
    if let sqlState { text += " (SQLSTATE \(sqlState))" }
    if let statement { text += " in \(statement)" }
    return text
  }

  private var isQuotingValues: Bool { sqlState?.category == "22" }

  static let timedOut = PostgresError(.timedOut, "the deadline passed")
  static let cancelled = PostgresError(.cancelled, "the caller went away")
  static let closed = PostgresError(.misuse, "the connection pool is closed")
}
