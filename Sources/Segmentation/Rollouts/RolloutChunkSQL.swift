import Postgres

/// The statement that carries out a change of outreach for the next users.
///
///     page of users ─┬─► covered, not in ──────────────► ASSIGN
///                    └─► members ─┬─► expired, covered ─► DEPRIVE by expiry, ASSIGN
///                                 ├─► by other means ───► RENEW, when it adopts
///                                 └─► not covered ──────► DEPRIVE, when it releases
///
/// $1 the segment, $2 only users above this one, $3 and up to this one, $4 how many at most, $5 floor, $6 the new outreach,
/// $7 adopts, $8 releases, $9 slug, $10 actor, $11 request id, $12 the rollout, $13 when it was created: who was measured
/// later is in already or was taken out since, and is not brought in; whom a rollout that was replaced had reached has a floor of
/// its own. Columns: users looked at, assigned, released,
/// the end of the audit records.
enum RolloutChunkSQL {
  /// Goes through the users: brings in, and does all else.
  static let users = Statement(
    "rollout_chunk_users",
    chunk(
      page: """
        SELECT user_id, segmentd.bucket($1, user_id) AS bucket, CASE
            WHEN measured_at > $13 THEN 1000000
            WHEN EXISTS (SELECT FROM segmentd.rollout_floors WHERE segment_id = $1) THEN greatest($5, (
              SELECT max(f.floor_ppm) FROM segmentd.rollout_floors AS f
              WHERE f.segment_id = $1 AND (f.cursor >= user_id OR f.created_at < measured_at)))
            ELSE $5
          END AS floor
        FROM segmentd.users
        WHERE user_id > $2 AND user_id <= $3
        ORDER BY user_id LIMIT $4
        """))

  /// Goes through the members: nobody is to be brought in.
  static let members = Statement(
    "rollout_chunk_members",
    chunk(
      page: """
        SELECT user_id, NULL::integer AS bucket, CASE WHEN $13::timestamptz IS NOT NULL THEN $5 END AS floor
        FROM segmentd.memberships
        WHERE segment_id = $1 AND user_id > $2 AND user_id <= $3
        ORDER BY user_id LIMIT $4
        """))

  /// Of a membership `m` that a step changes. Without the bounds a join may read all of the segment for each chunk.
  private static let within = "m.segment_id = $1 AND m.user_id > $2 AND m.user_id <= (SELECT last FROM ending)"

  /// Rows that others change at the same time:
  /// - One that is assigned meanwhile counts as in already; who adopts begins again.
  /// - One that had expired must be found again as it was; it may have been swept, and the user would be left out.
  /// - Adopting and releasing look at the row once more when they take it.
  private static func chunk(page: String) -> String {
    """
    WITH page AS MATERIALIZED (
      \(page)
    ), ending AS MATERIALIZED (
      SELECT count(*) AS users, max(user_id) AS last FROM page
    ), wanted AS MATERIALIZED (
      SELECT user_id FROM page WHERE bucket >= floor AND bucket < $6
    ), member AS MATERIALIZED (
      SELECT user_id, expires_at, cause, segmentd.bucket($1, user_id) AS bucket,
        coalesce(expires_at <= statement_timestamp(), false) AS is_over
      FROM segmentd.memberships
      WHERE segment_id = $1 AND user_id > $2 AND user_id <= (SELECT last FROM ending)
        AND ($7 OR $8 OR expires_at <= statement_timestamp())
    ), over AS MATERIALIZED (
      SELECT member.user_id, member.expires_at
      FROM member JOIN page USING (user_id)
      WHERE member.is_over AND member.bucket >= page.floor AND member.bucket < $6
    ), enrolled AS (
      INSERT INTO segmentd.memberships (user_id, segment_id, assigned_at, cause)
      SELECT user_id, $1, statement_timestamp(), 3 FROM wanted ORDER BY user_id
      ON CONFLICT DO NOTHING
      RETURNING user_id
    ), returned AS (
      UPDATE segmentd.memberships AS m
      SET expires_at = NULL, assigned_at = statement_timestamp(), cause = 3
      FROM over
      WHERE \(within) AND m.user_id = over.user_id AND m.expires_at = over.expires_at
      RETURNING m.user_id, over.expires_at AS over_at
    ), adopted AS (
      UPDATE segmentd.memberships AS m
      SET expires_at = NULL, cause = 3
      FROM member
      WHERE $7 AND NOT member.is_over AND member.cause <> 3 AND member.bucket < $6
        AND \(within) AND m.user_id = member.user_id
        AND m.cause <> 3 AND (m.expires_at IS NULL OR m.expires_at > statement_timestamp())
      RETURNING m.user_id
    ), released AS (
      DELETE FROM segmentd.memberships AS m
      USING member
      WHERE $8 AND NOT member.is_over AND member.cause = 3 AND member.bucket >= $6
        AND \(within) AND m.user_id = member.user_id
        AND m.cause = 3 AND (m.expires_at IS NULL OR m.expires_at > statement_timestamp())
      RETURNING m.user_id
    ), counted AS MATERIALIZED (
      SELECT (SELECT count(*) FROM enrolled) AS enrolled, (SELECT count(*) FROM returned) AS returned,
        (SELECT count(*) FROM adopted) AS adopted, (SELECT count(*) FROM released) AS released
    ), settled AS MATERIALIZED (
      SELECT c.*,
        segmentd.settle(
          (SELECT count(*) FROM over) + CASE WHEN $7 THEN
            (SELECT count(*) FROM wanted AS w WHERE NOT EXISTS (SELECT FROM member WHERE member.user_id = w.user_id))
          ELSE c.enrolled END,
          c.returned + c.enrolled) AS xid
      FROM counted AS c
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, e.user_id, $1, e.action, e.cause, e.expires_at, coalesce(e.expires_at, statement_timestamp()), $9,
        CASE e.cause WHEN 3 THEN $10 ELSE '' END, CASE e.cause WHEN 3 THEN $11 END
      FROM settled, (
        SELECT user_id, 0 AS step, 2 AS action, 4 AS cause, over_at AS expires_at FROM returned
        UNION ALL
        SELECT user_id, 1, 1, 3, NULL FROM returned
        UNION ALL
        SELECT user_id, 1, 1, 3, NULL FROM enrolled
        UNION ALL
        SELECT user_id, 1, 3, 3, NULL FROM adopted
        UNION ALL
        SELECT user_id, 1, 2, 3, NULL FROM released
      ) AS e
      ORDER BY e.user_id, e.step
      RETURNING era, sequence
    ), last AS MATERIALIZED (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    ), advanced AS (
      UPDATE segmentd.rollouts AS r
      SET cursor = coalesce(ending.last, r.cursor), users_done = r.users_done + ending.users,
        assigned = r.assigned + settled.enrolled + settled.returned, released = r.released + settled.released,
        updated_at = statement_timestamp(), state = CASE WHEN ending.users < $4 THEN 3 ELSE 2 END,
        ended_at = CASE WHEN ending.users < $4 THEN statement_timestamp() END
      FROM ending, settled
      WHERE r.id = $12
    )
    SELECT ending.users, settled.enrolled + settled.returned, settled.released, last.era, settled.xid, last.sequence
    FROM ending, settled, last
    """
  }
}
