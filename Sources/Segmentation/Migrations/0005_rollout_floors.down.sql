DROP TABLE segmentd.rollout_floors;
