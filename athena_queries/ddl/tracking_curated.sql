-- purpose: The table tracking_curated of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per (video, frame, mouse, bodypart)
-- partition filter: split, lab_id; each partition points to its current generation and is registered by etholake.lake.
-- Never MSCK REPAIR: it would not find the generations.
CREATE EXTERNAL TABLE IF NOT EXISTS tracking_curated (
    video_id bigint COMMENT 'video',
    video_frame int COMMENT 'frame, 0-based',
    mouse_id tinyint COMMENT 'animal, from 1',
    bodypart string COMMENT 'name as tracked by the lab',
    x float COMMENT 'px, origin top left, right',
    y float COMMENT 'px, origin top left, down',
    x_cm float COMMENT 'cm from the arena centre; null without px/cm',
    y_cm float COMMENT 'cm from the arena centre; null without px/cm',
    vx float COMMENT 'cm/s over the true elapsed frames; null at a tracks start',
    vy float COMMENT 'cm/s over the true elapsed frames; null at a tracks start',
    speed float COMMENT 'cm/s, hypot(vx, vy)',
    is_imputed boolean COMMENT 'filled by curation, not measured',
    z float COMMENT 'px, of three-dimensional tracks; else null',
    likelihood float COMMENT '0..1, as the tracker gave it; null where imputed or not given'
)
PARTITIONED BY (split string, lab_id string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/tracking_curated/'
TBLPROPERTIES ('classification' = 'parquet')
