import Postgres

/// The statements of `AuditConsumers`.
enum AuditConsumerSQL {
  /// $1 the consumer, $2 the stream. Columns: what it has acknowledged. Streams of servers that died are cleared away.
  static let open = Statement(
    "consumer_open",
    """
    WITH known AS (
      INSERT INTO segmentd.audit_consumers AS c (name) VALUES ($1)
      ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at
      RETURNING c.era, c.xid, c.sequence
    ), stale AS (
      DELETE FROM segmentd.audit_streams WHERE seen_at < statement_timestamp() - interval '1 hour'
    ), opened AS (
      INSERT INTO segmentd.audit_streams (stream_id, consumer) VALUES ($2::text::uuid, $1)
    )
    SELECT era, xid::text::bigint, sequence FROM known
    """)

  /// $1 the consumer, $2 the stream.
  static let renew = Statement(
    "consumer_renew",
    """
    WITH renewed AS (
      UPDATE segmentd.audit_streams SET seen_at = statement_timestamp() WHERE stream_id = $2::text::uuid
    )
    UPDATE segmentd.audit_consumers SET updated_at = statement_timestamp() WHERE name = $1
    """)

  static let close = Statement(
    "consumer_close",
    """
    DELETE FROM segmentd.audit_streams WHERE stream_id = $1::text::uuid
    """)

  /// $1 the consumer, $2 to $4 the position.
  static let acknowledge = Statement(
    "consumer_acknowledge",
    """
    INSERT INTO segmentd.audit_consumers AS c (name, era, xid, sequence) VALUES ($1, $2, $3::bigint::text::xid8, $4)
    ON CONFLICT (name) DO UPDATE SET
      updated_at = excluded.updated_at, era = excluded.era, xid = excluded.xid, sequence = excluded.sequence
    WHERE c.era IS NULL OR (excluded.era, excluded.xid, excluded.sequence) > (c.era, c.xid, c.sequence)
    """)

  static let delete = Statement(
    "consumer_delete",
    """
    DELETE FROM segmentd.audit_consumers WHERE name = $1 RETURNING name
    """)

  /// $1 one consumer, or NULL and $2 the name that the page comes after; $3 how many; $4 how many records of a lag are counted.
  /// Columns: name, era, xid, sequence, updated, records, microseconds, streams.
  static let list = Statement(
    "consumer_list",
    """
    SELECT c.name, c.era, c.xid::text::bigint, c.sequence, c.updated_at,
      CASE WHEN lag.records > $4
        THEN greatest(lag.records, (SELECT last_value FROM segmentd.audit_sequence) - first.sequence + 1)
        ELSE lag.records END,
      coalesce(greatest(0, extract(epoch FROM clock_timestamp() - first.recorded_at) * 1000000), 0)::bigint,
      (SELECT count(*)::integer FROM segmentd.audit_streams AS s
        WHERE s.consumer = c.name AND s.seen_at > statement_timestamp() - interval '30 seconds')
    FROM (
      SELECT name, era, xid, sequence, updated_at,
        coalesce(era, 0) AS from_era, coalesce(xid, '0'::xid8) AS from_xid, coalesce(sequence, 0) AS from_sequence
      FROM segmentd.audit_consumers
      WHERE CASE WHEN $1::text IS NULL THEN name > $2::text ELSE name = $1 END
      ORDER BY name LIMIT $3
    ) AS c
    LEFT JOIN LATERAL (
      SELECT a.sequence, a.recorded_at FROM segmentd.audit AS a
      WHERE (a.era, a.xid, a.sequence) > (c.from_era, c.from_xid, c.from_sequence)
      ORDER BY a.era, a.xid, a.sequence LIMIT 1
    ) AS first ON true
    CROSS JOIN LATERAL (
      SELECT count(*) AS records FROM (
        SELECT 1 FROM segmentd.audit AS a
        WHERE (a.era, a.xid, a.sequence) > (c.from_era, c.from_xid, c.from_sequence)
        LIMIT $4 + 1
      ) AS behind
    ) AS lag
    ORDER BY c.name
    """)
}
