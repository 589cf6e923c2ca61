import Postgres

/// Where in the log's order the records of a period lie: it is partitioned by the time of recording, so that what lies before and behind
/// a period need not be gone through. Confined to its loop.
///
/// The order of the log is not that of time: a transaction that began in one month may be recorded among those of the next. So the ends
/// are looked for by the records that there are, and none is left out:
///
/// - Nothing is recorded before it is effective. What is wanted is recorded at the period's begin or later; the first such record,
///   in the log's order, is the first that can be wanted.
/// - What is effective before the period's end is recorded before it, or late: an expiry that was swept afterwards, say. Of both there is
///   a last one.
struct AuditSpan {
  /// $1 instant.
  private static let first = Statement(
    "audit_span_first",
    """
    SELECT era, xid::text::bigint, sequence FROM segmentd.audit WHERE recorded_at >= $1::timestamptz
    ORDER BY audit.era, audit.xid, audit.sequence LIMIT 1
    """)

  /// $1 instant.
  private static let last = Statement(
    "audit_span_last",
    """
    SELECT era, xid::text::bigint, sequence FROM segmentd.audit WHERE recorded_at < $1::timestamptz
    ORDER BY audit.era DESC, audit.xid DESC, audit.sequence DESC LIMIT 1
    """)

  /// $1 begin, $2 end of the period. As numbers the transaction ids have no index, which would be walked from its end through all that
  /// is not late.
  private static let late = Statement(
    "audit_span_late",
    """
    SELECT era, max(xid::text::bigint), \(Int64.max) FROM segmentd.audit
    WHERE recorded_at >= $2::timestamptz AND effective_at >= $1::timestamptz AND effective_at < $2::timestamptz
    GROUP BY era ORDER BY era DESC LIMIT 1
    """)

  let pool: PostgresPool

  /// - Returns: What a reading of the period can begin behind, and its bound.
  /// - Throws: `PostgresError`
  func narrow(
    _ bound: AuditBound, to period: AuditFilter, deadline: ContinuousClock.Instant? = nil
  ) async throws -> (start: AuditPosition, bound: AuditBound) {
    var start = AuditPosition.beginning
    if let from = period.from {
      guard let first = try await inOrder(Self.first, from, deadline) else { return (bound.end, bound) }
      start = first.before
    }
    guard let until = period.until else { return (min(start, bound.end), bound) }
    let begin = period.from ?? .distantPast
    do {
      let late = try await pool.query(Self.late, [.timestamp(begin), .timestamp(until)], deadline: deadline)
      let ends = [
        try await inOrder(Self.last, until, deadline),
        late.rowCount == 0 ? nil : try AuditPosition(late, row: 0, column: 0),
      ]
      let narrowed = bound.ending(at: ends.compactMap(\.self).max() ?? start)
      return (min(start, narrowed.end), narrowed)
    } catch let error as PostgresError where error.kind == .timedOut {
      return (min(start, bound.end), bound)
    }
  }

  /// The one record that a statement finds by walking the index of the log's order.
  private func inOrder(
    _ statement: Statement, _ instant: Timestamp, _ deadline: ContinuousClock.Instant?
  ) async throws -> AuditPosition? {
    let result = try await pool.transaction(deadline: deadline) { connection in
      try await connection.execute(AuditPieces.inOrder)
      return try await connection.query(statement, [.timestamp(instant)])
    }
    return result.rowCount == 0 ? nil : try AuditPosition(result, row: 0, column: 0)
  }
}

extension AuditPosition {
  /// Right before the record of this position.
  fileprivate var before: AuditPosition { AuditPosition(era: era, xid: xid, sequence: sequence - 1) }
}

extension AuditStore {
  /// Where a reading of the filter's period can begin, and its bound. It may take a while, more than the reading where that is short.
  /// - Throws: `SegmentationError`
  package func narrowed(
    _ bound: AuditBound, to period: AuditFilter, deadline: ContinuousClock.Instant? = nil
  ) async throws(SegmentationError) -> (start: AuditPosition, bound: AuditBound) {
    try await translating { try await AuditSpan(pool: pool).narrow(bound, to: period, deadline: deadline) }
  }
}
