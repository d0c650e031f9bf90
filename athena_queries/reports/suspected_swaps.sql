-- purpose: Videos in which mice seem to swap identities: several mice jump farther and faster than a mouse can.
-- grain: one row per (split, lab, video) with a jump; swap_suspected: two mice jump, each in half of its parts
-- partition filter: none, all labs are compared; track_summary has one row per track
WITH mice AS (
    SELECT
        split,
        lab_id,
        video_id,
        mouse_id,
        sum(jumps) AS jumps,
        count(*) AS parts,
        count(*) FILTER (WHERE jumps > 0) AS jumping_parts,
        max(tracked_sec) AS tracked_sec,
        max(max_speed) AS max_speed
    FROM track_summary
    GROUP BY split, lab_id, video_id, mouse_id
)

SELECT
    split,
    lab_id,
    video_id,
    sum(jumps) AS jumps,
    count(*) FILTER (WHERE jumps > 0) AS jumping_mice,
    round(6e1 * sum(jumps) / nullif(sum(tracked_sec), 0e0), 2) AS jumps_per_mouse_minute,
    round(cast(max(max_speed) AS double), 1) AS max_speed_cm_s,
    count(*) FILTER (WHERE 2 * jumping_parts >= parts) >= 2 AS swap_suspected
FROM mice
GROUP BY split, lab_id, video_id
HAVING sum(jumps) > 0
ORDER BY jumps DESC, split ASC, lab_id ASC, video_id ASC
