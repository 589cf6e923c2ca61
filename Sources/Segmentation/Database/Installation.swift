import Postgres

/// What a database is, so that a token of another one is told apart.
package struct DatabaseIdentity: Hashable, Sendable {
  /// 32 hexadecimal digits, drawn when the schema was made.
  package let instance: String
  /// Counts the clusters that the data has lived in: transaction ids start again in each.
  package let era: Int32
}

/// The database as a whole: its identity and its upkeep. One per loop, confined to it.
package final class Installation: @unchecked Sendable {
  private let pool: PostgresPool
  private let settings: SegmentationSettings
  private var known: DatabaseIdentity?
  private let notifier: AuditNotifier?
  let statistics: SegmentationStatistics

  static let identify = Statement(
    "installation_identify",
    """
    SELECT replace(instance_id::text, '-', ''), era FROM segmentd.installation
    """)

  static let ensurePartitions = Statement(
    "installation_ensure_partitions",
    """
    SELECT segmentd.ensure_audit_partitions($1)
    """)

  static let beginEra = Statement(
    "installation_begin_era",
    """
    SELECT segmentd.begin_era_if_restored()
    """)

  /// - Parameters:
  ///   - notifier: Hears of every change of the audit log that is made on this loop.
  ///   - statistics: Counts what the stores of this loop do.
  package init(
    pool: PostgresPool, settings: SegmentationSettings = SegmentationSettings(), notifier: AuditNotifier? = nil,
    statistics: SegmentationStatistics = SegmentationStatistics()
  ) {
    self.pool = pool
    self.settings = settings
    self.notifier = notifier
    self.statistics = statistics
  }

  /// Call behind a commit, with the position of what it wrote to the audit log: those who follow the log are told.
  func committed(_ position: AuditPosition?) {
    if position != nil { notifier?.recordsWritten() }
  }

  /// The identity, looked up once.
  /// - Throws: `SegmentationError`.
  package func identity(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> DatabaseIdentity {
    if let known { return known }
    return try await refreshedIdentity(deadline: deadline)
  }

  /// Asks the database for a sign of life.
  /// - Throws: `SegmentationError`.
  package func check(deadline: ContinuousClock.Instant?) async throws(SegmentationError) {
    _ = try await refreshedIdentity(deadline: deadline)
  }

  /// The identity as it is now: an operator may have put another database behind the same address.
  func refreshedIdentity(deadline: ContinuousClock.Instant?) async throws(SegmentationError) -> DatabaseIdentity {
    let identity = try await translating {
      let result = try await pool.query(Self.identify, [], deadline: deadline)
      guard result.rowCount == 1 else { throw SegmentationError.schemaMismatch("segmentd.installation is empty") }
      return DatabaseIdentity(instance: try result.text(0, 0), era: try result.int32(0, 1))
    }
    known = identity
    return identity
  }

  /// What the server does at its start and daily: makes the audit log's partitions ahead of time, and begins a new era
  /// when the data came here from a dump.
  /// - Returns: Whether a new era began.
  /// - Throws: `SegmentationError`.
  @discardableResult
  package func maintain(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> Bool {
    let isNew = try await translating {
      _ = try await pool.query(
        Self.ensurePartitions, [.int32(settings.auditPartitionsAhead)], deadline: deadline)
      return try await pool.query(Self.beginEra, [], deadline: deadline).bool(0, 0)
    }
    if isNew { known = nil }
    return isNew
  }
}
