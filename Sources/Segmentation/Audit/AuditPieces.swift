import Postgres

/// Cuts the audit log into pieces of about so many records, for readings that find little: a statement that looked for the next
/// record of a kind through hundreds of millions would run out of its time. One per loop, confined to it.
struct AuditPieces: Sendable {
  /// Makes the planner walk the index that has the log's order. What it thinks of that would often make it compile the statement first.
  static let inOrder = """
    SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; SET LOCAL jit = off;
    """

  /// $1 era, $2 transaction id, $3 sequence, $4 how many records. Looks at nothing but the index: without its table's name, xid would
  /// be the text above, which has none.
  private static let end = Statement(
    "audit_piece_end",
    """
    SELECT xid::text::bigint, sequence FROM segmentd.audit
    WHERE era = $1::integer AND (xid, sequence) > ($2::bigint::text::xid8, $3::bigint)
    ORDER BY audit.xid, audit.sequence
    OFFSET $4::bigint - 1 LIMIT 1
    """)

  let pool: PostgresPool
  let records: Int64

  /// Where the piece behind a position ends; never beyond the bound, nor in another era than it begins in.
  /// - Throws: `PostgresError`
  func end(
    behind position: AuditPosition, _ bound: AuditBound, deadline: ContinuousClock.Instant?
  ) async throws -> AuditPosition {
    let era = max(1, position.era)
    let result = try await pool.transaction(deadline: deadline) { connection in
      try await connection.execute(Self.inOrder)
      return try await connection.query(
        Self.end, [.int32(era), .int64(position.xid), .int64(position.sequence), .int64(records)])
    }
    let end =
      result.rowCount == 0
      ? AuditPosition(era: era + 1, xid: 0, sequence: 0)
      : AuditPosition(era: era, xid: try result.int64(0, 0), sequence: try result.int64(0, 1))
    return min(end, bound.end)
  }
}
