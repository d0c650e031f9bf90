-- purpose: Whether an action shows in the agent's speed: inside its events and outside, where it was looked for.
-- grain: one row per action of one lab; by one body part; an event to two targets at once counts its frames once
-- param: lab_id string
-- param: bodypart string
-- bind: lab_id lab_id lab_id bodypart
-- partition filter: split = 'train' and lab_id, on both partitioned tables; bodypart cuts to its row groups
WITH watched AS (
    SELECT DISTINCT
        video_id,
        agent_id,
        action
    FROM labeled_behaviors
    WHERE split = 'train' AND lab_id = ?
),

started AS (
    SELECT
        video_id,
        agent_id,
        action,
        start_frame,
        stop_frame,
        max(stop_frame) OVER (
            PARTITION BY video_id, agent_id, action
            ORDER BY start_frame, stop_frame ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS stop_before
    FROM annotations_enriched
    WHERE split = 'train' AND lab_id = ?
),

-- Only the part of an event that no earlier one of the same kind has covered: no frame counts twice.
bouts AS (
    SELECT
        video_id,
        agent_id,
        action,
        stop_frame,
        greatest(start_frame, coalesce(stop_before, 0)) AS start_frame
    FROM started
    WHERE stop_frame > greatest(start_frame, coalesce(stop_before, 0))
),

frames AS (
    SELECT
        w.action,
        cast(p.speed AS double) AS speed,
        b.action IS NOT NULL AS is_inside
    FROM tracking_curated AS p
    INNER JOIN watched AS w ON p.video_id = w.video_id AND p.mouse_id = w.agent_id
    LEFT JOIN bouts AS b
        ON
            p.video_id = b.video_id
            AND p.mouse_id = b.agent_id
            AND w.action = b.action
            AND p.video_frame >= b.start_frame
            AND p.video_frame < b.stop_frame
    WHERE p.split = 'train' AND p.lab_id = ? AND p.bodypart = ? AND p.speed IS NOT NULL
)

SELECT
    action,
    count(*) FILTER (WHERE is_inside) AS frames_inside,
    count(*) FILTER (WHERE NOT is_inside) AS frames_outside,
    round(avg(speed) FILTER (WHERE is_inside), 3) AS speed_inside_cm_s,
    round(avg(speed) FILTER (WHERE NOT is_inside), 3) AS speed_outside_cm_s
FROM frames
GROUP BY action
ORDER BY action
