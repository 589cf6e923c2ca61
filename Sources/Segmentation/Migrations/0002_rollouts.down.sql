-- Finishes the deletions of segments, since nobody would know any more whose memberships are to be left out. A rollout that
-- is not finished stays where it is.
WITH removed AS (
  DELETE FROM segmentd.memberships AS m
  USING segmentd.deletions AS d
  WHERE m.segment_id = d.segment_id
  RETURNING m.user_id, m.segment_id, d.segment_slug, d.deleted_at, d.actor, d.request_id,
    CASE WHEN m.expires_at <= d.deleted_at THEN m.expires_at END AS expired_at
), settled AS MATERIALIZED (
  SELECT segmentd.settle(n, n) AS xid FROM (SELECT count(*) AS n FROM removed) AS c
)
INSERT INTO segmentd.audit
  (xid, user_id, segment_id, action, cause, expires_at, effective_at, segment_slug, actor, request_id)
SELECT settled.xid, r.user_id, r.segment_id, 2, CASE WHEN r.expired_at IS NULL THEN 5 ELSE 4 END, r.expired_at,
  coalesce(r.expired_at, r.deleted_at), r.segment_slug, CASE WHEN r.expired_at IS NULL THEN r.actor ELSE '' END,
  CASE WHEN r.expired_at IS NULL THEN r.request_id END
FROM settled, removed AS r;

DROP TABLE segmentd.outreach_gate;
DROP TABLE segmentd.deletions;
DROP TABLE segmentd.rollouts;
