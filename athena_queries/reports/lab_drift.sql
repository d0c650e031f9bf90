-- purpose: How far a (new) lab is from all other train labs: rate, scale, mice, parts, losses, jumps, speed.
-- grain: one row per metric; every other lab counts once; z_score in standard deviations of the other labs
-- param: lab_id string
-- bind: lab_id lab_id lab_id lab_id
-- partition filter: none, all labs are compared; track_summary has one row per track
WITH videos AS (
    SELECT
        lab_id,
        frames_per_second,
        pix_per_cm_approx,
        video_duration_sec,
        n_mice,
        cardinality(body_parts_tracked) AS parts
    FROM metadata_train
    UNION ALL
    SELECT
        lab_id,
        frames_per_second,
        pix_per_cm_approx,
        video_duration_sec,
        n_mice,
        cardinality(body_parts_tracked) AS parts
    FROM metadata_test
    WHERE lab_id = ?
),

rigs AS (
    SELECT
        lab_id,
        avg(frames_per_second) AS fps,
        avg(pix_per_cm_approx) AS pix_per_cm,
        avg(video_duration_sec) / 6e1 AS minutes,
        avg(n_mice) AS mice,
        avg(parts) AS parts
    FROM videos
    GROUP BY lab_id
),

tracking AS (
    SELECT
        lab_id,
        1e2 * sum(points_imputed + points_missing) / nullif(sum(frames_present), 0) AS unmeasured_percent,
        6e1 * sum(jumps) / nullif(sum(tracked_sec), 0e0) AS jumps_per_minute,
        sum(path_cm) / nullif(sum(tracked_sec), 0e0) AS mean_speed
    FROM track_summary
    WHERE split = 'train' OR lab_id = ?
    GROUP BY lab_id
),

metrics AS (
    SELECT
        rigs.lab_id,
        t.metric,
        t.metric_value
    FROM rigs
    LEFT JOIN tracking ON rigs.lab_id = tracking.lab_id
    CROSS JOIN
        unnest(
            ARRAY[
                'frames_per_second', 'pix_per_cm', 'minutes_per_video', 'mice', 'parts',
                'unmeasured_percent', 'jumps_per_track_minute', 'mean_speed_cm_s'
            ],
            ARRAY[
                rigs.fps, rigs.pix_per_cm, rigs.minutes, rigs.mice, rigs.parts,
                tracking.unmeasured_percent, tracking.jumps_per_minute, tracking.mean_speed
            ]
        ) AS t (metric, metric_value)
),

here AS (
    SELECT
        metric,
        metric_value
    FROM metrics
    WHERE lab_id = ?
),

others AS (
    SELECT
        metric,
        count(metric_value) AS labs,
        min(metric_value) AS lowest,
        avg(metric_value) AS mean_value,
        max(metric_value) AS highest,
        stddev_samp(metric_value) AS deviation
    FROM metrics
    WHERE lab_id <> ?
    GROUP BY metric
)

SELECT
    here.metric,
    round(here.metric_value, 3) AS value_here,
    coalesce(others.labs, 0) AS other_labs,
    round(others.lowest, 3) AS lowest_elsewhere,
    round(others.mean_value, 3) AS mean_elsewhere,
    round(others.highest, 3) AS highest_elsewhere,
    round((here.metric_value - others.mean_value) / nullif(others.deviation, 0e0), 2) AS z_score,
    here.metric_value < others.lowest OR here.metric_value > others.highest AS outside_range
FROM here
LEFT JOIN others ON here.metric = others.metric
ORDER BY here.metric
