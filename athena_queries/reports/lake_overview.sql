-- purpose: What is in the lake: labs, videos, hours, rows received and rows rejected.
-- grain: one row per (split, lab)
-- partition filter: none needed, no partitioned table is read
WITH videos AS (
    SELECT
        'train' AS split,
        lab_id,
        video_duration_sec,
        has_tracking,
        has_annotation
    FROM metadata_train
    UNION ALL
    SELECT
        'test' AS split,
        lab_id,
        video_duration_sec,
        has_tracking,
        has_annotation
    FROM metadata_test
),

labs AS (
    SELECT
        split,
        lab_id,
        count(*) AS videos,
        count(*) FILTER (WHERE has_tracking) AS tracked,
        count(*) FILTER (WHERE has_annotation) AS annotated,
        sum(video_duration_sec) / 36e2 AS hours
    FROM videos
    GROUP BY split, lab_id
),

received AS (
    SELECT
        split,
        lab_id,
        sum(rows_in) FILTER (WHERE kind = 'tracking') AS tracking_rows,
        sum(rows_in) FILTER (WHERE kind = 'annotation') AS annotation_rows,
        sum(rows_imputed) AS imputed_rows,
        sum(rows_quarantined) AS quarantined_rows
    FROM curation_files
    WHERE lab_id IS NOT NULL
    GROUP BY split, lab_id
)

SELECT
    labs.split,
    labs.lab_id,
    labs.videos,
    labs.tracked,
    labs.annotated,
    round(labs.hours, 3) AS hours,
    coalesce(received.tracking_rows, 0) AS tracking_rows,
    coalesce(received.annotation_rows, 0) AS annotation_rows,
    coalesce(received.imputed_rows, 0) AS imputed_rows,
    coalesce(received.quarantined_rows, 0) AS quarantined_rows
FROM labs
LEFT JOIN received ON labs.split = received.split AND labs.lab_id = received.lab_id
ORDER BY labs.split, labs.lab_id
