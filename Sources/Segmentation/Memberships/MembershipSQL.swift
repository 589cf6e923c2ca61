import Postgres

/// The statements that change memberships, and the one that tells them.
enum MembershipSQL {
  /// Makes changes that were decided upon a look, or none of them when one does not find what was seen then.
  ///
  /// By arrays, an element a change: $1 user, $2 segment, $3 kind, $4 the expiry that was found, $5 the new expiry, $6
  /// slug, $7 cause, $8 actor, $9 request id. By arrays, an element a request to remember: $10 request id, $11
  /// fingerprint, $12 answer, $13 whether it changed anything. $14 the segments, each once, $15 the users to put
  /// into segments, each once; `UserSQL.hold` must go before it in the same transaction. No membership twice.
  ///
  /// Kind 8 is there because of outreach, and ends for a new one. Kinds 5 to 7 change nothing: the state that they name is verified and held until the transaction ends, a row by writing it
  /// as it is, the absence of one by a row in its place, which `clear` takes away again.
  static let write = Statement(
    "membership_write", planning: .once,
    """
    WITH item AS MATERIALIZED (
      SELECT i.*
      FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) WITH ORDINALITY
        AS i(user_id, segment_id, kind, found, expires_at, slug, cause, actor, request_id, position)
    ), living AS MATERIALIZED (
      SELECT id FROM segmentd.segments WHERE id = ANY ($14) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE
    ), held AS MATERIALIZED (
      -- Read by whatever changes rows, so that the segments are held first.
      SELECT count(*) AS n FROM living
    ), added AS (
      INSERT INTO segmentd.memberships (user_id, segment_id, expires_at, assigned_at, cause)
      SELECT item.user_id, item.segment_id, item.expires_at, statement_timestamp(), item.cause
      FROM held, item
      WHERE item.kind IN (1, 7) AND (item.expires_at IS NULL OR item.expires_at > statement_timestamp())
      ORDER BY item.user_id, item.segment_id
      ON CONFLICT DO NOTHING
      RETURNING 1
    ), changed AS (
      UPDATE segmentd.memberships AS m
      SET expires_at = item.expires_at,
        assigned_at = CASE WHEN item.kind IN (2, 8) THEN statement_timestamp() ELSE m.assigned_at END,
        cause = CASE WHEN item.kind IN (2, 8) THEN item.cause ELSE m.cause END
      FROM held, item
      WHERE item.kind IN (2, 3, 5, 6, 8) AND m.user_id = item.user_id AND m.segment_id = item.segment_id
        AND m.expires_at IS NOT DISTINCT FROM item.found
        AND (item.kind IN (2, 6)) = coalesce(m.expires_at <= statement_timestamp(), false)
        AND (item.kind <> 8 OR m.cause = 3)
        AND (item.kind = 6 OR item.expires_at IS NULL OR item.expires_at > statement_timestamp())
      RETURNING 1
    ), removed AS (
      DELETE FROM segmentd.memberships AS m
      USING held, item
      WHERE item.kind = 4 AND m.user_id = item.user_id AND m.segment_id = item.segment_id
        AND m.expires_at IS NOT DISTINCT FROM item.found
        AND (m.expires_at IS NULL OR m.expires_at > statement_timestamp())
      RETURNING 1
    ), settled AS MATERIALIZED (
      SELECT segmentd.settle(
        cardinality($1) + cardinality($14) + cardinality($15),
        (SELECT count(*) FROM added) + (SELECT count(*) FROM changed) + (SELECT count(*) FROM removed)
          + (SELECT n FROM held)
          + (SELECT count(*) FROM segmentd.users WHERE user_id = ANY ($15))) AS xid
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, e.user_id, e.segment_id, e.action, e.cause, e.expires_at, e.effective_at, e.slug, e.actor,
        e.request_id
      FROM settled, (
        -- What had expired and was not swept ends first, at the instant that was promised.
        SELECT position, 0 AS step, user_id, segment_id, 2 AS action, 4 AS cause, found AS expires_at,
          found AS effective_at, slug, '' AS actor, NULL AS request_id
        FROM item WHERE kind = 2
        UNION ALL
        SELECT position, 0, user_id, segment_id, 2, cause, NULL, statement_timestamp(), slug, actor, request_id
        FROM item WHERE kind = 8
        UNION ALL
        SELECT position, 1, user_id, segment_id, CASE kind WHEN 4 THEN 2 WHEN 3 THEN 3 ELSE 1 END, cause, expires_at,
          statement_timestamp(), slug, actor, request_id
        FROM item WHERE kind <= 4 OR kind = 8
      ) AS e
      ORDER BY e.position, e.step
      RETURNING era, sequence
    ), ending AS MATERIALIZED (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    ), answered AS (
      INSERT INTO segmentd.requests (request_id, fingerprint, answer, audit_era, audit_xid, audit_sequence)
      SELECT r.request_id, r.fingerprint, r.answer, ending.era, CASE WHEN r.has_changed THEN settled.xid END,
        CASE WHEN r.has_changed THEN ending.sequence END
      FROM settled, ending, unnest($10, $11, $12, $13) AS r(request_id, fingerprint, answer, has_changed)
    )
    SELECT ending.era, settled.xid, ending.sequence FROM settled, ending
    """)

  /// Behind `write` in its transaction: takes away the rows that stood for absent ones, and fails when one of the slugs
  /// has a living segment by now. Whoever has seen that segment and changed one of the memberships since waits for us, or
  /// came first and is found out by `write`. By arrays: $1 user, $2 segment of what is absent; $3 the slugs.
  static let clear = Statement(
    "membership_clear", planning: .once,
    """
    WITH cleared AS (
      DELETE FROM segmentd.memberships AS m
      USING unnest($1, $2) AS i(user_id, segment_id)
      WHERE m.user_id = i.user_id AND m.segment_id = i.segment_id
      RETURNING 1
    )
    SELECT segmentd.settle(
      cardinality($1),
      (SELECT count(*) FROM cleared)
        + (SELECT count(*) FROM segmentd.segments WHERE slug = ANY ($3) AND deleted_at IS NULL))
    """)

  /// Assigns what is not there yet, and answers the positions (from 1) of what is there, whose expiry has passed or whose user
  /// is not known; nothing when a segment is gone.
  ///
  /// By arrays: $1 user, $2 segment, $3 expiry, $4 slug; $5 actor, $6 request id; $7 the segments, each once, $8 the users,
  /// each once; `UserSQL.hold` must go before it in the same transaction. Columns: position, era, xid, sequence, how many
  /// were added; at least one row, with position NULL when all were added.
  static let insertNew = Statement(
    "membership_insert_new",
    """
    WITH item AS MATERIALIZED (
      SELECT i.* FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS i(user_id, segment_id, expires_at, slug, position)
    ), living AS MATERIALIZED (
      SELECT id FROM segmentd.segments WHERE id = ANY ($7) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE
    ), held AS MATERIALIZED (
      SELECT count(*) AS n FROM living
    ), known AS MATERIALIZED (
      SELECT user_id FROM segmentd.users WHERE user_id = ANY ($8)
    ), added AS (
      INSERT INTO segmentd.memberships (user_id, segment_id, expires_at, assigned_at, cause)
      SELECT item.user_id, item.segment_id, item.expires_at, statement_timestamp(), 2
      FROM held, item JOIN known ON known.user_id = item.user_id
      WHERE item.expires_at IS NULL OR item.expires_at > statement_timestamp()
      ORDER BY item.user_id, item.segment_id
      ON CONFLICT DO NOTHING
      RETURNING user_id, segment_id
    ), settled AS MATERIALIZED (
      SELECT c.n, segmentd.settle(cardinality($7) + c.n, held.n + c.n) AS xid
      FROM held, (SELECT count(*) AS n FROM added) AS c
    ), matched AS MATERIALIZED (
      SELECT item.*, added.user_id IS NOT NULL AS is_new
      FROM item LEFT JOIN added ON added.user_id = item.user_id AND added.segment_id = item.segment_id
    ), logged AS (
      INSERT INTO segmentd.audit
        (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
      SELECT settled.xid, e.user_id, e.segment_id, 1, 2, e.expires_at, statement_timestamp(), e.slug, $5, $6
      FROM settled, matched AS e
      WHERE e.is_new
      ORDER BY e.position
      RETURNING era, sequence
    ), ending AS (
      SELECT max(era) AS era, max(sequence) AS sequence FROM logged
    )
    SELECT left_over.position, ending.era, settled.xid, ending.sequence, settled.n
    FROM settled CROSS JOIN ending
      LEFT JOIN (SELECT position FROM matched WHERE NOT is_new) AS left_over ON true
    ORDER BY left_over.position
    """)

  /// $1 the user.
  static let segmentsOfOne = Statement(
    "membership_segments_of_one", planning: .once,
    """
    SELECT user_id, segment_id FROM segmentd.memberships
    WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > statement_timestamp())
      AND segment_id <> ALL (\(DeletionSQL.gone))
    """)

  /// $1 users.
  static let segmentsOfMany = Statement(
    "membership_segments_of_many", planning: .once,
    """
    SELECT user_id, segment_id FROM segmentd.memberships
    WHERE user_id = ANY ($1) AND (expires_at IS NULL OR expires_at > statement_timestamp())
      AND segment_id <> ALL (\(DeletionSQL.gone))
    """)

  /// As `segmentsOfMany`, with all that a membership holds.
  static let membershipsOfMany = Statement(
    "membership_full_of_many", planning: .once,
    """
    SELECT user_id, segment_id, assigned_at, expires_at, cause FROM segmentd.memberships
    WHERE user_id = ANY ($1) AND (expires_at IS NULL OR expires_at > statement_timestamp())
      AND segment_id <> ALL (\(DeletionSQL.gone))
    """)

  /// $1 the user, $2 the segment. A row without a user when the segment lives, a row with the user when it is in.
  static let checkOne = Statement(
    "membership_check_one", planning: .once,
    """
    SELECT NULL::bigint AS user_id, id AS segment_id, NULL::timestamptz AS expires_at
    FROM segmentd.segments WHERE id = $2 AND deleted_at IS NULL
    UNION ALL
    SELECT user_id, segment_id, expires_at FROM segmentd.memberships
    WHERE user_id = $1 AND segment_id = $2 AND (expires_at IS NULL OR expires_at > statement_timestamp())
    """)

  /// As `checkOne`. By arrays, an element a question: $1 users, $2 segments; $3 the segments, each once.
  static let checkMany = Statement(
    "membership_check_many", planning: .once,
    """
    SELECT NULL::bigint AS user_id, id AS segment_id, NULL::timestamptz AS expires_at
    FROM segmentd.segments WHERE id = ANY ($3) AND deleted_at IS NULL
    UNION ALL
    SELECT m.user_id, m.segment_id, m.expires_at
    FROM unnest($1, $2) AS q(user_id, segment_id)
      JOIN segmentd.memberships AS m ON m.user_id = q.user_id AND m.segment_id = q.segment_id
    WHERE m.expires_at IS NULL OR m.expires_at > statement_timestamp()
    """)
}
