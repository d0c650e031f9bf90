-- purpose: How much there is of each action over all labs: events, hours, and how many labs annotate it.
-- grain: one row per action
-- partition filter: none needed, no partitioned table is read
SELECT
    action,
    count(*) AS labs,
    sum(videos) AS videos,
    sum(events) AS events,
    round(sum(seconds) / 36e2, 4) AS hours,
    round(1e2 * sum(seconds) / nullif(sum(sum(seconds)) OVER (), 0e0), 2) AS percent_of_time,
    max(events) AS most_events_of_a_lab
FROM class_distribution_stats
GROUP BY action
ORDER BY events DESC, action ASC
