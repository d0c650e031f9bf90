-- purpose: Which body parts were lost by the tracking: points filled by curation, and points still absent.
-- grain: one row per (split, lab, body part)
-- partition filter: none, all labs are compared; coordinates are not read
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
        count(*) FILTER (WHERE is_imputed) AS imputed
    FROM tracking_curated
    GROUP BY split, lab_id, video_id, bodypart
)

SELECT
    parts.split,
    parts.lab_id,
    parts.bodypart,
    sum(parts.points) AS points,
    sum(parts.imputed) AS imputed,
    sum(parts.mice * clock.frames) - sum(parts.points) AS absent,
    round(1e2 * sum(parts.imputed) / sum(parts.mice * clock.frames), 2) AS imputed_percent,
    round(
        1e2 * (sum(parts.mice * clock.frames) - sum(parts.points)) / sum(parts.mice * clock.frames), 2
    ) AS absent_percent
FROM parts
INNER JOIN clock
    ON parts.split = clock.split AND parts.lab_id = clock.lab_id AND parts.video_id = clock.video_id
GROUP BY parts.split, parts.lab_id, parts.bodypart
ORDER BY parts.split, parts.lab_id, parts.bodypart
