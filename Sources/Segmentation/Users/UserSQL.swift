import Postgres

/// The statements about users.
enum UserSQL {
  /// $1 user ids, each once; $2 segments to leave alone; $3 actor, $4 request id.
  ///
  /// The users that are not known become known, and members of the living segments whose outreach covers them. The
  /// segments are locked as for any assignment, so that none is deleted meanwhile. Who creates a segment with an
  /// outreach shuts the table of users first: this statement then waits before it looks, and sees the segment.
  private static let creation = """
    WITH created AS (
      INSERT INTO segmentd.users (user_id)
      SELECT u.user_id FROM unnest($1::bigint[]) AS u(user_id) ORDER BY u.user_id
      ON CONFLICT DO NOTHING
      RETURNING user_id, created_at
    ), reaching AS MATERIALIZED (
      SELECT id, slug, outreach_ppm FROM segmentd.segments
      WHERE deleted_at IS NULL AND outreach_ppm > 0 AND id <> ALL ($2::bigint[])
      ORDER BY id
      FOR KEY SHARE
    ), enrolled AS (
      INSERT INTO segmentd.memberships (user_id, segment_id, assigned_at, cause)
      SELECT c.user_id, r.id, statement_timestamp(), 3
      FROM created AS c JOIN reaching AS r ON segmentd.bucket(r.id, c.user_id) < r.outreach_ppm
      ORDER BY c.user_id, r.id
      ON CONFLICT DO NOTHING
      RETURNING user_id, segment_id
    ), settled AS MATERIALIZED (
      SELECT segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM enrolled) AS c
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, e.user_id, e.segment_id, 1, 3, statement_timestamp(), r.slug, $3, $4
      FROM settled, enrolled AS e JOIN reaching AS r ON r.id = e.segment_id
      ORDER BY e.user_id, e.segment_id
      RETURNING era, sequence
    ), ending AS (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    )
    """

  /// For one user: when it was created, the slugs it is enrolled in, the end of the audit records. No row when it was
  /// known.
  static let create = Statement(
    "user_create",
    """
    \(creation)
    SELECT created.created_at,
      ARRAY(SELECT r.slug::text FROM enrolled AS e JOIN reaching AS r ON r.id = e.segment_id ORDER BY r.slug),
      ending.era, settled.xid, ending.sequence
    FROM created, settled, ending
    """)

  /// For many: how many became known, the end of the audit records.
  static let createMany = Statement(
    "user_create_many",
    """
    \(creation)
    SELECT (SELECT count(*) FROM created), ending.era, settled.xid, ending.sequence FROM settled, ending
    """)

  /// $1 the user.
  static let get = Statement(
    "user_get",
    """
    SELECT created_at FROM segmentd.users WHERE user_id = $1
    """)

  /// $1 only users above this one, $2 how many at most.
  static let list = Statement(
    "user_list",
    """
    SELECT user_id, created_at, statement_timestamp()
    FROM segmentd.users WHERE user_id > $1 ORDER BY user_id LIMIT $2
    """)

  /// Of `create` and `createMany`.
  static func parameters(_ users: [UserID], sparing segments: [SegmentID] = [], by caller: Caller) -> [Parameter] {
    [
      .int64Array(users.map(\.number)), .int64Array(segments.map(\.number)), .text(caller.loggedActor),
      .optionalText(caller.requestID?.text),
    ]
  }
}
