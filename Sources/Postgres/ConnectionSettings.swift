import CPostgres

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The keywords for libpq: the user's connection string first, then what this floor relies on.
struct ConnectionSettings {
  /// In libpq's order: a later keyword overrides what an earlier one says.
  let keywords: [(String, String)]

  /// - Throws: `PostgresError` (`connectFailed`) when libpq cannot read the connection string.
  init(_ configuration: PostgresConfiguration) throws {
    let given = try Self.parse(configuration.connectionString)
    let theirs = given["options"] ?? getenv("PGOPTIONS").map { String(cString: $0) } ?? ""
    let ours =
      configuration.serverSettings + [
        "statement_timeout=\(configuration.statementTimeout.settingMilliseconds)",
        "idle_in_transaction_session_timeout=\(configuration.idleInTransactionTimeout.settingMilliseconds)",
        "TimeZone=UTC",
      ]
    keywords = [
      ("fallback_application_name", configuration.applicationName),
      ("dbname", configuration.connectionString),
      ("options", ([theirs] + ours.map { "-c \($0)" }).joined(separator: " ")),
      ("client_encoding", "UTF8"),
    ]
  }

  private static func parse(_ text: String) throws -> [String: String] {
    // Without one of these libpq would take the whole text for the name of a database.
    guard text.isEmpty || text.contains("=") || text.contains("://") else {
      throw PostgresError(.connectFailed, "the connection string is neither a URI nor key=value pairs")
    }
    var message: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(text, &message) else {
      defer { PQfreemem(message) }
      let reason = message.map { oneLine($0) } ?? "no memory left"
      throw PostgresError(.connectFailed, "the connection string cannot be read: \(reason)")
    }
    defer { PQconninfoFree(options) }
    var values: [String: String] = [:]
    var next = options
    while let keyword = next.pointee.keyword {
      if let value = next.pointee.val { values[String(cString: keyword)] = String(cString: value) }
      next += 1
    }
    return values
  }
}
