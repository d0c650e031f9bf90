-- purpose: How long a mouse waits before it does the same thing to the same mouse again (nearest rank, exact).
-- grain: one row per action of one lab; an event that begins before the last one ended has no interval
-- param: lab_id string
-- partition filter: lab_id
WITH followed AS (
    SELECT
        action,
        (
            start_frame - lag(stop_frame) OVER (
                PARTITION BY split, video_id, agent_id, target_id, action
                ORDER BY start_frame, stop_frame
            )
        ) / frames_per_second AS interval_sec
    FROM annotations_enriched
    WHERE lab_id = ?
),

ranked AS (
    SELECT
        action,
        interval_sec,
        row_number() OVER (PARTITION BY action ORDER BY interval_sec) AS place,
        count(*) OVER (PARTITION BY action) AS intervals
    FROM followed
    WHERE interval_sec >= 0e0
)

SELECT
    action,
    intervals,
    round(min(interval_sec), 3) AS shortest_sec,
    round(min(interval_sec) FILTER (WHERE place >= 0.5e0 * intervals), 3) AS median_sec,
    round(min(interval_sec) FILTER (WHERE place >= 0.95e0 * intervals), 3) AS p95_sec,
    round(max(interval_sec), 3) AS longest_sec
FROM ranked
GROUP BY action, intervals
ORDER BY action
