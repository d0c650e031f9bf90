-- purpose: How unevenly each lab's annotated time is spread over its actions.
-- grain: one row per (lab, action)
-- partition filter: none needed, no partitioned table is read
SELECT
    lab_id,
    action,
    videos,
    events,
    round(seconds, 2) AS seconds,
    round(1e2 * share, 2) AS share_percent,
    round(max(seconds) OVER (PARTITION BY lab_id) / nullif(seconds, 0e0), 1) AS rarer_than_top_by
FROM class_distribution_stats
ORDER BY lab_id ASC, seconds DESC, action ASC
