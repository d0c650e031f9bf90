-- purpose: How much of what was annotated was predicted, and the other way round, in frames.
-- grain: one row per (run, lab, action), over the videos that the run predicted; the whole videos are compared
-- partition filter: none, all runs are compared
WITH predicted AS (
    SELECT run_id, lab_id, action, count(*) AS events, sum(stop_frame - start_frame) AS frames
    FROM predictions
    GROUP BY run_id, lab_id, action
),

videos AS (
    SELECT DISTINCT run_id, lab_id, video_id FROM predictions
),

annotated AS (
    SELECT v.run_id, a.lab_id, a.action, count(*) AS events, sum(a.duration_frames) AS frames
    FROM annotations_enriched AS a
    INNER JOIN videos AS v ON a.lab_id = v.lab_id AND a.video_id = v.video_id
    GROUP BY v.run_id, a.lab_id, a.action
),

shared AS (
    SELECT
        p.run_id,
        p.lab_id,
        p.action,
        sum(least(p.stop_frame, a.stop_frame) - greatest(p.start_frame, a.start_frame)) AS frames
    FROM predictions AS p
    INNER JOIN annotations_enriched AS a
        ON p.lab_id = a.lab_id
        AND p.video_id = a.video_id
        AND p.agent_id = a.agent_id
        AND p.target_id = a.target_id
        AND p.action = a.action
        AND p.start_frame < a.stop_frame
        AND a.start_frame < p.stop_frame
    GROUP BY p.run_id, p.lab_id, p.action
)

SELECT
    coalesce(predicted.run_id, annotated.run_id) AS run_id,
    coalesce(predicted.lab_id, annotated.lab_id) AS lab_id,
    coalesce(predicted.action, annotated.action) AS action,
    coalesce(predicted.events, 0) AS predicted_events,
    coalesce(annotated.events, 0) AS annotated_events,
    coalesce(predicted.frames, 0) AS predicted_frames,
    coalesce(annotated.frames, 0) AS annotated_frames,
    coalesce(shared.frames, 0) AS shared_frames
FROM predicted
FULL OUTER JOIN annotated
    ON predicted.run_id = annotated.run_id
    AND predicted.lab_id = annotated.lab_id
    AND predicted.action = annotated.action
LEFT JOIN shared
    ON predicted.run_id = shared.run_id
    AND predicted.lab_id = shared.lab_id
    AND predicted.action = shared.action
ORDER BY 1, 2, 3
