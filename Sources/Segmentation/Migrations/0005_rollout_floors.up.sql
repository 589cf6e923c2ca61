-- What an unfinished rollout leaves to the one that replaces it: whom it had reached, one way or another, is left to what was
-- decided then. One that was taken out since stays out.
CREATE TABLE segmentd.rollout_floors (
  segment_id bigint NOT NULL,
  -- Of a rollout that was replaced: it had looked at the users up to this one,
  cursor     bigint NOT NULL,
  -- and who was measured after this was measured against its outreach.
  created_at timestamptz NOT NULL,
  -- Of those, the ones below this bucket have been brought in before.
  floor_ppm  integer NOT NULL
);

CREATE INDEX rollout_floors_segment ON segmentd.rollout_floors (segment_id);
