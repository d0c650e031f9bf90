-- purpose: Which mouse of a pair starts it: each social action in both directions, as a hint at dominance.
-- grain: one row per (split, video, pair of mice, action) of one lab; asymmetry 1: only mouse_a, -1: only mouse_b
-- param: lab_id string
-- partition filter: lab_id
WITH pairs AS (
    SELECT
        split,
        video_id,
        action,
        least(agent_id, target_id) AS mouse_a,
        greatest(agent_id, target_id) AS mouse_b,
        coalesce(sum(events) FILTER (WHERE agent_id < target_id), 0) AS events_by_a,
        coalesce(sum(events) FILTER (WHERE agent_id > target_id), 0) AS events_by_b,
        coalesce(sum(seconds) FILTER (WHERE agent_id < target_id), 0e0) AS seconds_by_a,
        coalesce(sum(seconds) FILTER (WHERE agent_id > target_id), 0e0) AS seconds_by_b
    FROM behavior_summary
    WHERE lab_id = ? AND agent_id <> target_id
    GROUP BY split, video_id, least(agent_id, target_id), greatest(agent_id, target_id), action
)

SELECT
    split,
    video_id,
    mouse_a,
    mouse_b,
    action,
    events_by_a,
    events_by_b,
    round(seconds_by_a, 3) AS seconds_by_a,
    round(seconds_by_b, 3) AS seconds_by_b,
    round((seconds_by_a - seconds_by_b) / nullif(seconds_by_a + seconds_by_b, 0e0), 3) AS asymmetry
FROM pairs
ORDER BY split, video_id, mouse_a, mouse_b, action
