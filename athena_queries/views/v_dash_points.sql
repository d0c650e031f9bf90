-- purpose: Dashboards, Lake: points measured, filled by curation, and missing from the tracking.
-- grain: one row per (split, lab, body part, state); state is measured, filled or missing
-- partition filter: none, all labs are compared; coordinates are not read
CREATE OR REPLACE VIEW v_dash_points AS
WITH clock AS (
    SELECT split, lab_id, video_id, max(video_frame) - min(video_frame) + 1 AS frames
    FROM tracking_curated
    GROUP BY split, lab_id, video_id
),

parts AS (
    SELECT
        split,
        lab_id,
        video_id,
        bodypart,
        count(DISTINCT mouse_id) AS mice,
        count(*) AS points,
        count(*) FILTER (WHERE is_imputed) AS filled
    FROM tracking_curated
    GROUP BY split, lab_id, video_id, bodypart
),

counts AS (
    SELECT
        p.split,
        p.lab_id,
        p.bodypart,
        sum(p.mice * c.frames) AS expected,
        sum(p.points) AS points,
        sum(p.filled) AS filled
    FROM parts AS p
    INNER JOIN clock AS c ON p.split = c.split AND p.lab_id = c.lab_id AND p.video_id = c.video_id
    GROUP BY p.split, p.lab_id, p.bodypart
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
