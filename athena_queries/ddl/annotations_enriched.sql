-- purpose: The table annotations_enriched of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per annotated event
-- partition filter: lab_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS annotations_enriched (
    split string COMMENT 'train or test',
    video_id bigint COMMENT 'video',
    agent_id tinyint COMMENT 'acting animal, from 1',
    target_id tinyint COMMENT 'target animal, from 1; equal to agent_id for a self action',
    action string COMMENT 'behaviour',
    start_frame int COMMENT 'first frame',
    stop_frame int COMMENT 'frame after the last one (exclusive)',
    frames_per_second double COMMENT 'frames/s',
    start_sec double COMMENT 's',
    stop_sec double COMMENT 's',
    duration_frames int COMMENT 'stop_frame - start_frame',
    duration_sec double COMMENT 's',
    counted_start_frame int COMMENT 'first frame not covered by an earlier event',
    counted_stop_frame int COMMENT 'stop_frame, cut at the videos end',
    counted_sec double COMMENT 's of the counted frames: sums count a frame once',
    is_self boolean,
    is_labeled boolean COMMENT 'the triplet is in behaviors_labeled',
    agent_strain string,
    agent_sex string,
    target_strain string,
    target_sex string,
    issue string COMMENT 'id of the data-quality rule that fired, null if none'
)
PARTITIONED BY (lab_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/annotations_enriched/'
TBLPROPERTIES ('classification' = 'parquet')
