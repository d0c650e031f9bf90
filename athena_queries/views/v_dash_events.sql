-- purpose: Dashboards, Behaviour: annotated events with readable mice.
-- grain: one row per annotated event
-- partition filter: filter by lab_id when you query it
CREATE OR REPLACE VIEW v_dash_events AS
SELECT
    split,
    lab_id,
    video_id,
    CAST(video_id AS varchar) || ' mouse' || CAST(agent_id AS varchar) AS mouse,
    'mouse' || CAST(agent_id AS varchar) AS agent,
    CASE WHEN is_self THEN 'self' ELSE 'mouse' || CAST(target_id AS varchar) END AS target,
    action,
    duration_sec,
    counted_sec,
    coalesce(agent_strain, 'unknown') AS agent_strain,
    coalesce(agent_sex, 'unknown') AS agent_sex,
    CASE WHEN is_self THEN 'self' ELSE coalesce(target_strain, 'unknown') END AS target_strain,
    CASE WHEN is_self THEN 'self' ELSE coalesce(target_sex, 'unknown') END AS target_sex
FROM annotations_enriched
WHERE duration_sec IS NOT NULL
