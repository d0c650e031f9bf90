-- purpose: How long an action lasts, and how far the labs differ in that: the range of their medians.
-- grain: one row per action
-- partition filter: none needed, no partitioned table is read
SELECT
    action,
    sum(events) AS events,
    count(*) AS labs,
    round(sum(mean_sec * events) / sum(events), 3) AS mean_sec,
    round(min(median_sec), 3) AS shortest_median_sec,
    round(max(median_sec), 3) AS longest_median_sec,
    round(max(p95_sec), 3) AS longest_p95_sec
FROM class_distribution_stats
WHERE mean_sec IS NOT NULL
GROUP BY action
ORDER BY action
