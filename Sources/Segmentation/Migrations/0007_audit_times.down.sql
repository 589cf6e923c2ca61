DROP INDEX segmentd.audit_times;
