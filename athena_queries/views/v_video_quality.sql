-- purpose: How sound each video's files are: rows received, imputed and rejected, and the rules that fired.
-- grain: one row per video
-- partition filter: none needed, no partitioned table is read
CREATE OR REPLACE VIEW v_video_quality AS
WITH videos AS (
    SELECT
        'train' AS split,
        lab_id,
        video_id,
        has_tracking,
        has_annotation,
        flags
    FROM metadata_train
    UNION ALL
    SELECT
        'test' AS split,
        lab_id,
        video_id,
        has_tracking,
        has_annotation,
        flags
    FROM metadata_test
),

files AS (
    SELECT
        split,
        video_id,
        sum(rows_in) AS rows_in,
        sum(rows_imputed) AS rows_imputed,
        sum(rows_quarantined) AS rows_quarantined
    FROM curation_files
    WHERE video_id IS NOT NULL
    GROUP BY split, video_id
)

SELECT
    videos.split,
    videos.lab_id,
    videos.video_id,
    videos.has_tracking,
    videos.has_annotation,
    cardinality(videos.flags) AS metadata_flags,
    coalesce(files.rows_in, 0) AS rows_in,
    coalesce(files.rows_imputed, 0) AS rows_imputed,
    coalesce(files.rows_quarantined, 0) AS rows_quarantined
FROM videos
LEFT JOIN files ON videos.split = files.split AND videos.video_id = files.video_id
