import Postgres

/// What happened to a membership. The numbers are the database's and the contract's.
package enum AuditAction: Int16, Hashable, Sendable, CaseIterable {
  case assign = 1
  case deprive = 2
  case renew = 3
}

/// Why. The numbers are the database's and the contract's.
package enum AuditCause: Int16, Hashable, Sendable, CaseIterable {
  case request = 1
  case `import` = 2
  case outreach = 3
  case expiry = 4
  case segmentDeleted = 5
  case userDeleted = 6
}

/// One transition of one membership.
package struct AuditRecord: Hashable, Sendable {
  package var position: AuditPosition
  package var user: UserID
  package var segment: SegmentID
  package var slug: Slug
  package var action: AuditAction
  package var cause: AuditCause
  /// Empty for what the server does by itself.
  package var actor: String
  package var requestID: String?
  /// Until when the user is in from here on; for an expiry, the instant that was promised.
  package var expiresAt: Timestamp?
  /// For an expiry exactly the promised instant, else the instant of the change.
  package var effectiveAt: Timestamp
  package var recordedAt: Timestamp
}

extension AuditRecord {
  /// A row of `HistorySQL.lastRecords` or `AuditTail.newest`: position, action, cause, expiry, effective and recorded instant, slug, actor,
  /// request id.
  init(_ result: PostgresResult, row: Int, user: UserID, segment: SegmentID) throws {
    guard let position = try AuditPosition(result, row: row, column: 0),
      let action = AuditAction(rawValue: Int16(truncatingIfNeeded: try result.int64(row, 3)))
    else { throw PostgresError(.decoding, "an audit row is not as expected") }
    self.init(
      position: position, user: user, segment: segment, slug: Slug(stored: try result.text(row, 8)), action: action,
      cause: AuditCause(stored: try result.int64(row, 4)), actor: try result.text(row, 9),
      requestID: try result.optionalText(row, 10), expiresAt: try result.optionalTimestamp(row, 5),
      effectiveAt: try result.timestamp(row, 6), recordedAt: try result.timestamp(row, 7))
  }
}
