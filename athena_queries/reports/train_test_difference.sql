-- purpose: Whether a lab's test videos are like its train videos: rate, scale, length, tracking, speed.
-- grain: one row per (lab, split) of the labs that have a test video
-- partition filter: none, all labs are compared; track_summary has one row per track
WITH videos AS (
    SELECT
        lab_id,
        'train' AS split,
        frames_per_second,
        pix_per_cm_approx,
        video_duration_sec,
        n_mice
    FROM metadata_train
    UNION ALL
    SELECT
        lab_id,
        'test' AS split,
        frames_per_second,
        pix_per_cm_approx,
        video_duration_sec,
        n_mice
    FROM metadata_test
),

labs AS (
    SELECT
        lab_id,
        split,
        count(*) AS videos,
        avg(frames_per_second) AS fps,
        avg(pix_per_cm_approx) AS pix_per_cm,
        avg(video_duration_sec) / 6e1 AS minutes,
        avg(n_mice) AS mice,
        max(CASE WHEN split = 'test' THEN 1 ELSE 0 END) OVER (PARTITION BY lab_id) AS is_tested
    FROM videos
    GROUP BY lab_id, split
),

tracking AS (
    SELECT
        lab_id,
        split,
        count(DISTINCT bodypart) AS parts,
        1e2 * sum(points_imputed + points_missing) / nullif(sum(frames_present), 0) AS unmeasured_percent,
        sum(path_cm) / nullif(sum(tracked_sec), 0e0) AS mean_speed
    FROM track_summary
    GROUP BY lab_id, split
)

SELECT
    labs.lab_id,
    labs.split,
    labs.videos,
    round(labs.fps, 2) AS mean_fps,
    round(labs.pix_per_cm, 3) AS mean_pix_per_cm,
    round(labs.minutes, 3) AS mean_minutes,
    round(labs.mice, 2) AS mean_mice,
    coalesce(tracking.parts, 0) AS parts,
    round(tracking.unmeasured_percent, 3) AS unmeasured_percent,
    round(tracking.mean_speed, 3) AS mean_speed_cm_s
FROM labs
LEFT JOIN tracking ON labs.lab_id = tracking.lab_id AND labs.split = tracking.split
WHERE labs.is_tested = 1
ORDER BY labs.lab_id ASC, labs.split DESC
