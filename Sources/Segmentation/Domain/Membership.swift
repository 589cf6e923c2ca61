import Postgres

/// One user in one segment.
package struct Membership: Hashable, Sendable {
  package var user: UserID
  package var segment: SegmentID
  package var slug: Slug
  /// Nil when the audit log that told it is not kept any more.
  package var assignedAt: Timestamp?
  /// From this instant on the user is no longer in; nil: until it is taken away.
  package var expiresAt: Timestamp?
  /// What brought the user in: `request`, `import` or `outreach`.
  /// Nil when the audit log that told it is not kept any more.
  package var source: AuditCause?
}

/// What became of one membership.
package enum MembershipOutcome: String, Hashable, Sendable {
  /// The user was not in, and is now.
  case assigned
  /// The user was in, and the expiry changed.
  case renewed
  /// The user was in, and nothing changed.
  case kept
  /// The user was in, and is no longer.
  case removed
  /// The user was not in, and nothing changed.
  case notPresent
  /// There is no such segment to remove the user from.
  case segmentNotFound
}
