-- purpose: Whether an action shows in the distance of the mice: inside its events and outside, where looked for.
-- grain: one row per social action of one lab; by one body part; frames in which both mice have it
-- param: lab_id string
-- param: bodypart string
-- bind: lab_id lab_id lab_id bodypart
-- partition filter: split = 'train' and lab_id, on both partitioned tables; bodypart cuts to its row groups
WITH watched AS (
    SELECT
        video_id,
        agent_id,
        target_id,
        action,
        least(agent_id, target_id) AS mouse_a,
        greatest(agent_id, target_id) AS mouse_b
    FROM labeled_behaviors
    WHERE split = 'train' AND lab_id = ? AND agent_id <> target_id
),

started AS (
    SELECT
        video_id,
        agent_id,
        target_id,
        action,
        start_frame,
        stop_frame,
        max(stop_frame) OVER (
            PARTITION BY video_id, agent_id, target_id, action
            ORDER BY start_frame, stop_frame ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS stop_before
    FROM annotations_enriched
    WHERE split = 'train' AND lab_id = ?
),

bouts AS (
    SELECT
        video_id,
        agent_id,
        target_id,
        action,
        stop_frame,
        greatest(start_frame, coalesce(stop_before, 0)) AS start_frame
    FROM started
    WHERE stop_frame > greatest(start_frame, coalesce(stop_before, 0))
),

couples AS (
    SELECT DISTINCT
        video_id,
        mouse_a,
        mouse_b
    FROM watched
),

-- The two points of a couple by grouping, so that the tracks are read once.
pairs AS (
    SELECT
        p.video_id,
        p.video_frame,
        c.mouse_a,
        c.mouse_b,
        cast(max(p.x_cm) AS double) - min(p.x_cm) AS dx,
        cast(max(p.y_cm) AS double) - min(p.y_cm) AS dy
    FROM tracking_curated AS p
    INNER JOIN couples AS c
        ON p.video_id = c.video_id AND (p.mouse_id = c.mouse_a OR p.mouse_id = c.mouse_b)
    WHERE p.split = 'train' AND p.lab_id = ? AND p.bodypart = ?
    GROUP BY p.video_id, p.video_frame, c.mouse_a, c.mouse_b
    HAVING count(p.x_cm) = 2
),

frames AS (
    SELECT
        w.action,
        sqrt(p.dx * p.dx + p.dy * p.dy) AS distance_cm,
        b.action IS NOT NULL AS is_inside
    FROM pairs AS p
    INNER JOIN watched AS w ON p.video_id = w.video_id AND p.mouse_a = w.mouse_a AND p.mouse_b = w.mouse_b
    LEFT JOIN bouts AS b
        ON
            w.video_id = b.video_id
            AND w.agent_id = b.agent_id
            AND w.target_id = b.target_id
            AND w.action = b.action
            AND p.video_frame >= b.start_frame
            AND p.video_frame < b.stop_frame
)

SELECT
    action,
    count(*) FILTER (WHERE is_inside) AS frames_inside,
    count(*) FILTER (WHERE NOT is_inside) AS frames_outside,
    round(avg(distance_cm) FILTER (WHERE is_inside), 3) AS distance_inside_cm,
    round(avg(distance_cm) FILTER (WHERE NOT is_inside), 3) AS distance_outside_cm
FROM frames
GROUP BY action
ORDER BY action
