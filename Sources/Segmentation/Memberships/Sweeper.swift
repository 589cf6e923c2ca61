import EventLoop
import Logging
import Postgres

/// Ends memberships whose time is up: one DEPRIVE each, cause EXPIRY, effective at exactly the promised instant. Reads
/// do not depend on it. Any number of instances may run; one at a time sweeps, the others leave it to that one.
/// Confined to its loop.
package final class Sweeper: @unchecked Sendable {
  private let pool: PostgresPool
  private let settings: SegmentationSettings
  private let logger: Logger
  private let notifier: AuditNotifier?
  private let statistics: SegmentationStatistics

  /// The sweep is planned anew each time, which costs a millisecond: a plan that was made while the table was empty would read
  /// all of it for each chunk, until the table is analysed.
  private static let settings = Statement(
    "sweep_settings",
    """
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)
    """)

  /// $1 at most so many: the planner sees the number.
  ///
  /// A membership that was renewed or removed since the look is left alone: its row is compared again when it is taken; one of a
  /// deleted segment ends with that. Columns: how many were due, how many were ended, for how many seconds the oldest was due, and
  /// the time in seconds since 1970.
  private static let sweep = Statement(
    "sweep",
    """
    WITH due AS MATERIALIZED (
      SELECT user_id, segment_id, expires_at FROM segmentd.memberships
      WHERE expires_at <= statement_timestamp() AND segment_id <> ALL (\(DeletionSQL.gone))
        AND (SELECT pg_try_advisory_xact_lock(hashtextextended('segmentd.sweep', 0)))
      ORDER BY expires_at
      LIMIT $1
    ), removed AS (
      DELETE FROM segmentd.memberships AS m
      USING due
      WHERE m.user_id = due.user_id AND m.segment_id = due.segment_id AND m.expires_at = due.expires_at
      RETURNING m.user_id, m.segment_id, m.expires_at
    ), settled AS MATERIALIZED (
      SELECT n, segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM removed) AS c WHERE n > 0
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor)
      SELECT settled.xid, r.user_id, r.segment_id, 2, 4, r.expires_at, r.expires_at, s.slug, ''
      FROM settled, removed AS r JOIN segmentd.segments AS s ON s.id = r.segment_id
      ORDER BY r.expires_at, r.user_id, r.segment_id
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM logged),
      (SELECT coalesce(extract(epoch FROM statement_timestamp() - min(expires_at)), 0)::float8 FROM due),
      extract(epoch FROM statement_timestamp())::float8
    """)

  /// How many microseconds it is until the next membership expires; NULL when none does.
  private static let next = Statement(
    "sweep_next",
    """
    SELECT (extract(epoch FROM min(expires_at) - statement_timestamp()) * 1000000)::bigint FROM segmentd.memberships
    WHERE expires_at > statement_timestamp()
    """)

  package init(
    pool: PostgresPool, settings: SegmentationSettings = SegmentationSettings(),
    logger: Logger = Logger(label: "sweeper"), notifier: AuditNotifier? = nil,
    statistics: SegmentationStatistics = SegmentationStatistics()
  ) {
    self.pool = pool
    self.settings = settings
    self.logger = logger
    self.notifier = notifier
    self.statistics = statistics
  }

  /// Ends all memberships that are due now, and forgets the answers that were kept long enough.
  /// - Returns: How many memberships it ended.
  /// - Throws: `SegmentationError`.
  @discardableResult
  package func sweep(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> Int64 {
    let retry = Retry(pool: pool, settings: settings, deadline: deadline)
    let queries = [(Self.settings, []), (Self.sweep, [Parameter.int64(Int64(settings.sweepChunk))])]
    var ended: Int64 = 0
    var lag = 0.0
    while true {
      let result = try await retry.run {
        let results = try await pool.withConnection(deadline: deadline) { try await $0.pipeline(queries) }
        guard results.count == queries.count else { throw PostgresError(.decoding, "a sweep has no result") }
        return results[1]
      }
      let due = try await translating {
        let logged = try result.int64(0, 1)
        ended += logged
        statistics.swept += logged
        lag = max(lag, try result.double(0, 2))
        statistics.lastSweep = try result.double(0, 3)
        return try result.int64(0, 0)
      }
      if due > 0 { notifier?.recordsWritten() }
      if due < Int64(settings.sweepChunk) { break }
    }
    statistics.sweepLag = lag
    _ = try await translating {
      try await pool.query(
        RequestLedger.forget, [.int64(settings.requestRetention.microseconds)], deadline: deadline)
    }
    return ended
  }

  /// Sweeps over and over until its task is cancelled: at each expiry that it knows of, if these do not come too thick, and else
  /// after the interval. What goes wrong is logged and tried again.
  package func run(every interval: Duration = .seconds(1)) async {
    while !Task.isCancelled {
      do {
        let ended = try await sweep()
        if ended > 0 { logger.debug("ended expired memberships", metadata: ["count": "\(ended)"]) }
      } catch {
        if error == .cancelled { return }
        statistics.failedSweeps += 1
        logger.warning("could not sweep expired memberships", metadata: ["error": "\(error)"])
      }
      let pause = await untilNext(interval)
      do { try await Task.sleep(for: pause) } catch { return }
    }
  }

  /// How long until the next expiry, but a tenth of the interval at least and the interval at most.
  func untilNext(_ interval: Duration) async -> Duration {
    guard let result = try? await pool.query(Self.next, []), let microseconds = try? result.optionalInt64(0, 0) else {
      return interval
    }
    return min(interval, max(.microseconds(microseconds), interval / 10))
  }
}

extension Duration {
  /// Whole microseconds; the largest count for what does not fit.
  var microseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, isBeyond) = seconds.multipliedReportingOverflow(by: 1_000_000)
    return isBeyond ? .max : product.addingReportingOverflow(attoseconds / 1_000_000_000_000).partialValue
  }
}
