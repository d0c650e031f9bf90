-- purpose: The table track_summary of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (video, mouse, bodypart) of the tracking
-- partition filter: split, lab_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS track_summary (
    video_id bigint COMMENT 'video',
    mouse_id tinyint COMMENT 'animal, from 1',
    bodypart string COMMENT 'name as tracked by the lab',
    first_frame int COMMENT 'first measured frame',
    last_frame int COMMENT 'last measured frame',
    frames_present int COMMENT 'frames in which any part of the mouse was measured',
    points_measured int,
    points_imputed int,
    points_missing int COMMENT 'frames_present - measured - imputed',
    gaps int COMMENT 'runs of unmeasured frames within first..last',
    gap_frames int COMMENT 'frames in those runs',
    longest_gap_frames int COMMENT 'frames; 0 without a gap',
    tracked_sec double COMMENT 's over which the velocity is defined; null without it',
    path_cm double COMMENT 'cm moved in tracked_sec; null without velocity',
    max_speed float COMMENT 'cm/s; null without velocity',
    jumps int COMMENT 'steps longer than JUMP_CM at over JUMP_SPEED; null without velocity'
)
PARTITIONED BY (split string, lab_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/track_summary/'
TBLPROPERTIES ('classification' = 'parquet')
