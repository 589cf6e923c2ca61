-- Takes everything away that 0003 made. What retention has dropped does not come back.
DROP FUNCTION segmentd.drop_audit_partition_before(timestamptz);
DROP FUNCTION segmentd.audit_partitions_before(timestamptz);
ALTER TABLE segmentd.installation
  DROP COLUMN kept_since, DROP COLUMN dropped_sequence, DROP COLUMN dropped_xid, DROP COLUMN dropped_era;
DROP TABLE segmentd.audit_streams;
DROP TABLE segmentd.audit_consumers;
