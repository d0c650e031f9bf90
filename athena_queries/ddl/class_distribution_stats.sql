-- purpose: The table class_distribution_stats of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (lab, action)
-- partition filter: none; etholake.lake points the table to its current generation
CREATE EXTERNAL TABLE IF NOT EXISTS class_distribution_stats (
    lab_id string COMMENT 'laboratory',
    action string COMMENT 'behaviour',
    videos int COMMENT 'videos in which it occurs',
    events int,
    frames bigint,
    seconds double COMMENT 's',
    share double COMMENT 'share of the labs annotated seconds',
    mean_sec double COMMENT 's',
    median_sec double COMMENT 's',
    p95_sec double COMMENT 's'
)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/_empty/'
TBLPROPERTIES ('classification' = 'parquet')
