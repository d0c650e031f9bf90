-- purpose: Who does what to whom in a lab, by annotation and by every run's predictions.
-- grain: one row per (split, video, agent, target, action, source, run); only actions between two mice
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
    count(*) AS events,
    round(sum(counted_frames) / max(frames_per_second), 3) AS seconds
FROM v_behavior_events
WHERE lab_id = ? AND agent_id <> target_id
GROUP BY split, video_id, agent_id, target_id, action, source, run_id
ORDER BY split, video_id, agent_id, target_id, action, source, run_id
