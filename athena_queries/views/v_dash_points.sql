-- purpose: Dashboards, Lake: points measured, filled by curation, and missing from the tracking.
-- grain: one row per (split, lab, body part, state); state is measured, filled or missing
-- partition filter: none, all labs are compared; the tracks themselves are not read
-- A point is expected on every frame from the first to the last one on which anything of the video was measured.
CREATE OR REPLACE VIEW v_dash_points AS
WITH clock AS (
    SELECT split, lab_id, video_id, max(last_frame) - min(first_frame) + 1 AS frames
    FROM track_summary
    GROUP BY split, lab_id, video_id
),

counts AS (
    SELECT
        t.split,
        t.lab_id,
        t.bodypart,
        sum(c.frames) AS expected,
        sum(t.points_measured + t.points_imputed) AS points,
        sum(t.points_imputed) AS filled
    FROM track_summary AS t
    INNER JOIN clock AS c ON t.split = c.split AND t.lab_id = c.lab_id AND t.video_id = c.video_id
    GROUP BY t.split, t.lab_id, t.bodypart
)

SELECT
    split, lab_id, bodypart, 'measured' AS state,
    CAST(points - filled AS bigint) AS points,
    CAST(0 AS bigint) AS not_measured,
    CAST(expected AS bigint) AS expected
FROM counts
UNION ALL
SELECT
    split, lab_id, bodypart, 'filled' AS state,
    CAST(filled AS bigint) AS points,
    CAST(filled AS bigint) AS not_measured,
    CAST(0 AS bigint) AS expected
FROM counts
UNION ALL
SELECT
    split, lab_id, bodypart, 'missing' AS state,
    CAST(expected - points AS bigint) AS points,
    CAST(expected - points AS bigint) AS not_measured,
    CAST(0 AS bigint) AS expected
FROM counts
