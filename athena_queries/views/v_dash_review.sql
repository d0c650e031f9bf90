-- purpose: Dashboards, Model: events worth a review, the most telling first.
-- grain: one row per event of which less than half has a counterpart; the 100 first of each (run, lab, kind)
-- partition filter: filter by run_id when you query it
-- kind: 'false alarm' was predicted and not annotated (weight: confidence x seconds); 'missed' was annotated and not
-- predicted (weight: seconds). Only videos that the run predicted; whole videos are compared.
CREATE OR REPLACE VIEW v_dash_review AS
WITH predicted AS (
    SELECT
        p.run_id, p.lab_id, p.video_id, p.agent_id, p.target_id, p.action, p.start_frame, p.stop_frame,
        p.start_sec, p.stop_sec, p.confidence
    FROM predictions AS p
    INNER JOIN metadata_train AS m ON p.lab_id = m.lab_id AND p.video_id = m.video_id
    WHERE p.split = 'train' AND m.has_annotation
),

videos AS (
    SELECT DISTINCT run_id, lab_id, video_id FROM predicted
),

annotated AS (
    SELECT
        v.run_id, a.lab_id, a.video_id, a.agent_id, a.target_id, a.action, a.start_frame, a.stop_frame,
        a.start_sec, a.stop_sec, CAST(NULL AS double) AS confidence
    FROM annotations_enriched AS a
    INNER JOIN videos AS v ON a.lab_id = v.lab_id AND a.video_id = v.video_id
),

both_ways AS (
    SELECT 'false alarm' AS kind, predicted.* FROM predicted
    UNION ALL
    SELECT 'missed' AS kind, annotated.* FROM annotated
),

counterparts AS (
    SELECT 'missed' AS kind, run_id, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame
    FROM predicted
    UNION ALL
    SELECT 'false alarm' AS kind, run_id, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame
    FROM annotated
),

judged AS (
    SELECT
        e.kind, e.run_id, e.lab_id, e.video_id, e.agent_id, e.target_id, e.action, e.start_frame, e.stop_frame,
        max(e.start_sec) AS start_sec,
        max(e.stop_sec) AS stop_sec,
        max(e.confidence) AS confidence,
        coalesce(
            1e0 * sum(least(e.stop_frame, c.stop_frame) - greatest(e.start_frame, c.start_frame)), 0e0
        ) / (e.stop_frame - e.start_frame) AS agreement
    FROM both_ways AS e
    LEFT JOIN counterparts AS c
        ON e.kind = c.kind
        AND e.run_id = c.run_id
        AND e.lab_id = c.lab_id
        AND e.video_id = c.video_id
        AND e.agent_id = c.agent_id
        AND e.target_id = c.target_id
        AND e.action = c.action
        AND e.start_frame < c.stop_frame
        AND c.start_frame < e.stop_frame
    WHERE e.stop_frame > e.start_frame
    GROUP BY
        e.kind, e.run_id, e.lab_id, e.video_id, e.agent_id, e.target_id, e.action, e.start_frame, e.stop_frame
),

ranked AS (
    SELECT
        kind, run_id, lab_id, video_id, agent_id, target_id, action, start_sec, stop_sec, confidence, agreement,
        coalesce(confidence, 1e0) * (1 - agreement) * (stop_sec - start_sec) AS weight,
        row_number() OVER (
            PARTITION BY run_id, lab_id, kind
            ORDER BY coalesce(confidence, 1e0) * (1 - agreement) * (stop_sec - start_sec) DESC, video_id, start_frame
        ) AS place
    FROM judged
    WHERE agreement < 5e-1
)

SELECT
    run_id,
    lab_id,
    kind,
    CAST(video_id AS varchar) AS video,
    'mouse' || CAST(agent_id AS varchar) AS agent,
    CASE WHEN agent_id = target_id THEN 'self' ELSE 'mouse' || CAST(target_id AS varchar) END AS target,
    action,
    start_sec,
    stop_sec,
    stop_sec - start_sec AS seconds,
    confidence,
    1e2 * agreement AS agreement_percent,
    weight
FROM ranked
WHERE place <= 100
