import ArgumentParser

/// How records are written.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// Aligned columns, for people.
  case table
  /// One JSON value: an object, or an array of them.
  case json
  /// A JSON object a line.
  case jsonl
  /// A header and a line for each record.
  case csv
}

/// The formats of the audit log, which is too long for a JSON array.
enum AuditFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  case csv, jsonl, table
}
