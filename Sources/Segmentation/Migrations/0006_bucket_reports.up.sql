-- Reports may go to a bucket. Their base_url is the bucket's address then.
ALTER TABLE segmentd.reports ADD COLUMN destination smallint NOT NULL DEFAULT 1;  -- 1 the holder's directory, 2 a bucket
