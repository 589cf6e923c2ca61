import Postgres

/// The statements that deprive the members of segments that have been deleted.
enum DeletionSQL {
  /// The memberships of these segments count for nothing: see `begin`.
  static let gone = "ARRAY(SELECT segment_id FROM segmentd.deletions)"

  /// $1 the segment, which is locked; $2 actor, $3 request id. From its commit on nobody sees the segment or a membership in it,
  /// though their rows stay for a while.
  static let begin = Statement(
    "deletion_begin",
    """
    WITH deleted AS (
      UPDATE segmentd.segments SET deleted_at = statement_timestamp()
      WHERE id = $1
      RETURNING id, deleted_at, slug
    )
    INSERT INTO segmentd.deletions (segment_id, deleted_at, segment_slug, actor, request_id)
    SELECT id, deleted_at, slug, $2, $3 FROM deleted
    """)

  /// Takes the one that has waited longest, and that nobody else works on, for the transaction.
  static let take = Statement(
    "deletion_take",
    """
    SELECT segment_id, cursor, deleted_at, segment_slug, actor, request_id FROM segmentd.deletions
    ORDER BY updated_at, segment_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
    """)

  /// $1 the segment, $2 only users above this one, $3 how many at most, $4 when it was deleted, $5 slug, $6 actor, $7 request id.
  ///
  /// They are out since the segment was deleted, or since they expired if that was before. Columns: how many, and the end of the
  /// audit records.
  static let chunk = Statement(
    "deletion_chunk",
    """
    WITH page AS MATERIALIZED (
      SELECT user_id FROM segmentd.memberships
      WHERE segment_id = $1 AND user_id > $2
      ORDER BY user_id LIMIT $3
    ), ending AS MATERIALIZED (
      SELECT count(*) AS users, max(user_id) AS last FROM page
    ), removed AS (
      DELETE FROM segmentd.memberships AS m
      WHERE m.segment_id = $1 AND m.user_id > $2 AND m.user_id <= (SELECT last FROM ending)
      RETURNING m.user_id, CASE WHEN m.expires_at <= $4 THEN m.expires_at END AS expired_at
    ), settled AS MATERIALIZED (
      SELECT segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM removed) AS c
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, r.user_id, $1, 2, CASE WHEN r.expired_at IS NULL THEN 5 ELSE 4 END, r.expired_at,
        coalesce(r.expired_at, $4), $5, CASE WHEN r.expired_at IS NULL THEN $6 ELSE '' END,
        CASE WHEN r.expired_at IS NULL THEN $7 END
      FROM settled, removed AS r
      ORDER BY r.user_id
      RETURNING era, sequence
    ), last AS MATERIALIZED (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    ), advanced AS (
      UPDATE segmentd.deletions SET cursor = ending.last, updated_at = statement_timestamp()
      FROM ending WHERE segment_id = $1 AND ending.users = $3
    ), finished AS (
      DELETE FROM segmentd.deletions USING ending WHERE segment_id = $1 AND ending.users < $3
    )
    SELECT ending.users, last.era, settled.xid, last.sequence FROM ending, settled, last
    """)
}
