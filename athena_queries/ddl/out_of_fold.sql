-- purpose: The table out_of_fold of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (run, video, agent, target, action, frame) that a model of cross-validation had not seen
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS out_of_fold (
    lab_id string COMMENT 'laboratory',
    video_id bigint COMMENT 'video',
    agent_id tinyint COMMENT 'acting animal, from 1',
    target_id tinyint COMMENT 'target animal, from 1; equal to agent_id for a self action',
    action string COMMENT 'behaviour',
    video_frame int COMMENT 'frame, 0-based',
    probability float COMMENT '0..1, rounded to 0.001',
    fold tinyint COMMENT 'fold that held the frame out',
    frames_per_second double COMMENT 'frames/s'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/out_of_fold/'
TBLPROPERTIES ('classification' = 'parquet')
