-- purpose: The table quarantine of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per rejected row or file
-- partition filter: none; etholake.lake points the table to its current generation
CREATE EXTERNAL TABLE IF NOT EXISTS quarantine (
    source_file string COMMENT 'key below the raw zone',
    split string,
    lab_id string,
    video_id bigint,
    row_number bigint COMMENT '0-based row of the source file; null for a whole file',
    `rows` bigint COMMENT 'how many input rows this row stands for',
    rule string COMMENT 'id of the rule',
    detail string COMMENT 'what was expected, what was found',
    payload string COMMENT 'the row as JSON; null for a whole file'
)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/_empty/'
TBLPROPERTIES ('classification' = 'parquet')
