import Postgres

/// The statements that answer from the audit log what was at an instant.
///
/// The last record of a membership that was written by then decides: the user was in, unless that record is a DEPRIVE, the
/// expiry it tells had come, or the segment was gone. An expiry or a deletion that took effect by then and was written later
/// changes nothing of that, so `recorded_at` will do, which the log is partitioned by.
enum HistorySQL {
  private static let order = "era DESC, xid DESC, sequence DESC"
  /// What tells where a membership came from: an assignment, or outreach that took it over (a renewal by it).
  private static let isSource = "(action = 1 OR action = 3 AND cause = 3)"

  /// $1 an instant. The clock, and the transactions that may still write something that took effect by that instant: who
  /// writes to the log or to the segments holds a lock on the table from before its statement's time until its end.
  static let writers = Statement(
    "history_writers",
    """
    SELECT statement_timestamp(), ARRAY(
      SELECT DISTINCT l.virtualtransaction
      FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
      WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.relation IN ('segmentd.audit'::regclass, 'segmentd.segments'::regclass)
        -- Nobody tells the times of other roles' transactions.
        AND (a.xact_start IS NULL OR a.xact_start <= $1))
    """)

  static let clock = Statement("history_clock", "SELECT statement_timestamp()")

  /// $1 users, $2 the instant.
  static let segmentsOfMany = Statement(
    "history_segments_of_many",
    """
    SELECT last.user_id, s.slug
    FROM (
      SELECT DISTINCT ON (user_id, segment_id) user_id, segment_id, action, expires_at
      FROM segmentd.audit WHERE user_id = ANY ($1) AND recorded_at <= $2
      ORDER BY user_id, segment_id, \(order)
    ) AS last JOIN segmentd.segments AS s ON s.id = last.segment_id
    WHERE last.action <> 2 AND (last.expires_at IS NULL OR last.expires_at > $2)
      AND (s.deleted_at IS NULL OR s.deleted_at > $2)
    ORDER BY last.user_id, s.slug
    """)

  /// As `segmentsOfMany`, with all that a membership held: its assignment is the last one by then, and what brought it in is that
  /// or the outreach that took it over since.
  static let membershipsOfMany = Statement(
    "history_memberships_of_many",
    """
    SELECT last.user_id, s.slug, s.id, begun.assigned_at, last.expires_at, begun.cause
    FROM (
      SELECT DISTINCT ON (user_id, segment_id) user_id, segment_id, action, expires_at
      FROM segmentd.audit WHERE user_id = ANY ($1) AND recorded_at <= $2
      ORDER BY user_id, segment_id, \(order)
    ) AS last JOIN (
      SELECT DISTINCT ON (user_id, segment_id) user_id, segment_id, cause,
        first_value(effective_at) OVER (PARTITION BY user_id, segment_id ORDER BY action, \(order)) AS assigned_at
      FROM segmentd.audit WHERE user_id = ANY ($1) AND recorded_at <= $2 AND \(isSource)
      ORDER BY user_id, segment_id, \(order)
    ) AS begun USING (user_id, segment_id) JOIN segmentd.segments AS s ON s.id = segment_id
    WHERE last.action <> 2 AND (last.expires_at IS NULL OR last.expires_at > $2)
      AND (s.deleted_at IS NULL OR s.deleted_at > $2)
    ORDER BY last.user_id, s.slug
    """)

  /// Who was in a segment that was there, ordered by user: one pass over its records, whatever their number. COPY takes no
  /// parameters; all that goes in is numbers. Columns: user, assigned, expiry, cause.
  static func copyMembers(of segment: SegmentID, at instant: Timestamp, after user: Int64, limit: Int64) -> String {
    let instant = AuditFilter.literal(instant)
    let records = "segmentd.audit WHERE segment_id = \(segment) AND recorded_at <= \(instant) AND user_id > \(user)"
    return """
      COPY (
        SELECT user_id, begun.assigned_at, last.expires_at, begun.cause
        FROM (
          SELECT DISTINCT ON (user_id) user_id, action, expires_at FROM \(records) ORDER BY user_id, \(order)
        ) AS last JOIN (
          SELECT DISTINCT ON (user_id) user_id, cause,
            first_value(effective_at) OVER (PARTITION BY user_id ORDER BY action, \(order)) AS assigned_at
          FROM \(records) AND \(isSource)
          ORDER BY user_id, \(order)
        ) AS begun USING (user_id)
        WHERE last.action <> 2 AND (last.expires_at IS NULL OR last.expires_at > \(instant))
        ORDER BY user_id LIMIT \(limit)
      ) TO STDOUT (FORMAT binary)
      """
  }

  /// $1 slug or NULL, $2 id or NULL, $3 the instant: the segment that was there, or failing that the one that is there, or was
  /// last. Behind the segment's columns: when it was deleted, and its outreach at the instant.
  static let segment = Statement(
    "history_segment",
    """
    SELECT \(SegmentSQL.columns), s.deleted_at, coalesce(
      (SELECT to_ppm FROM segmentd.rollouts WHERE segment_id = s.id AND created_at <= $3 ORDER BY id DESC LIMIT 1),
      (SELECT from_ppm FROM segmentd.rollouts WHERE segment_id = s.id AND created_at > $3 ORDER BY id LIMIT 1),
      s.outreach_ppm)
    FROM segmentd.segments AS s WHERE s.slug = $1 OR s.id = $2
    ORDER BY (s.created_at <= $3 AND (s.deleted_at IS NULL OR s.deleted_at > $3)) DESC, (s.deleted_at IS NULL) DESC,
      s.id DESC
    LIMIT 1
    """)

  /// $1 user, $2 segment, $3 the instant: the last record of each action that had taken effect, of outreach and of others, the
  /// latest first.
  static let lastRecords = Statement(
    "history_last_records",
    """
    SELECT * FROM (
      SELECT DISTINCT ON (action, cause = 3) era, xid, sequence, action, cause, expires_at, effective_at, recorded_at, segment_slug,
        actor, request_id
      FROM segmentd.audit WHERE user_id = $1 AND segment_id = $2 AND effective_at <= $3
      ORDER BY action, cause = 3, \(order)
    ) AS last
    ORDER BY \(order)
    """)
}
