import Postgres

/// The statements about changes of outreach, but for those that carry them out.
enum RolloutSQL {
  /// Of `Rollout.init`; `s` is the segment.
  static let columns = """
    r.id, s.id, s.slug, r.from_ppm, r.to_ppm, r.state, r.users_total, r.users_done, r.assigned, r.released, r.created_at,
    r.updated_at, r.ended_at
    """

  /// How many columns these are.
  static let columnCount = 13

  /// To be run last but for `create` before the commit: whoever makes users known from here on waits for it and sees the new
  /// outreach, and whoever did so before has committed.
  static let shutGate = Statement("rollout_shut_gate", "LOCK TABLE segmentd.outreach_gate IN SHARE MODE")

  /// $1 the segment, which is locked; $2 its new outreach. Ends the unfinished rollout, if any, and notes whom it had reached:
  /// see migration 0005. Waits for a chunk that is on its way. What it leaves to its successor: the floor, and whether it
  /// releases.
  static let supersede = Statement(
    "rollout_supersede",
    """
    WITH ended AS (
      UPDATE segmentd.rollouts
      SET state = 4, updated_at = statement_timestamp(), ended_at = statement_timestamp()
      WHERE segment_id = $1 AND state IN (1, 2)
      RETURNING cursor, created_at, to_ppm, floor_ppm, releases
    ), base AS MATERIALIZED (
      SELECT min(least(floor_ppm, $2)) AS ppm FROM ended
    ), forgotten AS (
      DELETE FROM segmentd.rollout_floors AS f
      USING base WHERE f.segment_id = $1 AND (base.ppm IS NULL OR least(f.floor_ppm, $2) <= base.ppm)
    ), lowered AS (
      UPDATE segmentd.rollout_floors AS f SET floor_ppm = least(f.floor_ppm, $2)
      FROM base WHERE f.segment_id = $1 AND least(f.floor_ppm, $2) > base.ppm
    ), noted AS (
      INSERT INTO segmentd.rollout_floors (segment_id, cursor, created_at, floor_ppm)
      SELECT $1, ended.cursor, ended.created_at, least(ended.to_ppm, $2)
      FROM ended, base WHERE least(ended.to_ppm, $2) > base.ppm
    )
    SELECT floor_ppm, releases FROM ended
    """)

  /// $1 the segment, $2 from, $3 to, $4 floor, $5 adopts, $6 releases, $7 actor, $8 request id.
  static let create = Statement(
    "rollout_create",
    """
    INSERT INTO segmentd.rollouts (segment_id, from_ppm, to_ppm, floor_ppm, adopts, releases, actor, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING id, created_at
    """)

  /// $1 the segment, living or not.
  static let latest = Statement(
    "rollout_latest",
    """
    SELECT \(columns)
    FROM segmentd.rollouts AS r JOIN segmentd.segments AS s ON s.id = r.segment_id
    WHERE r.segment_id = $1
    ORDER BY r.id DESC LIMIT 1
    """)

  // MARK: Working them off

  /// What the statement of a chunk is planned for: this chunk. A plan that was made while a table was empty would read all of it
  /// each time later on; and there is nothing that a compiler could speed up. Of a segment that was filled since the tables were
  /// analysed the planner thinks that it has no members, and would compare each member of a chunk with each.
  static let settings = Statement(
    "rollout_settings",
    """
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
      set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)
    """)

  /// Takes the one that has waited longest, and that nobody else works on, for the transaction. It waits for nobody: a segment
  /// that is being changed or deleted is left for later.
  static let take = Statement(
    "rollout_take",
    """
    SELECT r.id, r.segment_id, s.slug, r.cursor, r.last_user, r.floor_ppm, r.to_ppm, r.adopts, r.releases, r.actor,
      r.request_id, r.created_at
    FROM segmentd.rollouts AS r JOIN segmentd.segments AS s ON s.id = r.segment_id
    WHERE r.state IN (1, 2) AND s.deleted_at IS NULL
    ORDER BY r.updated_at, r.id
    LIMIT 1
    FOR NO KEY UPDATE OF r SKIP LOCKED
    FOR KEY SHARE OF s SKIP LOCKED
    """)

  /// $1 the rollout, which looks at users.
  static let beginWithUsers = Statement(
    "rollout_begin_with_users",
    """
    UPDATE segmentd.rollouts AS r
    SET state = 2, last_user = u.last, users_total = u.users, updated_at = statement_timestamp()
    FROM (SELECT count(*) AS users, coalesce(max(user_id), 0) AS last FROM segmentd.users) AS u
    WHERE r.id = $1
    """)

  /// $1 the rollout, which looks at members only.
  static let beginWithMembers = Statement(
    "rollout_begin_with_members",
    """
    UPDATE segmentd.rollouts AS r
    SET state = 2, last_user = u.last, users_total = u.users, updated_at = statement_timestamp()
    FROM (
      SELECT count(*) AS users, coalesce(max(m.user_id), 0) AS last
      FROM segmentd.memberships AS m
      WHERE m.segment_id = (SELECT segment_id FROM segmentd.rollouts WHERE id = $1)
    ) AS u
    WHERE r.id = $1
    """)

  /// $1 the rollout, which has nothing to look at.
  static let finish = Statement(
    "rollout_finish",
    """
    UPDATE segmentd.rollouts
    SET state = 3, updated_at = statement_timestamp(), ended_at = statement_timestamp()
    WHERE id = $1
    """)
}
