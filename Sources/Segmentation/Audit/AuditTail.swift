import Postgres

/// Looks at the audit log's end, and takes what has come there since the look before: one round trip. Confined to its loop.
struct AuditTail {
  /// What a look found.
  struct Look {
    let tip: AuditTip
    /// All that lies between the tip before and this one; nil when that has to be read some other way, as there may be much of it.
    let records: [AuditRecord]?
  }

  /// What the connections of its pool are to be set to. The planner must walk the index that has the log's order, and not think about
  /// it each time: what it knows of the newest records is always old, and a plan takes it longer than all the rest.
  static let serverSettings = [
    "plan_cache_mode=force_generic_plan", "enable_seqscan=off", "enable_sort=off", "enable_bitmapscan=off", "jit=off",
  ]

  /// A look that finds more leaves them to a COPY.
  private static let mostRecords = 1024

  /// $1 era, $2 the first transaction that had not ended at the look before, $3 how many. It looks with one snapshot, that of its own
  /// bound; what lies beyond the bound of the statement before it in the same round trip is left out by the caller.
  private static let newest = Statement(
    "audit_newest",
    """
    SELECT era, xid::text::bigint, sequence, action, cause, expires_at, effective_at, recorded_at, segment_slug, actor,
      request_id, user_id, segment_id
    FROM segmentd.audit
    WHERE era = $1::integer AND xid >= $2::bigint::text::xid8 AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY audit.xid, audit.sequence
    LIMIT $3::bigint
    """)

  let pool: PostgresPool
  let installation: Installation

  /// - Parameters:
  ///   - before: Nil for a first look, which takes no records.
  ///   - refreshing: Also make sure that the database is still the one it was.
  /// - Throws: `SegmentationError`
  func look(
    behind before: AuditTip?, refreshing: Bool, deadline: ContinuousClock.Instant?
  ) async throws(SegmentationError) -> Look {
    let identity =
      refreshing
      ? try await installation.refreshedIdentity(deadline: deadline)
      : try await installation.identity(deadline: deadline)
    return try await translating {
      guard let before, before.identity == identity else {
        return Look(
          tip: try AuditTip(identity, await pool.query(AuditStore.horizon, [], deadline: deadline)), records: nil)
      }
      let results = try await pool.withConnection(deadline: deadline) { connection in
        try await connection.pipeline([
          (AuditStore.horizon, []),
          (Self.newest, [.int32(identity.era), .int64(before.oldest), .int64(Int64(Self.mostRecords))]),
          (AuditStore.floor, []),
        ])
      }
      let tip = try AuditTip(identity, results[0])
      // Whether retention dropped what was just read is for a real reading to tell.
      let floor = try AuditFloor(results[2], row: 0, column: 0)
      guard results[1].rowCount < Self.mostRecords, floor.map({ $0.position <= before.end }) ?? true else {
        return Look(tip: tip, records: nil)
      }
      let records = try (0..<results[1].rowCount).map { row in
        try AuditRecord(
          results[1], row: row, user: UserID(stored: results[1].int64(row, 11)),
          segment: SegmentID(stored: results[1].int64(row, 12)))
      }
      return Look(tip: tip, records: records.filter { $0.position <= tip.end })
    }
  }
}
