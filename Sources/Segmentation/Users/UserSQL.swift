import Postgres

/// The statements about users.
enum UserSQL {
  /// $1 user ids, each once; $2 segments to leave alone; $3 actor, $4 request id.
  /// - Parameter listed: Users and slugs, each pair once, that an import lists: who comes into such a segment by outreach comes in by
  ///   the import instead.
  ///
  /// The users that are not known become known, and members of the living segments whose outreach covers them. The
  /// segments are locked as for any assignment, so that none is deleted meanwhile. The gate is locked before the statement
  /// looks: whoever changes an outreach shuts it, and then this sees the change.
  private static func creation(listed: String) -> String {
    """
    WITH gate AS (
      DELETE FROM segmentd.outreach_gate WHERE false
    ), listed AS MATERIALIZED (
      \(listed)
    ), created AS (
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
      INSERT INTO segmentd.memberships (user_id, segment_id, expires_at, assigned_at, cause)
      SELECT c.user_id, r.id, l.expires_at, statement_timestamp(), CASE WHEN l.user_id IS NULL THEN 3 ELSE 2 END
      FROM created AS c JOIN reaching AS r ON segmentd.bucket(r.id, c.user_id) < r.outreach_ppm
        LEFT JOIN listed AS l ON l.user_id = c.user_id AND l.slug = r.slug
      ORDER BY c.user_id, r.id
      ON CONFLICT DO NOTHING
      RETURNING user_id, segment_id, expires_at, cause
    ), settled AS MATERIALIZED (
      SELECT segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM enrolled) AS c
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, e.user_id, e.segment_id, 1, e.cause, e.expires_at, statement_timestamp(), r.slug, $3, $4
      FROM settled, enrolled AS e JOIN reaching AS r ON r.id = e.segment_id
      ORDER BY e.user_id, e.segment_id
      RETURNING era, sequence
    ), ending AS (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    )
    """
  }

  /// For one user: when it was created, the slugs it is enrolled in, the end of the audit records. No row when it was
  /// known.
  static let create = Statement(
    "user_create",
    """
    \(creation(listed: "SELECT NULL::bigint AS user_id, NULL AS slug, NULL::timestamptz AS expires_at WHERE false"))
    SELECT created.created_at,
      ARRAY(SELECT r.slug::text FROM enrolled AS e JOIN reaching AS r ON r.id = e.segment_id ORDER BY r.slug),
      ending.era, settled.xid, ending.sequence
    FROM created, settled, ending
    """)

  /// For an import, whose rows follow by arrays, an element a row: $5 user, $6 slug, $7 expiry; no membership twice. How many became
  /// known, the end of the audit records, the time, and the position (from 1) of a row that has been done with that; at least one
  /// row, with position NULL when there are none.
  static let createMany = Statement(
    "user_create_many", planning: .anew,
    """
    \(creation(listed: listed))
    SELECT (SELECT count(*) FROM created), ending.era, settled.xid, ending.sequence, statement_timestamp(), done.position
    FROM settled CROSS JOIN ending LEFT JOIN (
      SELECT l.position
      FROM enrolled AS e JOIN reaching AS r ON r.id = e.segment_id
        JOIN listed AS l ON l.user_id = e.user_id AND l.slug = r.slug
    ) AS done ON true
    """)

  private static let listed = """
    SELECT * FROM unnest($5::bigint[], $6::text[], $7::timestamptz[]) WITH ORDINALITY
        AS l(user_id, slug, expires_at, position)
      WHERE expires_at IS NULL OR expires_at > statement_timestamp()
    """

  /// $1 the user.
  static let get = Statement(
    "user_get",
    """
    SELECT created_at FROM segmentd.users WHERE user_id = $1
    """)

  /// The advisory locks of users have this for their first number.
  private static let lockSpace = 1_936_024_932

  /// Nobody deletes the users of these locks until the transaction ends: $1 `UserID.lock` of each, each once, sorted. To be
  /// run before the statement that looks at the users.
  static let hold = Statement(
    "user_hold", planning: .once,
    """
    SELECT count(pg_advisory_xact_lock_shared(\(lockSpace), l)) FROM unnest($1::integer[]) AS l
    """)

  /// Waits for whoever holds the user: $1 its lock.
  static let release = Statement(
    "user_release",
    """
    SELECT count(pg_advisory_xact_lock(\(lockSpace), $1))
    """)

  /// $1 the user, which nobody holds; $2 actor, $3 request id. Memberships that had expired unswept end as such; those of a
  /// segment that has been deleted end with that segment.
  /// When it was created, the slugs it was deprived of, the end of the audit records. No row when it was not known.
  static let delete = Statement(
    "user_delete",
    """
    WITH deleted AS (
      DELETE FROM segmentd.users WHERE user_id = $1 RETURNING created_at
    ), ended AS MATERIALIZED (
      DELETE FROM segmentd.memberships AS m
      USING segmentd.segments AS s
      WHERE m.user_id = $1 AND s.id = m.segment_id AND s.deleted_at IS NULL
      RETURNING m.user_id, m.segment_id, s.slug,
        CASE WHEN m.expires_at <= statement_timestamp() THEN m.expires_at END AS expired_at
    ), settled AS MATERIALIZED (
      SELECT segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM ended) AS c
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, e.user_id, e.segment_id, 2, CASE WHEN e.expired_at IS NULL THEN 6 ELSE 4 END,
        e.expired_at, coalesce(e.expired_at, statement_timestamp()), e.slug,
        CASE WHEN e.expired_at IS NULL THEN $2 ELSE '' END, CASE WHEN e.expired_at IS NULL THEN $3 END
      FROM settled, ended AS e
      ORDER BY e.segment_id
      RETURNING era, sequence
    ), ending AS (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    )
    SELECT deleted.created_at, ARRAY(SELECT e.slug::text FROM ended AS e WHERE e.expired_at IS NULL ORDER BY e.slug),
      ending.era, settled.xid, ending.sequence
    FROM deleted, settled, ending
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

extension UserID {
  /// Which of the 256 advisory locks is the user's. Few, so that an import of any size holds few; the database keeps them in a
  /// table of fixed size.
  var lock: Int32 { Int32(truncatingIfNeeded: number & 255) }

  /// All of them.
  static let locks = (0..<256).map { Int32($0) }
}
