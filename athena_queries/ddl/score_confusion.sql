-- purpose: The table score_confusion of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (run, lab, annotated action, predicted action)
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS score_confusion (
    lab_id string COMMENT 'laboratory',
    true_action string COMMENT 'annotated; none where nothing was',
    predicted_action string COMMENT 'predicted; none where nothing was',
    frames bigint COMMENT 'frames of one agent and target'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/score_confusion/'
TBLPROPERTIES ('classification' = 'parquet')
