import Postgres

/// A living segment.
package struct Segment: Hashable, Sendable {
  package var id: SegmentID
  package var slug: Slug
  package var description: SegmentDescription
  package var outreach: Outreach
  package var createdAt: Timestamp
  /// When the description or the outreach last changed.
  package var updatedAt: Timestamp
  /// Users in it at the instant of the answer; nil when that was not asked for.
  package var memberCount: Int64?
  /// The change of outreach that is not finished; nil when there is none, or it was not asked for.
  package var rollout: Rollout?

  /// Changes whenever the segment does.
  package var etag: String { String(UInt64(bitPattern: updatedAt.microseconds), radix: 36) }

  init(
    id: SegmentID, slug: Slug, description: SegmentDescription, outreach: Outreach, createdAt: Timestamp,
    updatedAt: Timestamp, memberCount: Int64? = nil, rollout: Rollout? = nil
  ) {
    self.id = id
    self.slug = slug
    self.description = description
    self.outreach = outreach
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.memberCount = memberCount
    self.rollout = rollout
  }
}
