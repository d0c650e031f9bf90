-- purpose: What the tables job precomputes of the annotations, one row a class; percentiles as numpy has them.
-- grain: one row per (lab, action)
-- partition filter: none, the naive lake has no partitions
CREATE OR REPLACE VIEW class_distribution_stats AS
WITH groups AS (
    SELECT
        lab_id,
        action,
        count(DISTINCT video_id) AS videos,
        count(*) AS events,
        sum(duration_frames) AS frames,
        sum(duration_sec) AS seconds,
        sum(duration_sec) / sum(sum(duration_sec)) OVER (PARTITION BY lab_id) AS share,
        avg(duration_sec) AS mean_sec,
        array_sort(array_agg(duration_sec)) AS durations,
        count(duration_sec) AS known,
        0.95e0 * (count(duration_sec) - 1) AS place
    FROM annotations_enriched
    GROUP BY lab_id, action
)

SELECT
    lab_id,
    action,
    videos,
    events,
    frames,
    seconds,
    share,
    mean_sec,
    (element_at(durations, (known + 1) / 2) + element_at(durations, (known + 2) / 2)) / 2e0 AS median_sec,
    element_at(durations, cast(floor(place) AS bigint) + 1) + (place - floor(place))
    * (
        element_at(durations, cast(ceil(place) AS bigint) + 1)
        - element_at(durations, cast(floor(place) AS bigint) + 1)
    ) AS p95_sec
FROM groups
