import Postgres

/// How a report is written. The numbers are the database's and the contract's.
package enum ReportFormat: Int16, Hashable, Sendable, CaseIterable {
  case csv = 1
  case jsonLines = 2
}

/// Where a report is kept. The numbers are the database's and the contract's.
package enum ReportDestination: Int16, Hashable, Sendable, CaseIterable {
  /// The disk of the server that makes it.
  case server = 1
  case bucket = 2
}

/// How far a report has come. The numbers are the database's and the contract's.
package enum ReportState: Int16, Hashable, Sendable, CaseIterable {
  case pending = 1
  case running = 2
  case ready = 3
  case failed = 4
}

/// What a report is to hold.
package struct ReportOrder: Hashable, Sendable {
  /// The shortest and longest life of a link.
  package static let lives: ClosedRange<Duration> = .seconds(1) ... .seconds(7 * 86400)

  /// By effective time; nil: from the beginning.
  package let from: Timestamp?
  /// Without this instant; nil: up to now.
  package let until: Timestamp?
  /// Nil: all.
  package let users: Set<UserID>?
  /// Nil: all.
  package let segments: Set<SegmentID>?
  package let format: ReportFormat
  /// With gzip.
  package let isPacked: Bool
  package let destination: ReportDestination
  /// How long its link is good for.
  package let life: Duration

  /// - Throws: `SegmentationError.invalid` for a period that ends before it begins, or a life out of bounds.
  package init(
    from: Timestamp?, until: Timestamp?, users: Set<UserID>?, segments: Set<SegmentID>?, format: ReportFormat,
    isPacked: Bool, destination: ReportDestination = .server, life: Duration
  ) throws(SegmentationError) {
    if let from, let until, from >= until {
      throw .invalid(field: "range.end_time", reason: "must be after start_time")
    }
    guard Self.lives.contains(life) else {
      throw .invalid(field: "ttl", reason: "must be from 1 second to 7 days")
    }
    self.from = from
    self.until = until
    self.users = users
    self.segments = segments
    self.format = format
    self.isPacked = isPacked
    self.destination = destination
    self.life = life
  }

  /// All of it, as a text that is the same for the same order.
  var fingerprint: String {
    let period = "\(from?.microseconds ?? .min)\n\(until?.microseconds ?? .max)"
    let users = users.map { "\($0.map(\.number).sorted())" } ?? "all"
    let segments = segments.map { "\($0.map(\.number).sorted())" } ?? "all"
    let destination = destination == .server ? "" : "\n\(destination)"
    return "CreateAuditReport\n\(period)\n\(users)\n\(segments)\n\(format)\n\(isPacked)\n\(life)\(destination)"
  }
}

/// A report as it is now.
package struct Report: Hashable, Sendable {
  /// 32 hexadecimal digits, drawn at random.
  package let id: String
  package let createdAt: Timestamp
  package let expiresAt: Timestamp
  /// What its link begins with: the admin port's address, or the bucket's.
  package let baseURL: String
  package let destination: ReportDestination
  package let state: ReportState
  package let format: ReportFormat
  package let isPacked: Bool
  package let from: Timestamp?
  package let until: Timestamp
  package let users: Set<UserID>?
  package let segments: Set<SegmentID>?
  /// So far, or in all.
  package let count: Int64
  /// So far, or in all; bytes.
  package let size: Int64
  /// Of the records as CSV lines; when it is ready.
  package let digest: [UInt8]
  /// Why it failed, for people.
  package let error: String

  /// What its records must be like.
  package var filter: AuditFilter {
    AuditFilter(users: users, segments: segments, from: from, until: until)
  }

  /// `ID.csv`, `ID.jsonl`, with `.gz` when it is packed.
  package var fileName: String {
    "\(id).\(format == .csv ? "csv" : "jsonl")\(isPacked ? ".gz" : "")"
  }

  /// The columns of `ReportSQL.columns`.
  init(_ result: PostgresResult, row: Int) throws {
    id = try result.text(row, 0)
    createdAt = try result.timestamp(row, 1)
    expiresAt = try result.timestamp(row, 2)
    baseURL = try result.text(row, 3)
    state = ReportState(rawValue: Int16(truncatingIfNeeded: try result.int64(row, 4))) ?? .failed
    format = ReportFormat(rawValue: Int16(truncatingIfNeeded: try result.int64(row, 5))) ?? .csv
    isPacked = try result.bool(row, 6)
    from = try result.optionalTimestamp(row, 7)
    until = try result.timestamp(row, 8)
    users = try result.isNull(row, 9) ? nil : Set(try result.int64Array(row, 9).map(UserID.init(stored:)))
    segments = try result.isNull(row, 10) ? nil : Set(try result.int64Array(row, 10).map(SegmentID.init(stored:)))
    count = try result.int64(row, 11)
    size = try result.int64(row, 12)
    digest = try result.bytes(row, 13)
    error = try result.text(row, 14)
    destination = ReportDestination(rawValue: Int16(truncatingIfNeeded: try result.int64(row, 15))) ?? .server
  }
}
