-- purpose: Dashboards, Behaviour: annotated events with readable mice.
-- grain: one row per annotated event
-- partition filter: filter by lab_id when you query it
-- Events that end past the video (issue interval-overlong) have no duration and no counted time: no chart shows them.
-- overlong is 1 for them, so that they are counted beside the charts.
CREATE OR REPLACE VIEW v_dash_events AS
SELECT
    split,
    lab_id,
    video_id,
    CAST(video_id AS varchar) || ' mouse' || CAST(agent_id AS varchar) AS mouse,
    'mouse' || CAST(agent_id AS varchar) AS agent,
    CASE WHEN is_self THEN 'self' ELSE 'mouse' || CAST(target_id AS varchar) END AS target,
    action,
    CASE WHEN issue = 'interval-overlong' THEN CAST(NULL AS double) ELSE duration_sec END AS duration_sec,
    CASE WHEN issue = 'interval-overlong' THEN CAST(NULL AS double) ELSE counted_sec END AS counted_sec,
    CASE WHEN issue = 'interval-overlong' THEN 1 ELSE 0 END AS overlong,
    coalesce(agent_strain, 'unknown') AS agent_strain,
    coalesce(agent_sex, 'unknown') AS agent_sex,
    CASE WHEN is_self THEN 'self' ELSE coalesce(target_strain, 'unknown') END AS target_strain,
    CASE WHEN is_self THEN 'self' ELSE coalesce(target_sex, 'unknown') END AS target_sex
FROM annotations_enriched
WHERE duration_sec IS NOT NULL
