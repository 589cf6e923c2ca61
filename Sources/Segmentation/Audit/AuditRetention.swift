import Logging
import Postgres

/// Drops what is older than it is to be kept, a month at a time. Any number of instances may run; one at a time does it, the others
/// leave it to that one. Confined to its loop.
package final class AuditRetention: @unchecked Sendable {
  /// How long before a month is dropped those are named who have not read it.
  private static let notice = Duration.seconds(7 * 86_400)

  private let pool: PostgresPool
  private let keep: Duration
  private let logger: Logger
  private let statistics: SegmentationStatistics

  /// - Parameter keep: How long a record is kept at least.
  package init(
    pool: PostgresPool, keep: Duration, logger: Logger = Logger(label: "retention"),
    statistics: SegmentationStatistics = SegmentationStatistics()
  ) {
    self.pool = pool
    self.keep = keep
    self.logger = logger
    self.statistics = statistics
  }

  /// $1 how long records are kept, $2 the notice, in microseconds. Columns: partition, whether it is to be dropped now, the names of
  /// consumers who have not read all of it.
  private static let due = Statement(
    "retention_due",
    """
    SELECT p.partition, p.ends_at <= statement_timestamp() - $1 * interval '1 microsecond',
      array(SELECT c.name FROM segmentd.audit_consumers AS c
        WHERE p.era IS NOT NULL AND (c.era IS NULL OR (c.era, c.xid, c.sequence) < (p.era, p.xid, p.sequence))
        ORDER BY c.name)
    FROM segmentd.audit_partitions_before(
      statement_timestamp() - $1 * interval '1 microsecond' + $2 * interval '1 microsecond') AS p
    """)

  private static let lock = Statement(
    "retention_lock",
    """
    SELECT pg_try_advisory_xact_lock(hashtextextended('segmentd.audit_retention', 0))
    """)

  /// Who waits for the table waits no longer than that.
  private static let patience = Statement(
    "retention_patience",
    """
    SET LOCAL lock_timeout = '1s'
    """)

  private static let drop = Statement(
    "retention_drop",
    """
    SELECT segmentd.drop_audit_partition_before(statement_timestamp() - $1 * interval '1 microsecond')
    """)

  /// Drops every month that is due, and warns of consumers who have not read those that are, or will be within a week.
  /// - Returns: The partitions that were dropped.
  /// - Throws: `SegmentationError`.
  @discardableResult
  package func enforce(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> [String] {
    try await translating {
      var dropped: [String] = []
      let due = try await pool.query(
        Self.due, [.int64(keep.microseconds), .int64(Self.notice.microseconds)], deadline: deadline)
      for row in 0..<due.rowCount {
        let isDue = try due.bool(row, 1)
        try warn(due.text(row, 0), of: due.textArray(row, 2), isDue: isDue)
        guard isDue else { continue }
        guard let partition = try await dropOldest(deadline: deadline) else { break }
        dropped.append(partition)
        statistics.droppedPartitions += 1
        logger.notice("dropped a month of the audit log", metadata: ["partition": "\(partition)"])
      }
      return dropped
    }
  }

  /// - Returns: Its name; nil when another instance is at it, or none is due any more.
  private func dropOldest(deadline: ContinuousClock.Instant?) async throws -> String? {
    try await pool.transaction(deadline: deadline) { connection in
      guard try await connection.query(Self.lock).bool(0, 0) else { return nil }
      _ = try await connection.query(Self.patience)
      return try await connection.query(Self.drop, [.int64(keep.microseconds)]).optionalText(0, 0)
    }
  }

  private func warn(_ partition: String, of consumers: [String], isDue: Bool) {
    guard !consumers.isEmpty else { return }
    let names = consumers.prefix(20).joined(separator: ", ") + (consumers.count > 20 ? ", ..." : "")
    logger.warning(
      isDue
        ? "dropping a month of the audit log that consumers have not read"
        : "a month of the audit log that consumers have not read will be dropped within a week",
      metadata: ["partition": "\(partition)", "consumers": "\(names)"])
  }

  /// Enforces over and over until its task is cancelled. What goes wrong is logged and tried again.
  package func run(every interval: Duration = .seconds(3600)) async {
    while !Task.isCancelled {
      do { try await enforce() } catch {
        if error == .cancelled { return }
        logger.warning("could not drop old months of the audit log", metadata: ["error": "\(error)"])
      }
      do { try await Task.sleep(for: interval) } catch { return }
    }
  }
}
