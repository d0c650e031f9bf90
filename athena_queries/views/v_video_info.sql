-- purpose: Video page: what is known of a video: its clock, its scale, its arena, its animals.
-- grain: one row per (split, video)
-- animal_strains, animal_sexes: JSON lists from animal 1 on, null where the lab gives none
-- partition filter: none needed, no partitioned table is read
CREATE OR REPLACE VIEW v_video_info AS
SELECT
    'train' AS split, lab_id, video_id, video_name, species, frames_per_second, video_duration_sec, pix_per_cm_approx,
    video_width_pix, video_height_pix, arena_width_cm, arena_height_cm, arena_shape, arena_type, tracking_method,
    has_tracking, has_annotation,
    json_format(CAST(animal_strains AS json)) AS animal_strains,
    json_format(CAST(animal_sexes AS json)) AS animal_sexes
FROM metadata_train
UNION ALL
SELECT
    'test' AS split, lab_id, video_id, video_name, species, frames_per_second, video_duration_sec, pix_per_cm_approx,
    video_width_pix, video_height_pix, arena_width_cm, arena_height_cm, arena_shape, arena_type, tracking_method,
    has_tracking, has_annotation,
    json_format(CAST(animal_strains AS json)) AS animal_strains,
    json_format(CAST(animal_sexes AS json)) AS animal_sexes
FROM metadata_test
