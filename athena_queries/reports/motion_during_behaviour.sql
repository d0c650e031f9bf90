-- purpose: Mean speed of the agent and mean distance to the target while a behaviour goes on.
-- grain: one row per action of one lab; a mouse is the mean of its points; distance is null for self actions
-- param: lab_id string
-- bind: lab_id lab_id
-- partition filter: split = 'train' and lab_id, on both partitioned tables
WITH mice AS (
    SELECT
        video_id,
        video_frame,
        mouse_id,
        avg(x_cm) AS x_cm,
        avg(y_cm) AS y_cm,
        avg(speed) AS speed
    FROM tracking_curated
    WHERE split = 'train' AND lab_id = ?
    GROUP BY video_id, video_frame, mouse_id
),

events AS (
    SELECT video_id, agent_id, target_id, action, is_self, start_frame, stop_frame
    FROM annotations_enriched
    WHERE split = 'train' AND lab_id = ?
)

SELECT
    events.action,
    count(*) AS frames,
    round(avg(agent.speed), 3) AS agent_speed_cm_s,
    round(avg(target.speed) FILTER (WHERE NOT events.is_self), 3) AS target_speed_cm_s,
    round(
        avg(sqrt(power(agent.x_cm - target.x_cm, 2) + power(agent.y_cm - target.y_cm, 2)))
        FILTER (WHERE NOT events.is_self),
        3
    ) AS distance_cm
FROM events
INNER JOIN mice AS agent
    ON events.video_id = agent.video_id
    AND events.agent_id = agent.mouse_id
    AND agent.video_frame >= events.start_frame
    AND agent.video_frame < events.stop_frame
LEFT JOIN mice AS target
    ON events.video_id = target.video_id
    AND events.target_id = target.mouse_id
    AND agent.video_frame = target.video_frame
GROUP BY events.action
ORDER BY events.action
