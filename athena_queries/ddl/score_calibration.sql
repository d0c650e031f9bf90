-- purpose: The table score_calibration of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (run, lab, action, tenth of the probability) that holds a frame
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS score_calibration (
    lab_id string COMMENT 'laboratory',
    action string COMMENT 'behaviour',
    bin tinyint COMMENT '0..9: probability from bin/10 to (bin+1)/10',
    frames bigint,
    mean_probability double COMMENT '0..1',
    share_true double COMMENT 'share of the frames that are annotated'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/score_calibration/'
TBLPROPERTIES ('classification' = 'parquet')
