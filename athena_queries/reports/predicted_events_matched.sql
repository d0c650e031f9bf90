-- purpose: A run against the annotations, event by event: found, and right, at an IoU of at least 0.5.
-- grain: one row per (lab, action), over the annotated videos that the run predicted; IoU = shared / united frames
-- param: run_id string
-- bind: run_id run_id
-- partition filter: run_id for predictions; the annotations of all labs
WITH videos AS (
    SELECT DISTINCT
        p.lab_id,
        p.video_id
    FROM predictions AS p
    INNER JOIN metadata_train AS m ON p.lab_id = m.lab_id AND p.video_id = m.video_id
    WHERE p.run_id = ? AND p.split = 'train' AND m.has_annotation
),

annotated AS (
    SELECT DISTINCT
        a.lab_id,
        a.video_id,
        a.agent_id,
        a.target_id,
        a.action,
        a.start_frame,
        a.stop_frame
    FROM annotations_enriched AS a
    INNER JOIN videos AS v ON a.lab_id = v.lab_id AND a.video_id = v.video_id
    WHERE a.split = 'train' AND a.stop_frame > a.start_frame
),

predicted AS (
    SELECT DISTINCT
        p.lab_id,
        p.video_id,
        p.agent_id,
        p.target_id,
        p.action,
        p.start_frame,
        p.stop_frame
    FROM predictions AS p
    INNER JOIN metadata_train AS m ON p.lab_id = m.lab_id AND p.video_id = m.video_id
    INNER JOIN labeled_behaviors AS l
        ON
            p.lab_id = l.lab_id
            AND p.video_id = l.video_id
            AND p.agent_id = l.agent_id
            AND p.target_id = l.target_id
            AND p.action = l.action
    WHERE
        p.run_id = ?
        AND p.split = 'train'
        AND l.split = 'train'
        AND m.has_annotation
        AND p.stop_frame > p.start_frame
),

sides AS (
    SELECT
        lab_id,
        video_id,
        agent_id,
        target_id,
        action,
        start_frame,
        stop_frame,
        'annotated' AS side
    FROM annotated
    UNION ALL
    SELECT
        lab_id,
        video_id,
        agent_id,
        target_id,
        action,
        start_frame,
        stop_frame,
        'predicted' AS side
    FROM predicted
),

-- Each event with the event of the other side that fits best: 0 if none overlaps.
best AS (
    SELECT
        a.lab_id,
        a.action,
        a.side,
        max(
            coalesce(
                1e0 * (least(a.stop_frame, b.stop_frame) - greatest(a.start_frame, b.start_frame))
                / (greatest(a.stop_frame, b.stop_frame) - least(a.start_frame, b.start_frame)),
                0e0
            )
        ) AS iou
    FROM sides AS a
    LEFT JOIN sides AS b
        ON
            a.lab_id = b.lab_id
            AND a.video_id = b.video_id
            AND a.agent_id = b.agent_id
            AND a.target_id = b.target_id
            AND a.action = b.action
            AND a.side <> b.side
            AND a.start_frame < b.stop_frame
            AND a.stop_frame > b.start_frame
    GROUP BY a.lab_id, a.video_id, a.agent_id, a.target_id, a.action, a.side, a.start_frame, a.stop_frame
)

SELECT
    lab_id,
    action,
    count(*) FILTER (WHERE side = 'annotated') AS annotated_events,
    count(*) FILTER (WHERE side = 'annotated' AND iou >= 0.5e0) AS found_events,
    round(avg(iou) FILTER (WHERE side = 'annotated'), 4) AS mean_iou_of_annotated,
    count(*) FILTER (WHERE side = 'predicted') AS predicted_events,
    count(*) FILTER (WHERE side = 'predicted' AND iou >= 0.5e0) AS right_events,
    round(avg(iou) FILTER (WHERE side = 'predicted'), 4) AS mean_iou_of_predicted
FROM best
GROUP BY lab_id, action
ORDER BY lab_id, action
