-- purpose: How each mouse of a lab spends its time by annotation and by every run's predictions, side by side.
-- grain: one row per (split, video, acting mouse, action, source, run); an action to two targets counts for each
-- percent_of_time: of the frames that were looked at (annotated), of those that the run predicted (predicted)
-- overlong: annotated events that end past the video; events, seconds and per cent are without them
-- param: lab_id string
-- partition filter: lab_id
SELECT
    split,
    video_id,
    agent_id,
    action,
    source,
    run_id,
    count_if(overlong = 0) AS events,
    round(sum(counted_frames) / max(frames_per_second), 3) AS seconds,
    round(1e2 * sum(counted_frames) / nullif(max(watched_frames), 0e0), 2) AS percent_of_time,
    sum(overlong) AS overlong
FROM v_behavior_events
WHERE lab_id = ?
GROUP BY split, video_id, agent_id, action, source, run_id
ORDER BY split, video_id, agent_id, action, source, run_id
