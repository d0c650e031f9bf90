-- purpose: The table curation_files of the curated zone (made by athena_queries/ddl/generate.py).
-- grain: one row per raw file: rows_in = rows_curated + rows_quarantined
-- partition filter: none; etholake.lake points the table to its current generation
CREATE EXTERNAL TABLE IF NOT EXISTS curation_files (
    source_file string COMMENT 'key below the raw zone',
    kind string COMMENT 'metadata, tracking or annotation',
    split string,
    lab_id string,
    video_id bigint,
    rows_in bigint,
    rows_curated bigint COMMENT 'rows of the input that reached a curated table',
    rows_quarantined bigint,
    rows_imputed bigint COMMENT 'rows added by filling, counted apart',
    flags array<string> COMMENT 'ids of the rules that fired, sorted'
)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated-zone/_empty/'
TBLPROPERTIES ('classification' = 'parquet')
