-- purpose: Video page: what is known of a video: its clock, its scale, its arena, its animals.
-- grain: one row per (split, video)
-- partition filter: none needed, no partitioned table is read
CREATE OR REPLACE VIEW v_video_info AS
SELECT
    'train' AS split, lab_id, video_id, video_name, species, frames_per_second, video_duration_sec, pix_per_cm_approx,
    video_width_pix, video_height_pix, arena_width_cm, arena_height_cm, arena_shape, arena_type, tracking_method,
    has_tracking, has_annotation, mouse1_strain, mouse1_sex, mouse2_strain, mouse2_sex, mouse3_strain, mouse3_sex,
    mouse4_strain, mouse4_sex
FROM metadata_train
UNION ALL
SELECT
    'test' AS split, lab_id, video_id, video_name, species, frames_per_second, video_duration_sec, pix_per_cm_approx,
    video_width_pix, video_height_pix, arena_width_cm, arena_height_cm, arena_shape, arena_type, tracking_method,
    has_tracking, has_annotation, mouse1_strain, mouse1_sex, mouse2_strain, mouse2_sex, mouse3_strain, mouse3_sex,
    mouse4_strain, mouse4_sex
FROM metadata_test
