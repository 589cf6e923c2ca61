-- Reports in a bucket are forgotten; their objects are left there.
DELETE FROM segmentd.reports WHERE destination <> 1;
ALTER TABLE segmentd.reports DROP COLUMN destination;
