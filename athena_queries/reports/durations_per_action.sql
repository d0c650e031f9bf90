-- purpose: How long an action lasts: median and 95th percentile over all labs (nearest rank, exact).
-- grain: one row per action
-- partition filter: none, all labs are compared; only two columns are read
WITH ranked AS (
    SELECT
        action,
        lab_id,
        duration_sec,
        row_number() OVER (PARTITION BY action ORDER BY duration_sec) AS place,
        count(*) OVER (PARTITION BY action) AS events
    FROM annotations_enriched
    WHERE duration_sec IS NOT NULL
)

SELECT
    action,
    events,
    count(DISTINCT lab_id) AS labs,
    round(min(duration_sec), 3) AS shortest_sec,
    round(min(duration_sec) FILTER (WHERE place >= 0.5 * events), 3) AS median_sec,
    round(min(duration_sec) FILTER (WHERE place >= 0.95 * events), 3) AS p95_sec,
    round(max(duration_sec), 3) AS longest_sec
FROM ranked
GROUP BY action, events
ORDER BY action
