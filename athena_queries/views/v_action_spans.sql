-- purpose: Actions that were looked for, with the spans and the number of frames where these are a part of the video.
-- grain: one row per (split, video, agent, target, action) that was looked for
-- partition filter: none needed, no partitioned table is read
-- labelled_frames: frames of the spans in which somebody looked; null where the whole video was looked at
CREATE OR REPLACE VIEW v_action_spans AS
SELECT
    split, lab_id, video_id, agent_id, target_id, action,
    CAST(json_parse(spans) AS array(array(bigint))) AS spans,
    reduce(CAST(json_parse(spans) AS array(array(bigint))), 0, (s, x) -> s + x[2] - x[1], s -> s) AS labelled_frames
FROM labeled_behaviors
