-- purpose: Dashboards, Model: how often predicted events are right, by their confidence.
-- grain: one row per (run, lab, action, tenth of confidence); annotated videos and actions that were looked for
-- partition filter: filter by run_id when you query it
-- The confidence of an event is its mean probability; probabilities below the threshold are not in the lake, so
-- this is the reliability of events, not of every frame. Whole videos are compared.
CREATE OR REPLACE VIEW v_dash_calibration AS
WITH predicted AS (
    SELECT
        p.run_id, p.lab_id, p.video_id, p.agent_id, p.target_id, p.action, p.start_frame, p.stop_frame,
        p.confidence,
        least(9, CAST(floor(10 * p.confidence) AS integer)) AS tenth
    FROM predictions AS p
    INNER JOIN labeled_behaviors AS l
        ON p.split = l.split
        AND p.lab_id = l.lab_id
        AND p.video_id = l.video_id
        AND p.agent_id = l.agent_id
        AND p.target_id = l.target_id
        AND p.action = l.action
    INNER JOIN metadata_train AS m ON p.lab_id = m.lab_id AND p.video_id = m.video_id
    WHERE p.split = 'train' AND m.has_annotation AND p.confidence IS NOT NULL AND p.stop_frame > p.start_frame
),

judged AS (
    SELECT
        p.run_id, p.lab_id, p.action, p.tenth, p.video_id, p.agent_id, p.target_id, p.start_frame,
        max(p.confidence) AS confidence,
        max(p.stop_frame - p.start_frame) AS frames,
        coalesce(
            sum(least(p.stop_frame, a.stop_frame) - greatest(p.start_frame, a.start_frame)), 0
        ) AS shared_frames
    FROM predicted AS p
    LEFT JOIN annotations_enriched AS a
        ON p.lab_id = a.lab_id
        AND p.video_id = a.video_id
        AND p.agent_id = a.agent_id
        AND p.target_id = a.target_id
        AND p.action = a.action
        AND p.start_frame < a.stop_frame
        AND a.start_frame < p.stop_frame
    GROUP BY p.run_id, p.lab_id, p.action, p.tenth, p.video_id, p.agent_id, p.target_id, p.start_frame
)

SELECT
    run_id,
    lab_id,
    action,
    '0.' || CAST(tenth AS varchar) || '–' || CASE WHEN tenth = 9 THEN '1.0' ELSE '0.' || CAST(tenth + 1 AS varchar) END
        AS confidence_tenth,
    count(*) AS events,
    CAST(sum(frames) AS bigint) AS frames,
    CAST(sum(shared_frames) AS bigint) AS shared_frames,
    sum(frames * confidence) AS confidence_frames
FROM judged
GROUP BY run_id, lab_id, action, tenth
