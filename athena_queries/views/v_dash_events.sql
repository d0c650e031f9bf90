-- purpose: Dashboards, Behaviour: annotated events with readable videos and animals: their own names and species.
-- grain: one row per annotated event
-- partition filter: filter by lab_id when you query it
-- Events that end past the video (issue interval-overlong) have no duration and no counted time: no chart shows them.
-- overlong is 1 for them, so that they are counted beside the charts.
CREATE OR REPLACE VIEW v_dash_events AS
WITH videos AS (
    SELECT
        'train' AS split, lab_id, video_id,
        coalesce(video_name, CAST(video_id AS varchar)) AS video,
        coalesce(regexp_replace(species, '\s+', '_'), 'mouse') AS animal
    FROM metadata_train
    UNION ALL
    SELECT
        'test' AS split, lab_id, video_id,
        coalesce(video_name, CAST(video_id AS varchar)) AS video,
        coalesce(regexp_replace(species, '\s+', '_'), 'mouse') AS animal
    FROM metadata_test
)

SELECT
    e.split,
    e.lab_id,
    e.video_id,
    coalesce(v.video, CAST(e.video_id AS varchar)) || ' ' || coalesce(v.animal, 'mouse')
    || CAST(e.agent_id AS varchar) AS mouse,
    coalesce(v.animal, 'mouse') || CAST(e.agent_id AS varchar) AS agent,
    CASE WHEN e.is_self THEN 'self' ELSE coalesce(v.animal, 'mouse') || CAST(e.target_id AS varchar) END AS target,
    e.action,
    CASE WHEN e.issue = 'interval-overlong' THEN CAST(NULL AS double) ELSE e.duration_sec END AS duration_sec,
    CASE WHEN e.issue = 'interval-overlong' THEN CAST(NULL AS double) ELSE e.counted_sec END AS counted_sec,
    CASE WHEN e.issue = 'interval-overlong' THEN 1 ELSE 0 END AS overlong,
    coalesce(e.agent_strain, 'unknown') AS agent_strain,
    coalesce(e.agent_sex, 'unknown') AS agent_sex,
    CASE WHEN e.is_self THEN 'self' ELSE coalesce(e.target_strain, 'unknown') END AS target_strain,
    CASE WHEN e.is_self THEN 'self' ELSE coalesce(e.target_sex, 'unknown') END AS target_sex
FROM annotations_enriched AS e
LEFT JOIN videos AS v ON e.split = v.split AND e.lab_id = v.lab_id AND e.video_id = v.video_id
WHERE e.duration_sec IS NOT NULL
