-- purpose: The table corrections of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per bout of a reviewer's change, as it was after the change
-- partition filter: lab_id; each partition is the folder that etholake.lake adds files to, and is registered by it
CREATE EXTERNAL TABLE IF NOT EXISTS corrections (
    split string COMMENT 'train or test',
    video_id bigint COMMENT 'video',
    change int COMMENT 'number of the change of this video, from 1',
    operation string COMMENT 'create, move, split, accept, …',
    reviewer string COMMENT 'name of the annotator',
    changed_at string COMMENT 'UTC, ISO 8601',
    undoes int COMMENT 'the change that was taken back, null if none',
    bout_id string COMMENT 'the same for all states of a bout',
    source string COMMENT 'annotation, prediction, review or looked_for',
    run_id string COMMENT 'run that predicted the bout, null if none',
    agent_id tinyint COMMENT 'acting animal, from 1',
    target_id tinyint COMMENT 'target animal, from 1; equal to agent_id for a self action',
    action string COMMENT 'behaviour',
    start_frame int COMMENT 'first frame',
    stop_frame int COMMENT 'frame after the last one (exclusive)',
    confidence double COMMENT 'of the prediction, 0..1',
    status string COMMENT 'kept (a label), open, rejected or deleted'
)
PARTITIONED BY (lab_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/corrections/'
TBLPROPERTIES ('classification' = 'parquet')
