import Postgres

extension SegmentStore {
  /// Some members of a segment at this instant, ordered by user. Of a segment that has been deleted meanwhile there are none.
  /// - Parameters:
  ///   - after: Only users with a greater id.
  ///   - limit: At most so many; fewer means that there are no more.
  package func members(
    of segment: Segment, after: Int64, limit: Int, by caller: Caller
  ) async throws(SegmentationError) -> KeysetChunk<Membership> {
    try await translating {
      let result = try await pool.query(
        SegmentSQL.members, [.int64(segment.id.number), .int64(after), .int64(Int64(limit))],
        deadline: caller.deadline)
      let members = try (0..<result.rowCount).map { row in
        Membership(
          user: UserID(stored: try result.int64(row, 0)), segment: segment.id, slug: segment.slug,
          assignedAt: try result.timestamp(row, 1), expiresAt: try result.optionalTimestamp(row, 2),
          source: AuditCause(rawValue: Int16(truncatingIfNeeded: try result.int64(row, 3))) ?? .request)
      }
      return KeysetChunk(items: members, readAt: members.isEmpty ? nil : try result.timestamp(0, 4))
    }
  }
}
