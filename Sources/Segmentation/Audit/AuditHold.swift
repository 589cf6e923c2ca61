import Logging
import Postgres

/// How far transactions that run hold back the readers of the audit log: they get nothing of what is committed behind the oldest.
package struct AuditHold: Hashable, Sendable {
  /// From the oldest that runs to the youngest that has ended; 0 when none has ended behind one that runs.
  package let transactions: Int64
  /// How long the oldest has run; 0 when it holds nothing back.
  package let seconds: Double
}

/// Looks at that now and then, for the metrics. Confined to its loop.
package final class AuditHoldMonitor: @unchecked Sendable {
  private let pool: PostgresPool
  private let logger: Logger
  private let statistics: SegmentationStatistics
  private var oldest: Int64 = 0
  private var since = ContinuousClock.now

  package init(pool: PostgresPool, logger: Logger, statistics: SegmentationStatistics) {
    self.pool = pool
    self.logger = logger
    self.statistics = statistics
  }

  /// Of transactions of other users nothing may be seen but that there are some: then it counts from when they were seen first.
  private static let look = Statement(
    "audit_hold",
    """
    SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,
      greatest(
        (SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity WHERE backend_xid IS NOT NULL),
        (SELECT extract(epoch FROM clock_timestamp() - min(prepared)) FROM pg_prepared_xacts), 0)::double precision
    FROM pg_current_snapshot() AS s
    """)

  /// - Throws: `SegmentationError`.
  package func hold(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> AuditHold {
    try await translating {
      let result = try await pool.query(Self.look, [], deadline: deadline)
      let (first, next, told) = (try result.int64(0, 0), try result.int64(0, 1), try result.double(0, 2))
      if first != oldest {
        oldest = first
        since = .now
      }
      guard first < next else { return AuditHold(transactions: 0, seconds: 0) }
      return AuditHold(transactions: next - first, seconds: max(told, (.now - since) / .seconds(1)))
    }
  }

  /// Looks over and over until its task is cancelled.
  package func run(every interval: Duration = .seconds(5)) async {
    while !Task.isCancelled {
      do { statistics.hold = try await hold(deadline: .now + interval) } catch {
        if error == .cancelled { return }
        logger.debug("cannot look at the running transactions", metadata: ["error": "\(error)"])
      }
      do { try await Task.sleep(for: interval) } catch { return }
    }
  }
}
