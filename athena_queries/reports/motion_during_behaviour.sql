-- purpose: Mean speed of agent and target and mean distance between them while a behaviour goes on.
-- grain: one row per action of one lab; by one body part; an event annotated twice counts once
-- param: lab_id string
-- param: bodypart string
-- bind: lab_id bodypart lab_id
-- partition filter: split = 'train' and lab_id, on both partitioned tables; bodypart cuts to its row groups
WITH points AS (
    SELECT
        video_id,
        video_frame,
        mouse_id,
        cast(x_cm AS double) AS x_cm,
        cast(y_cm AS double) AS y_cm,
        cast(speed AS double) AS speed
    FROM tracking_curated
    WHERE split = 'train' AND lab_id = ? AND bodypart = ?
),

events AS (
    SELECT DISTINCT
        video_id,
        agent_id,
        target_id,
        action,
        start_frame,
        stop_frame
    FROM annotations_enriched
    WHERE split = 'train' AND lab_id = ?
),

-- Agent and target on one row by grouping, so that the tracks are read once.
frames AS (
    SELECT
        e.action,
        e.agent_id <> e.target_id AS is_pair,
        max(p.speed) FILTER (WHERE p.mouse_id = e.agent_id) AS agent_speed,
        max(p.speed) FILTER (WHERE p.mouse_id = e.target_id) AS target_speed,
        max(p.x_cm) - min(p.x_cm) AS dx,
        max(p.y_cm) - min(p.y_cm) AS dy,
        count(p.x_cm) AS points
    FROM events AS e
    INNER JOIN points AS p
        ON
            e.video_id = p.video_id
            AND (e.agent_id = p.mouse_id OR e.target_id = p.mouse_id)
            AND e.start_frame <= p.video_frame
            AND e.stop_frame > p.video_frame
    GROUP BY e.video_id, e.agent_id, e.target_id, e.action, e.start_frame, e.stop_frame, p.video_frame
)

SELECT
    action,
    count(*) AS frames,
    round(avg(agent_speed), 3) AS agent_speed_cm_s,
    round(avg(target_speed) FILTER (WHERE is_pair), 3) AS target_speed_cm_s,
    round(avg(sqrt(dx * dx + dy * dy)) FILTER (WHERE is_pair AND points = 2), 3) AS distance_cm
FROM frames
GROUP BY action
ORDER BY action
