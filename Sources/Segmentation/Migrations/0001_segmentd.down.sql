-- Takes everything away that 0001 made, with all data.
DROP FUNCTION segmentd.begin_era_if_restored();
DROP FUNCTION segmentd.ensure_audit_partitions(integer);
DROP FUNCTION segmentd.settle(bigint, bigint);
DROP FUNCTION segmentd.bucket(bigint, bigint);
DROP TABLE segmentd.requests;
DROP TABLE segmentd.audit;
DROP TABLE segmentd.memberships;
DROP TABLE segmentd.segments;
DROP TABLE segmentd.users;
DROP TABLE segmentd.installation;
