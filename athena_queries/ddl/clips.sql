-- purpose: The table clips of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (clip set, video, agent, target, window) of pixels
-- partition filter: clip_set, lab_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS clips (
    video_id bigint COMMENT 'video',
    agent_id tinyint COMMENT 'animal, 1..; 0 where nobody tells them apart',
    target_id tinyint COMMENT 'second animal of a joint crop; null for a window of one',
    first_frame int,
    last_frame int COMMENT 'inclusive',
    frames_per_second double COMMENT 'frames/s',
    crop_size int COMMENT 'px, side of the written crop',
    pad_ratio double COMMENT 'border around a box, share of its longer side',
    box_source string COMMENT 'pose, background, onnx, ultralytics or file',
    frames_missing int COMMENT 'frames in which the animal was not found',
    has_pose boolean COMMENT 'a key point of the window was seen',
    parts array<string> COMMENT 'key points, in the order of the shard',
    x0 float COMMENT 'px of the frame: crop of the middle frame',
    y0 float COMMENT 'px',
    x1 float COMMENT 'px',
    y1 float COMMENT 'px',
    action string COMMENT 'label that covers most frames of the window; null if none does',
    action_share double COMMENT 'share of the frames that it covers, 0..1',
    shard string COMMENT 'key of the tar in the bucket',
    member string COMMENT 'name of the window in the tar',
    swapped boolean COMMENT 'the tar has agent and target the other way round'
)
PARTITIONED BY (clip_set string, lab_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/clips/'
TBLPROPERTIES ('classification' = 'parquet')
