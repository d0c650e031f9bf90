-- purpose: Which body parts were lost by the tracking: points filled by curation, and points still absent.
-- grain: one row per (split, lab, body part)
-- partition filter: none, all labs are compared; coordinates are not read
WITH clock AS (
    SELECT split, lab_id, video_id, max(video_frame) - min(video_frame) + 1 AS frames
    FROM tracking_curated
    GROUP BY split, lab_id, video_id
),

points AS (
    SELECT
        split,
        lab_id,
        video_id,
        bodypart,
        count(DISTINCT mouse_id) AS mice,
        count(*) AS points,
        count(*) FILTER (WHERE is_imputed) AS imputed
    FROM tracking_curated
    GROUP BY split, lab_id, video_id, bodypart
)

SELECT
    points.split,
    points.lab_id,
    points.bodypart,
    sum(points.points) AS points,
    sum(points.imputed) AS imputed,
    sum(points.mice * clock.frames) - sum(points.points) AS absent,
    round(100.0 * sum(points.imputed) / sum(points.mice * clock.frames), 2) AS imputed_percent,
    round(
        100.0 * (sum(points.mice * clock.frames) - sum(points.points)) / sum(points.mice * clock.frames), 2
    ) AS absent_percent
FROM points
INNER JOIN clock
    ON points.split = clock.split AND points.lab_id = clock.lab_id AND points.video_id = clock.video_id
GROUP BY points.split, points.lab_id, points.bodypart
ORDER BY points.split, points.lab_id, points.bodypart
