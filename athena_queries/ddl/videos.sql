-- purpose: The table videos of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per video file of the raw zone
-- partition filter: lab_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS videos (
    video_id bigint COMMENT 'video',
    source_file string COMMENT 'key below the raw zone',
    camera string COMMENT 'name of a further camera; null: the film that the tracks were made of',
    bytes bigint,
    sha256 string COMMENT 'of the files bytes, hex',
    error string COMMENT 'why it cannot be read; null if it can: all that follows is then set',
    container string COMMENT 'mov (and mp4), avi or matroska',
    codec string COMMENT 'h264, mpeg4, …',
    pixel_format string COMMENT 'yuv420p, yuv420p10le (10 bits), gray, …',
    width int COMMENT 'px, as stored',
    height int COMMENT 'px, as stored',
    rotation int COMMENT 'degrees counter-clockwise, to be applied when it is shown',
    frames_per_second double COMMENT 'frames/s; the average of a varying rate',
    variable_frame_rate boolean COMMENT 'frames are unevenly spaced in time',
    frames int COMMENT 'counted packets',
    declared_frames int COMMENT 'frames as the header tells; null if it does not',
    duration_sec double COMMENT 's, from the first frame to the end of the last',
    start_sec double COMMENT 's, time of the first frame',
    keyframe_distance int COMMENT 'most frames from one key frame to the next or the end',
    tracked_frames int COMMENT 'last frame of the curated tracks + 1; null without tracks',
    frame_map string COMMENT 'equal, off_by_one or offset; null without tracks',
    frame_difference int COMMENT 'tracked frames (of a further camera: of the first film) - frames',
    flags array<string> COMMENT 'what a user should know, sorted'
)
PARTITIONED BY (lab_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/videos/'
TBLPROPERTIES ('classification' = 'parquet')
