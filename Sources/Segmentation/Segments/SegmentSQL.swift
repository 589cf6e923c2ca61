import Postgres

/// The statements about segments.
enum SegmentSQL {
  static let columns = "s.id, s.slug, s.description, s.outreach_ppm, s.created_at, s.updated_at"

  private static let count = """
    (SELECT count(*) FROM segmentd.memberships AS m
     WHERE m.segment_id = s.id AND (m.expires_at IS NULL OR m.expires_at > statement_timestamp()))
    """

  private static let unfinished = "LEFT JOIN segmentd.rollouts AS r ON r.segment_id = s.id AND r.state IN (1, 2)"

  /// $1 slug, $2 description, $3 outreach. No row when a living segment has the slug.
  static let create = Statement(
    "segment_create",
    """
    INSERT INTO segmentd.segments AS s (slug, description, outreach_ppm) VALUES ($1, $2, $3)
    ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING
    RETURNING \(columns)
    """)

  /// $1 slug or NULL, $2 id or NULL.
  static let get = Statement(
    "segment_get",
    """
    SELECT \(columns) FROM segmentd.segments AS s WHERE (s.slug = $1 OR s.id = $2) AND s.deleted_at IS NULL
    """)

  /// As `get`, with the number of members and the unfinished rollout.
  static let getFull = Statement(
    "segment_get_full",
    """
    SELECT \(columns), \(count), \(RolloutSQL.columns)
    FROM segmentd.segments AS s \(unfinished)
    WHERE (s.slug = $1 OR s.id = $2) AND s.deleted_at IS NULL
    """)

  /// $1 the last slug of the page before, $2 and $3 the range of the prefix, $4 how many.
  static let list = Statement(
    "segment_list",
    """
    SELECT \(columns) FROM segmentd.segments AS s
    WHERE s.deleted_at IS NULL AND s.slug > $1 AND s.slug >= $2 AND s.slug < $3
    ORDER BY s.slug LIMIT $4
    """)

  /// As `list`, with the number of members and the unfinished rollout of each.
  static let listFull = Statement(
    "segment_list_full",
    """
    SELECT \(columns), \(count), \(RolloutSQL.columns)
    FROM segmentd.segments AS s \(unfinished)
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
      AND (SELECT deleted_at IS NULL FROM segmentd.segments WHERE id = $1)
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

  /// As `get`, and holds the segment against everybody who would change or delete it; assigning goes on.
  static let lockForChange = Statement(
    "segment_lock_for_change",
    """
    SELECT \(columns) FROM segmentd.segments AS s
    WHERE (s.slug = $1 OR s.id = $2) AND s.deleted_at IS NULL
    FOR NO KEY UPDATE
    """)

  /// $1 the id of a segment that is locked, $2 description, $3 outreach; NULL for what stays. It is never updated twice at one
  /// instant, so that its etag changes.
  static let update = Statement(
    "segment_update",
    """
    UPDATE segmentd.segments AS s
    SET description = coalesce($2, s.description), outreach_ppm = coalesce($3, s.outreach_ppm),
      updated_at = greatest(statement_timestamp(), s.updated_at + interval '1 microsecond')
    WHERE s.id = $1
    RETURNING \(columns)
    """)
}
