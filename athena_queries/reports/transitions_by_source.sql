-- purpose: What a mouse of a lab does next, by annotation and by every run's predictions.
-- grain: one row per (source, run, action, next action of the same agent in the same video)
-- param: lab_id string
-- partition filter: lab_id
WITH followed AS (
    SELECT
        source,
        run_id,
        action,
        lead(action) OVER (
            PARTITION BY source, run_id, split, video_id, agent_id
            ORDER BY start_frame, stop_frame, target_id, action
        ) AS next_action
    FROM v_behavior_events
    WHERE lab_id = ?
)

SELECT
    source,
    run_id,
    action,
    next_action,
    count(*) AS transitions,
    round(1e2 * count(*) / sum(count(*)) OVER (PARTITION BY source, run_id, action), 2) AS percent_of_action
FROM followed
WHERE next_action IS NOT NULL
GROUP BY source, run_id, action, next_action
ORDER BY source, run_id, action, next_action
