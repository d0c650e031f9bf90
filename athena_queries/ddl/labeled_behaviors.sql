-- purpose: The table labeled_behaviors of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (video, agent, target, action) that was looked for
-- partition filter: none; etholake.lake points the table to its current generation
CREATE EXTERNAL TABLE IF NOT EXISTS labeled_behaviors (
    split string COMMENT 'train or test',
    lab_id string COMMENT 'laboratory',
    video_id bigint COMMENT 'video',
    agent_id tinyint COMMENT 'acting animal, from 1',
    target_id tinyint COMMENT 'target animal, from 1; equal to agent_id for a self action',
    action string COMMENT 'behaviour',
    is_self boolean COMMENT 'agent and target are the same mouse',
    repaired boolean COMMENT 'the item had stray quotes or blanks',
    spans string COMMENT 'JSON [[start, stop], …] of the frames that were looked at; null for all'
)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/_empty/'
TBLPROPERTIES ('classification' = 'parquet')
