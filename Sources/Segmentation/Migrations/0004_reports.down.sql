-- Takes the reports away; their files are left to whoever served them.
DROP TABLE segmentd.report_key;
DROP TABLE segmentd.reports;
