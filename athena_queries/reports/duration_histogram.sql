-- purpose: How the durations of a lab's actions are spread, in classes that double.
-- grain: one row per (action, class of duration): from_sec <= duration < twice that; the first class begins at 0
-- param: lab_id string
-- partition filter: lab_id; four columns are read
WITH events AS (
    SELECT
        action,
        duration_frames / frames_per_second AS duration_sec,
        counted_sec
    FROM annotations_enriched
    WHERE lab_id = ? AND frames_per_second > 0e0
),

classed AS (
    SELECT
        action,
        counted_sec,
        CASE
            WHEN duration_sec < 0.25e0 THEN 0e0
            WHEN duration_sec < 0.5e0 THEN 0.25e0
            WHEN duration_sec < 1e0 THEN 0.5e0
            WHEN duration_sec < 2e0 THEN 1e0
            WHEN duration_sec < 4e0 THEN 2e0
            WHEN duration_sec < 8e0 THEN 4e0
            WHEN duration_sec < 16e0 THEN 8e0
            WHEN duration_sec < 32e0 THEN 16e0
            ELSE 32e0
        END AS from_sec
    FROM events
)

SELECT
    action,
    from_sec,
    count(*) AS events,
    round(sum(counted_sec), 3) AS seconds,
    round(1e2 * count(*) / sum(count(*)) OVER (PARTITION BY action), 2) AS percent_of_events
FROM classed
GROUP BY action, from_sec
ORDER BY action, from_sec
