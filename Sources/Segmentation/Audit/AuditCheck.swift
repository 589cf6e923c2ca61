import Postgres

/// A membership whose audit log tells another story than its row.
package struct AuditDifference: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable {
    /// By the log the user is in, and there is no membership.
    case lostMembership = "the log says in, and there is no membership"
    /// There is a membership, and by the log the user is not in.
    case unexplainedMembership = "there is a membership, and the log says out"
    /// Both say in, with another expiry.
    case otherExpiry = "the membership has another expiry than the log"
    /// A record that does not follow from the one before: in twice, or out without being in.
    case impossibleRecord = "a record does not follow from the one before it"
  }

  package let user: UserID
  package let segment: SegmentID
  package let kind: Kind
}

/// Replays the audit log and compares the outcome with the memberships, in chunks of users. Each chunk is one
/// statement, so that it sees both at the same instant, whatever is written meanwhile.
package final class AuditCheck: @unchecked Sendable {
  /// How far a check has come.
  package struct Progress: Hashable, Sendable {
    package var memberships: Int64 = 0
    package var records: Int64 = 0
  }

  private let pool: PostgresPool
  private let usersPerChunk: Int

  /// The last user of the next chunk: $1 the last one of the chunk before, $2 how many.
  private static let boundary = Statement(
    "audit_check_boundary",
    """
    SELECT max(user_id) FROM (
      SELECT user_id FROM segmentd.users WHERE user_id > $1 ORDER BY user_id LIMIT $2
    ) AS u
    """)

  /// $1 and $2: users above the one, up to the other. First a row with the counts, then the differences.
  private static let compare = Statement(
    "audit_check_compare",
    """
    WITH kept AS MATERIALIZED (
      SELECT kept_since FROM segmentd.installation
    ), record AS MATERIALIZED (
      SELECT user_id, segment_id, action, expires_at,
        lag(action) OVER story AS before,
        lead(action) OVER story IS NULL AS is_last
      FROM segmentd.audit WHERE user_id > $1 AND user_id <= $2
      WINDOW story AS (PARTITION BY user_id, segment_id ORDER BY era, xid, sequence)
    ), replayed AS (
      SELECT user_id, segment_id, expires_at FROM record WHERE is_last AND action <> 2
    ), member AS MATERIALIZED (
      SELECT user_id, segment_id, expires_at, assigned_at FROM segmentd.memberships WHERE user_id > $1 AND user_id <= $2
    )
    SELECT 0 AS kind, (SELECT count(*) FROM member) AS a, (SELECT count(*) FROM record) AS b
    UNION ALL
    SELECT CASE WHEN m.user_id IS NULL THEN 1 WHEN r.user_id IS NULL THEN 2 ELSE 3 END,
      coalesce(m.user_id, r.user_id), coalesce(m.segment_id, r.segment_id)
    FROM member AS m FULL JOIN replayed AS r ON r.user_id = m.user_id AND r.segment_id = m.segment_id
    WHERE (m.user_id IS NULL OR r.user_id IS NULL OR m.expires_at IS DISTINCT FROM r.expires_at)
      -- Its records may be older than what is kept.
      AND NOT (r.user_id IS NULL AND m.assigned_at < coalesce((SELECT kept_since FROM kept), '-infinity')
        AND NOT EXISTS (SELECT FROM record AS e WHERE e.user_id = m.user_id AND e.segment_id = m.segment_id))
    UNION ALL
    SELECT DISTINCT 4, user_id, segment_id FROM record
    WHERE (action = 1) <> (before IS NULL OR before = 2)
      AND NOT (before IS NULL AND (SELECT kept_since FROM kept) IS NOT NULL)
    """)

  package init(pool: PostgresPool, usersPerChunk: Int = 20_000) {
    self.pool = pool
    self.usersPerChunk = max(1, usersPerChunk)
  }

  /// - Parameters:
  ///   - onProgress: Called after each chunk.
  ///   - onDifference: Called for each difference.
  /// - Returns: What was compared.
  /// - Throws: `SegmentationError`.
  @discardableResult
  package func run(
    deadline: ContinuousClock.Instant? = nil, onProgress: (Progress) -> Void = { _ in },
    onDifference: (AuditDifference) -> Void
  ) async throws(SegmentationError) -> Progress {
    var progress = Progress()
    var last = Int64.min
    while true {
      // Behind the last user that is known come those that only the log or a membership knows.
      let boundary = try await boundary(after: last, deadline: deadline)
      let next = boundary ?? .max
      let result = try await translating {
        try await pool.query(Self.compare, [.int64(last), .int64(next)], deadline: deadline)
      }
      try await translating { try Self.read(result, &progress, onDifference) }
      onProgress(progress)
      guard boundary != nil, next < .max else { return progress }
      last = next
    }
  }

  private func boundary(
    after last: Int64, deadline: ContinuousClock.Instant?
  ) async throws(SegmentationError) -> Int64? {
    try await translating {
      try await pool.query(Self.boundary, [.int64(last), .int64(Int64(usersPerChunk))], deadline: deadline)
        .optionalInt64(0, 0)
    }
  }

  private static func read(
    _ result: PostgresResult, _ progress: inout Progress, _ onDifference: (AuditDifference) -> Void
  ) throws {
    let kinds: [Int32: AuditDifference.Kind] = [
      1: .lostMembership, 2: .unexplainedMembership, 3: .otherExpiry, 4: .impossibleRecord,
    ]
    for row in 0..<result.rowCount {
      let a = try result.int64(row, 1)
      let b = try result.int64(row, 2)
      if let kind = kinds[try result.int32(row, 0)] {
        onDifference(AuditDifference(user: UserID(stored: a), segment: SegmentID(stored: b), kind: kind))
      } else {
        progress.memberships += a
        progress.records += b
      }
    }
  }
}
