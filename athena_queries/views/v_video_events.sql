-- purpose: Video page: annotated and predicted events in one stream.
-- grain: one row per event; source is 'annotation' (run_id null) or 'prediction'
-- partition filter: filter by lab_id (annotations) and run_id (predictions) when you query it
CREATE OR REPLACE VIEW v_video_events AS
SELECT
    'annotation' AS source, -- noqa: RF04
    CAST(NULL AS varchar) AS run_id,
    split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame,
    CAST(NULL AS double) AS confidence,
    issue
FROM annotations_enriched
UNION ALL
SELECT
    'prediction' AS source, -- noqa: RF04
    run_id,
    split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame,
    confidence,
    CAST(NULL AS varchar) AS issue
FROM predictions
