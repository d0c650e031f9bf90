-- purpose: Predicted and annotated events in one stream, to be drawn or compared side by side.
-- grain: one row per event; source is 'annotated' (run_id null) or 'predicted'
-- partition filter: filter by lab_id (annotations) and run_id (predictions) when you query it
CREATE OR REPLACE VIEW v_predicted_vs_annotated AS
SELECT
    'annotated' AS source, -- noqa: RF04
    CAST(NULL AS varchar) AS run_id,
    lab_id,
    video_id,
    agent_id,
    target_id,
    action,
    start_frame,
    stop_frame,
    start_sec,
    stop_sec,
    CAST(NULL AS double) AS confidence
FROM annotations_enriched
UNION ALL
SELECT
    'predicted' AS source, -- noqa: RF04
    run_id,
    lab_id,
    video_id,
    agent_id,
    target_id,
    action,
    start_frame,
    stop_frame,
    start_sec,
    stop_sec,
    confidence
FROM predictions
