-- purpose: Dashboards, Behaviour: annotated seconds in each minute of the videos.
-- grain: one row per (split, lab, action, minute of the video, from 0); an event is cut at the minutes
-- partition filter: filter by lab_id when you query it
CREATE OR REPLACE VIEW v_dash_minutes AS
WITH events AS (
    SELECT
        split, lab_id, video_id, action, start_sec, stop_sec,
        CAST(floor(start_sec / 60) AS bigint) AS first_minute,
        CAST(floor(stop_sec / 60) AS bigint) AS last_minute
    FROM annotations_enriched
    WHERE stop_sec > start_sec
)

SELECT
    e.split,
    e.lab_id,
    e.action,
    t.video_minute,
    count(DISTINCT e.video_id) AS videos,
    sum(least(e.stop_sec, 60e0 * (t.video_minute + 1)) - greatest(e.start_sec, 60e0 * t.video_minute)) AS seconds
FROM events AS e
CROSS JOIN UNNEST(sequence(e.first_minute, e.last_minute)) AS t (video_minute)
GROUP BY e.split, e.lab_id, e.action, t.video_minute
