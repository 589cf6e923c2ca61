-- Reports of the audit log: what was asked for, how far each has come, and the key that signs their links.

CREATE TABLE segmentd.reports (
  id           text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
  created_at   timestamptz NOT NULL DEFAULT statement_timestamp(),
  -- When the link ends, and with it the report.
  expires_at   timestamptz NOT NULL,
  -- The directory that it is written into: whoever serves that one makes it, and goes on after a restart.
  holder       text NOT NULL,
  -- What its link begins with.
  base_url     text NOT NULL,
  state        smallint NOT NULL DEFAULT 1,  -- 1 PENDING, 2 RUNNING, 3 READY, 4 FAILED
  format       smallint NOT NULL,            -- 1 CSV, 2 JSON lines
  is_packed    boolean NOT NULL,
  -- By effective time; NULL: from the beginning.
  from_time    timestamptz,
  until_time   timestamptz NOT NULL,
  -- NULL: all.
  users        bigint[],
  segments     bigint[],
  record_count bigint NOT NULL DEFAULT 0,
  size_bytes   bigint NOT NULL DEFAULT 0,
  digest       bytea NOT NULL DEFAULT '',
  error        text NOT NULL DEFAULT ''
);

CREATE INDEX reports_work ON segmentd.reports (holder, created_at) WHERE state IN (1, 2);
CREATE INDEX reports_expiry ON segmentd.reports (expires_at);

CREATE TABLE segmentd.report_key (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  -- 244 random bits.
  key      bytea NOT NULL DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);

INSERT INTO segmentd.report_key DEFAULT VALUES;
