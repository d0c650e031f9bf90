-- purpose: What a mouse does next: how often one action is followed by another, and after how long.
-- grain: one row per (action, next action of the same agent in the same video) of one lab
-- note: an action that begins before the last one ended has no pause
-- param: lab_id string
-- partition filter: lab_id
WITH followed AS (
    SELECT
        action,
        lead(action) OVER (
            PARTITION BY split, video_id, agent_id ORDER BY start_frame, stop_frame, target_id, action
        ) AS next_action,
        lead(start_frame) OVER (
            PARTITION BY split, video_id, agent_id ORDER BY start_frame, stop_frame, target_id, action
        ) AS next_start_frame,
        stop_frame,
        frames_per_second
    FROM annotations_enriched
    WHERE lab_id = ? AND stop_frame > start_frame
)

SELECT
    action,
    next_action,
    count(*) AS transitions,
    round(1e2 * count(*) / sum(count(*)) OVER (PARTITION BY action), 2) AS percent_of_action,
    round(avg(CASE WHEN next_start_frame >= stop_frame THEN (next_start_frame - stop_frame) / frames_per_second END), 3)
        AS mean_pause_sec
FROM followed
WHERE next_action IS NOT NULL
GROUP BY action, next_action
ORDER BY action, next_action
