-- purpose: What the tracking job precomputes, in one pass over the tracks: the naive lake is not asked badly.
-- grain: one row per (split, lab, video, mouse, body part)
-- partition filter: none, the naive lake has no partitions
CREATE OR REPLACE VIEW track_summary AS
WITH rates AS (
    SELECT
        'train' AS split,
        lab_id,
        video_id,
        frames_per_second AS fps
    FROM metadata_train
    UNION ALL
    SELECT
        'test' AS split,
        lab_id,
        video_id,
        frames_per_second AS fps
    FROM metadata_test
),

points AS (
    SELECT
        split,
        lab_id,
        video_id,
        mouse_id,
        bodypart,
        video_frame,
        is_imputed,
        cast(speed AS double) AS speed,
        video_frame - max(CASE WHEN NOT is_imputed THEN video_frame END) OVER (
            PARTITION BY split, lab_id, video_id, mouse_id, bodypart
            ORDER BY video_frame ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS step,
        NOT is_imputed
        AND row_number() OVER (
            PARTITION BY split, lab_id, video_id, mouse_id, video_frame ORDER BY is_imputed, bodypart
        ) = 1 AS is_first
    FROM tracking_curated
),

timed AS (
    SELECT
        p.split,
        p.lab_id,
        p.video_id,
        p.mouse_id,
        p.bodypart,
        p.video_frame,
        p.is_imputed,
        p.speed,
        p.step,
        p.is_first,
        p.step / r.fps AS step_sec
    FROM points AS p
    LEFT JOIN rates AS r ON p.split = r.split AND p.lab_id = r.lab_id AND p.video_id = r.video_id
),

tracks AS (
    SELECT
        split,
        lab_id,
        video_id,
        mouse_id,
        bodypart,
        min(video_frame) FILTER (WHERE NOT is_imputed) AS first_frame,
        max(video_frame) FILTER (WHERE NOT is_imputed) AS last_frame,
        sum(count(*) FILTER (WHERE is_first)) OVER (PARTITION BY split, lab_id, video_id, mouse_id)
            AS frames_present,
        count(*) FILTER (WHERE NOT is_imputed) AS points_measured,
        count(*) FILTER (WHERE is_imputed) AS points_imputed,
        count(*) FILTER (WHERE NOT is_imputed AND step > 1) AS gaps,
        coalesce(sum(step - 1) FILTER (WHERE NOT is_imputed), 0) AS gap_frames,
        coalesce(max(step - 1) FILTER (WHERE NOT is_imputed), 0) AS longest_gap_frames,
        sum(step_sec) FILTER (WHERE speed IS NOT NULL) AS tracked_sec,
        sum(step_sec * speed) AS path_cm,
        max(speed) AS max_speed,
        CASE
            WHEN count(speed) > 0
                THEN count(*) FILTER (WHERE speed > ${JUMP_SPEED} AND speed * step_sec > ${JUMP_CM})
        END AS jumps
    FROM timed
    GROUP BY split, lab_id, video_id, mouse_id, bodypart
)

SELECT
    split,
    lab_id,
    video_id,
    mouse_id,
    bodypart,
    first_frame,
    last_frame,
    frames_present,
    points_measured,
    points_imputed,
    frames_present - points_measured - points_imputed AS points_missing,
    gaps,
    gap_frames,
    longest_gap_frames,
    tracked_sec,
    path_cm,
    max_speed,
    jumps
FROM tracks
