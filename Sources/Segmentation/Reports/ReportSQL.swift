import Postgres

/// The statements about reports.
enum ReportSQL {
  private static let columns = """
    id, created_at, expires_at, base_url, state, format, is_packed, from_time, until_time, users, segments,
    record_count, size_bytes, digest, error, destination
    """

  /// $1 id, $2 holder, $3 base URL, $4 format, $5 packed, $6 from, $7 until, $8 users, $9 segments, $10 life in microseconds,
  /// $11 how many the holder may have, $12 destination. No row when it has so many.
  static let create = Statement(
    "report_create",
    """
    INSERT INTO segmentd.reports
      (id, holder, base_url, format, is_packed, from_time, until_time, users, segments, expires_at, destination)
    SELECT $1::text, $2::text, $3::text, $4::integer, $5::boolean, $6::timestamptz,
      coalesce($7::timestamptz, statement_timestamp()), $8::bigint[], $9::bigint[],
      statement_timestamp() + $10::bigint * interval '1 microsecond', $12::integer
    WHERE (SELECT count(*) FROM segmentd.reports WHERE holder = $2::text) < $11::bigint
    RETURNING id
    """)

  static let get = Statement(
    "report_get",
    """
    SELECT \(columns) FROM segmentd.reports WHERE id = $1 AND expires_at > statement_timestamp()
    """)

  /// $1 holder.
  static let living = Statement(
    "report_living",
    """
    SELECT \(columns) FROM segmentd.reports WHERE holder = $1 AND expires_at > statement_timestamp()
    ORDER BY created_at, id
    """)

  /// $1 holder, $2 those that are on their way to a bucket. The oldest one that is not made, also when somebody had begun with it.
  static let take = Statement(
    "report_take",
    """
    UPDATE segmentd.reports SET state = 2, record_count = 0, size_bytes = 0
    WHERE id = (
      SELECT id FROM segmentd.reports
      WHERE holder = $1 AND state IN (1, 2) AND expires_at > statement_timestamp() AND id <> ALL ($2)
      ORDER BY created_at, id
      LIMIT 1
      FOR UPDATE SKIP LOCKED
    )
    RETURNING \(columns)
    """)

  /// $1 id, $2 state, $3 count, $4 size, $5 digest, $6 error.
  static let note = Statement(
    "report_note",
    """
    UPDATE segmentd.reports SET state = $2, record_count = $3, size_bytes = $4, digest = $5, error = $6 WHERE id = $1
    """)

  /// $1 holder. Those of other holders, and those in a bucket, a week later: somebody may have been away.
  static let forget = Statement(
    "report_forget",
    """
    DELETE FROM segmentd.reports
    WHERE expires_at <= statement_timestamp()
      AND (holder = $1 AND destination = 1 OR expires_at <= statement_timestamp() - interval '7 days')
    """)

  /// $1 holder, $2 the bucket's address, $3 how many.
  static let expiredInBucket = Statement(
    "report_expired_in_bucket",
    """
    SELECT \(columns) FROM segmentd.reports
    WHERE holder = $1 AND base_url = $2 AND destination = 2 AND expires_at <= statement_timestamp()
    ORDER BY expires_at, id
    LIMIT $3
    """)

  /// $1 id.
  static let remove = Statement(
    "report_remove",
    """
    DELETE FROM segmentd.reports WHERE id = $1
    """)

  static let key = Statement(
    "report_key",
    """
    SELECT key FROM segmentd.report_key
    """)
}
