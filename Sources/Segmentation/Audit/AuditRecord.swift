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
