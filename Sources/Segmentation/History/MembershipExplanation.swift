import Postgres

/// Why a user is in a segment, or not.
package enum MembershipReason: Hashable, Sendable {
  case assigned
  case imported
  case outreach
  case neverAssigned
  case removed
  case expired
  case outreachLowered
  case segmentDeleted
  case userDeleted
  /// The outreach covers the user, and has not come to it.
  case rolloutPending
}

/// Why a user is or was in a segment, or not.
package struct MembershipExplanation: Sendable {
  package let user: UserID
  /// The instant that is explained.
  package let instant: Timestamp
  package private(set) var reason: MembershipReason
  /// As it is now, or as it was last.
  package let segment: Segment
  /// When the segment was deleted, by the instant or later.
  package let segmentDeletedAt: Timestamp?
  /// At the instant; nil when there was none.
  package private(set) var membership: Membership?
  /// Those that decide, oldest first: the last assignment, its last renewals (by outreach that took it over, and by others),
  /// and its end.
  package let records: [AuditRecord]
  package let bucket: Bucket
  /// At the instant.
  package let outreach: Outreach
  /// Since when the user is known now; nil when it is not.
  package let userCreatedAt: Timestamp?
  /// Since when the audit log is kept; nil for its beginning.
  package let keptSince: Timestamp?

  package var isMember: Bool { membership != nil }

  /// - Parameter latest: The last record of each action that had taken effect by the instant, of outreach and of others, the
  ///   latest first.
  init(
    _ user: UserID, in past: PastSegment, at instant: Timestamp, latest: [AuditRecord], userCreatedAt: Timestamp?,
    keptSince: Timestamp? = nil
  ) throws(SegmentationError) {
    self.user = user
    self.instant = instant
    self.userCreatedAt = userCreatedAt
    self.keptSince = keptSince
    segment = past.segment
    segmentDeletedAt = past.deletedAt
    bucket = try Bucket(of: user, in: past.segment.id)
    outreach = past.outreach
    let begun = latest.first { $0.action == .assign }
    // A renewal or an end of an earlier assignment has no part in it.
    records = latest.reversed().filter { record in begun.map { record.position >= $0.position } ?? true }
    let isPending =
      past.isRolling && past.lived(at: instant) && outreach.covers(bucket)
      && userCreatedAt.map { $0 <= instant } ?? false
    reason = Self.reason(records, past, instant, isPending: isPending)
    switch reason {
    case .assigned, .imported, .outreach:
      membership = Membership(
        user: user, segment: segment.id, slug: segment.slug, assignedAt: begun?.effectiveAt,
        expiresAt: records.last?.expiresAt, source: records.last(where: { $0.isSource })?.cause)
    default: membership = nil
    }
  }

  /// Where the log's beginning is not kept, a membership may have been there with no record of it.
  mutating func cameIn(_ membership: Membership?) {
    guard let membership else { return }
    self.membership = membership
    reason = Self.reason(membership.source)
  }

  private static func reason(_ source: AuditCause?) -> MembershipReason {
    switch source {
    case .import: .imported
    case .outreach: .outreach
    default: .assigned
    }
  }

  private static func reason(
    _ records: [AuditRecord], _ past: PastSegment, _ instant: Timestamp, isPending: Bool
  ) -> MembershipReason {
    guard let last = records.last else { return isPending ? .rolloutPending : .neverAssigned }
    if last.action == .deprive {
      switch last.cause {
      case .expiry: return .expired
      case .outreach: return .outreachLowered
      case .segmentDeleted: return .segmentDeleted
      case .userDeleted: return .userDeleted
      case .request, .import: return .removed
      }
    }
    // What has taken effect and is not written yet.
    if let expiry = last.expiresAt, expiry <= min(instant, past.deletedAt ?? instant) { return .expired }
    guard past.lived(at: instant) else { return .segmentDeleted }
    return reason(records.last(where: { $0.isSource })?.cause)
  }
}

extension AuditRecord {
  /// Whether it tells where a membership came from: an assignment, or outreach that took it over.
  package var isSource: Bool { action == .assign || action == .renew && cause == .outreach }
}
