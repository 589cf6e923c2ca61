-- Where in the log late records of a period may lie: expiries that were swept after it, say. A few pages for millions of records, and
-- next to nothing for each that is written: a range of 128 pages keeps the first and the last of its instants.
CREATE INDEX audit_times ON segmentd.audit USING brin (effective_at) WITH (autosummarize = on);
