-- purpose: The table score_details of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (run, lab, action)
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS score_details (
    lab_id string COMMENT 'laboratory',
    action string COMMENT 'behaviour',
    f_low double COMMENT '2.5 % of the frame-wise F over bootstrapped videos; null with one video',
    f_high double COMMENT '97.5 % of it',
    bouts_true int COMMENT 'annotated bouts',
    bouts_predicted int COMMENT 'predicted bouts',
    bouts_matched int COMMENT 'pairs of them with IoU >= 0.5',
    bout_f_score double COMMENT 'F1 of bouts',
    start_error_sec double COMMENT 's, median absolute, of matched bouts',
    stop_error_sec double COMMENT 's, median absolute, of matched bouts',
    start_bias_sec double COMMENT 's, mean of predicted minus annotated',
    stop_bias_sec double COMMENT 's, mean of predicted minus annotated',
    average_precision double COMMENT 'of frame-wise probabilities; null without them',
    calibration_error double COMMENT 'expected calibration error, 0..1; null without probabilities'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/score_details/'
TBLPROPERTIES ('classification' = 'parquet')
