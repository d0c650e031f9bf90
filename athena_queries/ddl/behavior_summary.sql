-- purpose: The table behavior_summary of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (split, video, agent, target, action) that was annotated at least once
-- partition filter: lab_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS behavior_summary (
    split string COMMENT 'train or test',
    video_id bigint COMMENT 'video',
    agent_id tinyint COMMENT 'acting animal, from 1',
    target_id tinyint COMMENT 'target animal, from 1; equal to agent_id for a self action',
    action string COMMENT 'behaviour',
    is_self boolean,
    is_labeled boolean COMMENT 'the triplet is in behaviors_labeled',
    agent_strain string,
    agent_sex string,
    target_strain string,
    target_sex string,
    events int,
    frames bigint COMMENT 'annotated frames, each counted once, within the video',
    seconds double COMMENT 's of `frames`; null without fps',
    median_sec double COMMENT 's',
    max_sec double COMMENT 's',
    first_start_sec double COMMENT 's',
    last_stop_sec double COMMENT 's'
)
PARTITIONED BY (lab_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/behavior_summary/'
TBLPROPERTIES ('classification' = 'parquet')
