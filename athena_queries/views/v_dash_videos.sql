-- purpose: Dashboards, Lake: every video with its rig, its length and what became of its rows.
-- grain: one row per (split, video)
-- partition filter: none needed, no partitioned table is read
CREATE OR REPLACE VIEW v_dash_videos AS
WITH videos AS (
    SELECT
        'train' AS split, lab_id, video_id, video_duration_sec, frames_per_second, pix_per_cm_approx, n_mice,
        body_parts_tracked, has_tracking, has_annotation
    FROM metadata_train
    UNION ALL
    SELECT
        'test' AS split, lab_id, video_id, video_duration_sec, frames_per_second, pix_per_cm_approx, n_mice,
        body_parts_tracked, has_tracking, has_annotation
    FROM metadata_test
),

files AS (
    SELECT
        split,
        video_id,
        sum(rows_in) FILTER (WHERE kind = 'tracking') AS tracking_rows,
        sum(rows_in) FILTER (WHERE kind = 'annotation') AS annotation_rows,
        sum(rows_imputed) AS rows_imputed
    FROM curation_files
    WHERE video_id IS NOT NULL
    GROUP BY split, video_id
)

SELECT
    v.split,
    v.lab_id,
    v.video_id,
    v.video_duration_sec / 3600.0 AS hours,
    v.frames_per_second,
    v.pix_per_cm_approx AS pix_per_cm,
    CAST(v.n_mice AS integer) AS mice,
    cardinality(v.body_parts_tracked) AS parts,
    CASE
        WHEN v.has_annotation THEN 'annotated'
        WHEN v.has_tracking THEN 'tracked only'
        ELSE 'metadata only'
    END AS received,
    coalesce(f.tracking_rows, 0) AS tracking_rows,
    coalesce(f.annotation_rows, 0) AS annotation_rows,
    coalesce(f.rows_imputed, 0) AS rows_imputed
FROM videos AS v
LEFT JOIN files AS f ON v.split = f.split AND v.video_id = f.video_id
