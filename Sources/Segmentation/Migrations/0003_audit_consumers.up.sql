-- Named consumers of the audit log, and how far the log reaches back.

CREATE TABLE segmentd.audit_consumers (
  name       text COLLATE "C" PRIMARY KEY CHECK (char_length(name) BETWEEN 1 AND 128),
  -- Everything up to this record has been acknowledged; NULL when nothing has.
  era        integer,
  xid        xid8,
  sequence   bigint,
  -- When it last acknowledged or read.
  updated_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- The streams that are open under a consumer's name. A server renews its own now and then: those of one that died grow old.
CREATE TABLE segmentd.audit_streams (
  stream_id uuid PRIMARY KEY,
  consumer  text COLLATE "C" NOT NULL,
  seen_at   timestamptz NOT NULL DEFAULT statement_timestamp()
);

CREATE INDEX audit_streams_consumer ON segmentd.audit_streams (consumer);

-- What retention has dropped: all records up to a position, and all that were recorded before an instant; NULL for nothing.
ALTER TABLE segmentd.installation
  ADD COLUMN dropped_era      integer,
  ADD COLUMN dropped_xid      xid8,
  ADD COLUMN dropped_sequence bigint,
  ADD COLUMN kept_since       timestamptz;

-- The audit log's partitions that end before an instant, oldest first, with the last position in each (NULL in an empty one).
CREATE FUNCTION segmentd.audit_partitions_before(
  instant timestamptz, OUT partition text, OUT ends_at timestamptz, OUT era integer, OUT xid xid8, OUT sequence bigint
) RETURNS SETOF record
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  FOR partition, ends_at IN
    SELECT c.relname, (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC'
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'segmentd.audit'::regclass AND c.relname ~ '^audit_\d{4}_\d{2}$'
    ORDER BY 1
  LOOP
    EXIT WHEN ends_at > instant;
    era := NULL;
    xid := NULL;
    sequence := NULL;
    EXECUTE format(
      'SELECT era, xid, sequence FROM segmentd.%I ORDER BY era DESC, xid DESC, sequence DESC LIMIT 1', partition)
    INTO era, xid, sequence;
    RETURN NEXT;
  END LOOP;
END
$$;

-- Drops the oldest partition that ends before an instant, and notes how far the log reaches back from then on. Answers its name;
-- NULL when there is none. Readers and writers wait for the end of the transaction: set a lock_timeout.
CREATE FUNCTION segmentd.drop_audit_partition_before(instant timestamptz) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  oldest record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('segmentd.ensure_audit_partitions', 0));
  LOCK TABLE ONLY segmentd.audit IN ACCESS EXCLUSIVE MODE;
  SELECT * INTO oldest FROM segmentd.audit_partitions_before(instant) LIMIT 1;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE segmentd.installation AS i
  SET kept_since = greatest(i.kept_since, oldest.ends_at);
  UPDATE segmentd.installation AS i
  SET dropped_era = oldest.era, dropped_xid = oldest.xid, dropped_sequence = oldest.sequence
  WHERE oldest.era IS NOT NULL
    AND (i.dropped_era IS NULL
      OR (oldest.era, oldest.xid, oldest.sequence) > (i.dropped_era, i.dropped_xid, i.dropped_sequence));
  EXECUTE format('DROP TABLE segmentd.%I', oldest.partition);
  RETURN oldest.partition;
END
$$;
