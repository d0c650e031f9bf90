-- purpose: The table predicted_videos of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per video that a run predicted, whether or not it found an event
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS predicted_videos (
    split string,
    lab_id string COMMENT 'laboratory',
    video_id bigint COMMENT 'video',
    start_frame int COMMENT 'first frame that was predicted',
    stop_frame int COMMENT 'frame after the last predicted one (exclusive)'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/predicted_videos/'
TBLPROPERTIES ('classification' = 'parquet')
