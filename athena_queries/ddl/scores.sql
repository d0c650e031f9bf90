-- purpose: The table scores of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (run, lab, action)
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS scores (
    lab_id string COMMENT 'laboratory',
    action string COMMENT 'behaviour',
    f_score double COMMENT 'frame-wise F1 pooled over the labs scored videos',
    precision double,
    recall double,
    tp_frames bigint,
    fp_frames bigint,
    fn_frames bigint,
    videos int COMMENT 'videos scored'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/scores/'
TBLPROPERTIES ('classification' = 'parquet')
