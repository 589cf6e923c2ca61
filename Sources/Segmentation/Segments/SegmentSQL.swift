import Postgres

/// The statements about segments.
enum SegmentSQL {
  private static let columns = "s.id, s.slug, s.description, s.outreach_ppm, s.created_at, s.updated_at"

  private static let count = """
    (SELECT count(*) FROM segmentd.memberships AS m
     WHERE m.segment_id = s.id AND (m.expires_at IS NULL OR m.expires_at > statement_timestamp()))
    """

  /// Nobody becomes known until the transaction ends; readers are not held up.
  static let lockUsers = Statement("segment_lock_users", "LOCK TABLE segmentd.users IN SHARE MODE")

  /// $1 slug, $2 description, $3 outreach. No row when a living segment has the slug.
  static let create = Statement(
    "segment_create",
    """
    INSERT INTO segmentd.segments AS s (slug, description, outreach_ppm) VALUES ($1, $2, $3)
    ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING
    RETURNING \(columns)
    """)

  /// As `create`, and enrols the users that the outreach covers. $4 actor, $5 request id.
  /// Behind the segment's columns: users enrolled, and the end of their audit records.
  static let createEnrolling = Statement(
    "segment_create_enrolling",
    """
    WITH s AS (
      INSERT INTO segmentd.segments (slug, description, outreach_ppm) VALUES ($1, $2, $3)
      ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING
      RETURNING *
    ), enrolled AS (
      INSERT INTO segmentd.memberships (user_id, segment_id, assigned_at, cause)
      SELECT u.user_id, s.id, statement_timestamp(), 3
      FROM s CROSS JOIN segmentd.users AS u
      WHERE segmentd.bucket(s.id, u.user_id) < $3
      RETURNING user_id, segment_id
    ), settled AS MATERIALIZED (
      SELECT n, segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM enrolled) AS c
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, e.user_id, e.segment_id, 1, 3, statement_timestamp(), $1, $4, $5
      FROM settled, enrolled AS e
      RETURNING era, sequence
    ), ending AS (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    )
    SELECT \(columns), settled.n, ending.era, settled.xid, ending.sequence FROM s, settled, ending
    """)

  /// $1 slug or NULL, $2 id or NULL.
  static let get = Statement(
    "segment_get",
    """
    SELECT \(columns) FROM segmentd.segments AS s WHERE (s.slug = $1 OR s.id = $2) AND s.deleted_at IS NULL
    """)

  /// As `get`, with the number of members.
  static let getCounting = Statement(
    "segment_get_counting",
    """
    SELECT \(columns), \(count)
    FROM segmentd.segments AS s WHERE (s.slug = $1 OR s.id = $2) AND s.deleted_at IS NULL
    """)

  /// $1 the last slug of the page before, $2 and $3 the range of the prefix, $4 how many.
  static let list = Statement(
    "segment_list",
    """
    SELECT \(columns) FROM segmentd.segments AS s
    WHERE s.deleted_at IS NULL AND s.slug > $1 AND s.slug >= $2 AND s.slug < $3
    ORDER BY s.slug LIMIT $4
    """)

  /// As `list`, with the number of members of each.
  static let listCounting = Statement(
    "segment_list_counting",
    """
    SELECT \(columns), \(count) FROM segmentd.segments AS s
    WHERE s.deleted_at IS NULL AND s.slug > $1 AND s.slug >= $2 AND s.slug < $3
    ORDER BY s.slug LIMIT $4
    """)

  /// $1 the id, $2 only users above this one, $3 how many at most.
  static let members = Statement(
    "segment_members",
    """
    SELECT user_id, assigned_at, expires_at, cause, statement_timestamp()
    FROM segmentd.memberships
    WHERE segment_id = $1 AND user_id > $2 AND (expires_at IS NULL OR expires_at > statement_timestamp())
    ORDER BY user_id LIMIT $3
    """)

  /// As `get`, and holds the segment against everybody who would assign it.
  static let lock = Statement(
    "segment_lock",
    """
    SELECT \(columns) FROM segmentd.segments AS s
    WHERE (s.slug = $1 OR s.id = $2) AND s.deleted_at IS NULL
    FOR UPDATE
    """)

  /// $1 the id of a segment that is locked, $2 actor, $3 request id. Memberships that had expired unswept end as such.
  /// Answers the end of the audit records.
  static let delete = Statement(
    "segment_delete",
    """
    WITH deleted AS (
      UPDATE segmentd.segments SET deleted_at = statement_timestamp()
      WHERE id = $1 AND deleted_at IS NULL
      RETURNING slug
    ), removed AS (
      DELETE FROM segmentd.memberships WHERE segment_id = $1
      RETURNING user_id, segment_id,
        CASE WHEN expires_at <= statement_timestamp() THEN expires_at END AS expired_at
    ), settled AS MATERIALIZED (
      SELECT segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM removed) AS c
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, r.user_id, r.segment_id, 2, CASE WHEN r.expired_at IS NULL THEN 5 ELSE 4 END,
        r.expired_at, coalesce(r.expired_at, statement_timestamp()), deleted.slug,
        CASE WHEN r.expired_at IS NULL THEN $2 ELSE '' END, CASE WHEN r.expired_at IS NULL THEN $3 END
      FROM settled, deleted, removed AS r
      RETURNING era, sequence
    ), ending AS (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    )
    SELECT ending.era, settled.xid, ending.sequence FROM settled, ending
    """)
}
