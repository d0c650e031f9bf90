-- purpose: The table task_predictions of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (run, video, animal, task), or a second of it, that a model answered beside the actions
-- partition filter: run_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS task_predictions (
    split string,
    lab_id string COMMENT 'laboratory',
    video_id bigint COMMENT 'video',
    mouse_id tinyint COMMENT 'animal, 1..',
    task string COMMENT 'as `train --tasks` writes it: state:sex=male',
    second int COMMENT 'second of the tracks, from 0; null: the mean over all of them',
    value double COMMENT 'state: probability, 0..1; else in the unit of the trainings values'
)
PARTITIONED BY (run_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/task_predictions/'
TBLPROPERTIES ('classification' = 'parquet')
