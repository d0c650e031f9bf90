-- purpose: Who does what to whom in a lab, by annotation and by every run's predictions.
-- grain: one row per (split, video, agent, target, action, source, run); only actions between two mice
-- overlong: annotated events that end past the video; events and seconds are without them
-- param: lab_id string
-- partition filter: lab_id
SELECT
    split,
    video_id,
    agent_id,
    target_id,
    action,
    source,
    run_id,
    count_if(overlong = 0) AS events,
    round(sum(counted_frames) / max(frames_per_second), 3) AS seconds,
    sum(overlong) AS overlong
FROM v_behavior_events
WHERE lab_id = ? AND agent_id <> target_id
GROUP BY split, video_id, agent_id, target_id, action, source, run_id
ORDER BY split, video_id, agent_id, target_id, action, source, run_id
