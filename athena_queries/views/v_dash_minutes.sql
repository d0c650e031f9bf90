-- purpose: Dashboards, Behaviour: annotated seconds in each minute of the videos.
-- grain: one row per (split, lab, action, minute of the video, from 0); an event is cut at the minutes
-- partition filter: filter by lab_id when you query it
-- Events that end past the video (issue interval-overlong) are left out, as in v_dash_events.
CREATE OR REPLACE VIEW v_dash_minutes AS
WITH events AS (
    SELECT
        split, lab_id, video_id, action,
        counted_start_frame / frames_per_second AS start_sec,
        counted_stop_frame / frames_per_second AS stop_sec,
        CAST(floor(counted_start_frame / frames_per_second / 60) AS bigint) AS first_minute,
        CAST(floor(counted_stop_frame / frames_per_second / 60) AS bigint) AS last_minute
    FROM annotations_enriched
    WHERE counted_stop_frame > counted_start_frame AND coalesce(issue, '') <> 'interval-overlong'
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
