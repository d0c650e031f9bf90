-- purpose: The table predictions of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per predicted event
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS predictions (
    split string,
    lab_id string COMMENT 'laboratory',
    video_id bigint COMMENT 'video',
    agent_id tinyint COMMENT 'acting animal, from 1',
    target_id tinyint COMMENT 'target animal, from 1; equal to agent_id for a self action',
    action string COMMENT 'behaviour',
    start_frame int COMMENT 'first frame',
    stop_frame int COMMENT 'frame after the last one (exclusive)',
    start_sec double COMMENT 's',
    stop_sec double COMMENT 's',
    confidence double COMMENT 'mean probability over the events frames, 0..1'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/predictions/'
TBLPROPERTIES ('classification' = 'parquet')
