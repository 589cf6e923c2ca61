import Postgres

/// The statements that answer from the audit log what was at an instant.
///
/// The last record of a membership that was written by then decides: the user was in, unless that record is a DEPRIVE, the
/// expiry it tells had come, or the segment was gone. An expiry or a deletion that took effect by then and was written later
/// changes nothing of that, so `recorded_at` will do, which the log is partitioned by.
///
/// Where the log's beginning is not kept, there may be no record by then. Then the first one behind it decides: who was deprived or
/// renewed was in. When there is none at all, the membership itself tells. The log must be kept from the instant on.
enum HistorySQL {
  private static let order = "era DESC, xid DESC, sequence DESC"
  /// What tells where a membership came from: an assignment, or outreach that took it over (a renewal by it).
  private static let isSource = "(action = 1 OR action = 3 AND cause = 3)"

  /// $1 an instant. The clock; the transactions that may still write something that took effect by that instant: who writes to the
  /// log or to the segments holds a lock on the table from before its statement's time until its end; since when the log is
  /// kept, NULL for its beginning.
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
        AND (a.xact_start IS NULL OR a.xact_start <= $1)),
      (SELECT kept_since FROM segmentd.installation)
    """)

  static let clock = Statement("history_clock", "SELECT statement_timestamp()")

  /// $1 users, $2 the instant.
  static let segmentsOfMany = Statement(
    "history_segments_of_many",
    """
    WITH \(memberships(where: "user_id = ANY ($1)", at: "$2"))
    SELECT was.user_id, s.slug
    FROM was JOIN segmentd.segments AS s ON s.id = was.segment_id
    WHERE s.deleted_at IS NULL OR s.deleted_at > $2
    ORDER BY was.user_id, s.slug
    """)

  /// As `segmentsOfMany`, with all that a membership held. Where it came from may not be known any more.
  static let membershipsOfMany = Statement(
    "history_memberships_of_many",
    """
    WITH \(memberships(where: "user_id = ANY ($1)", at: "$2"))
    SELECT was.user_id, s.slug, s.id, \(source)
    FROM was JOIN segmentd.segments AS s ON s.id = was.segment_id \(joiningSource(at: "$2"))
    WHERE s.deleted_at IS NULL OR s.deleted_at > $2
    ORDER BY was.user_id, s.slug
    """)

  /// Who was in a segment that was there, ordered by user: one pass over its records, whatever their number. COPY takes no
  /// parameters; all that goes in is numbers. Columns: user, assigned, expiry, cause.
  /// - Parameter isWhole: Whether the log is kept from its beginning.
  static func copyMembers(
    of segment: SegmentID, at instant: Timestamp, after user: Int64, limit: Int64, isWhole: Bool
  ) -> String {
    let instant = AuditFilter.literal(instant)
    return """
      COPY (
        WITH \(memberships(where: "segment_id = \(segment) AND user_id > \(user)", at: instant, isWhole: isWhole))
        SELECT was.user_id, \(source) FROM was \(joiningSource(at: instant))
        ORDER BY was.user_id LIMIT \(limit)
      ) TO STDOUT (FORMAT binary)
      """
  }

  /// Assigned, expiry, cause.
  private static let source = "coalesce(b.assigned_at, m.assigned_at), was.expires_at, coalesce(b.cause, m.cause)"

  private static func joiningSource(at instant: String) -> String {
    """
    LEFT JOIN begun AS b ON b.user_id = was.user_id AND b.segment_id = was.segment_id
      LEFT JOIN segmentd.memberships AS m
        ON b.user_id IS NULL AND m.user_id = was.user_id AND m.segment_id = was.segment_id AND m.assigned_at <= \(instant)
    """
  }

  /// `was`: the memberships that there were, in whatever segment. `begun`: since when, and what brought them in: an assignment,
  /// or outreach that took it over since.
  private static func memberships(where condition: String, at instant: String, isWhole: Bool = false) -> String {
    let records =
      isWhole
      ? "segmentd.audit WHERE \(condition) AND recorded_at <= \(instant)" : "record WHERE recorded_at <= \(instant)"
    let told = """
      last AS MATERIALIZED (
        SELECT DISTINCT ON (user_id, segment_id) user_id, segment_id, action, expires_at
        FROM \(records)
        ORDER BY user_id, segment_id, \(order)
      ), begun AS MATERIALIZED (
        SELECT DISTINCT ON (user_id, segment_id) user_id, segment_id, cause,
          first_value(effective_at) OVER (PARTITION BY user_id, segment_id ORDER BY action, \(order)) AS assigned_at
        FROM \(records) AND \(isSource)
        ORDER BY user_id, segment_id, \(order)
      )
      """
    if isWhole {
      return """
        \(told), was AS (
          SELECT user_id, segment_id, expires_at FROM last
          WHERE action <> 2 AND (expires_at IS NULL OR expires_at > \(instant))
        )
        """
    }
    return """
      record AS MATERIALIZED (
        SELECT user_id, segment_id, era, xid, sequence, action, cause, expires_at, effective_at, recorded_at
        FROM segmentd.audit WHERE \(condition)
      ), \(told), next AS MATERIALIZED (
        -- A renewal does not tell the expiry before it, nor does a removal.
        SELECT DISTINCT ON (user_id, segment_id) user_id, segment_id, action,
          CASE WHEN action = 2 AND cause = 4 THEN expires_at END AS expires_at
        FROM record WHERE recorded_at > \(instant)
        ORDER BY user_id, segment_id, era, xid, sequence
      ), was AS (
        SELECT user_id, segment_id, expires_at FROM (
          SELECT user_id, segment_id, expires_at FROM last WHERE action <> 2
          UNION ALL
          SELECT n.user_id, n.segment_id, n.expires_at
          FROM next AS n LEFT JOIN last AS l ON l.user_id = n.user_id AND l.segment_id = n.segment_id
          WHERE n.action <> 1 AND l.user_id IS NULL
          UNION ALL
          SELECT m.user_id, m.segment_id, m.expires_at
          FROM segmentd.memberships AS m
          WHERE \(condition) AND m.assigned_at <= \(instant)
            AND NOT EXISTS (SELECT FROM record AS r WHERE r.user_id = m.user_id AND r.segment_id = m.segment_id)
        ) AS w
        WHERE expires_at IS NULL OR expires_at > \(instant)
      )
      """
  }

  /// $1 slug or NULL, $2 id or NULL, $3 the instant: the segment that was there, or failing that the one that is there, or was
  /// last. Behind the segment's columns: when it was deleted, its outreach at the instant, and whether that was going through the
  /// users then.
  static let segment = Statement(
    "history_segment",
    """
    SELECT \(SegmentSQL.columns), s.deleted_at, coalesce(
      (SELECT to_ppm FROM segmentd.rollouts WHERE segment_id = s.id AND created_at <= $3 ORDER BY id DESC LIMIT 1),
      (SELECT from_ppm FROM segmentd.rollouts WHERE segment_id = s.id AND created_at > $3 ORDER BY id LIMIT 1),
      s.outreach_ppm),
      EXISTS (
        SELECT FROM segmentd.rollouts
        WHERE segment_id = s.id AND created_at <= $3 AND (ended_at IS NULL OR ended_at > $3))
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
