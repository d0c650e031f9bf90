-- purpose: Which lab annotates which action: seen, looked for in vain, or not looked for (so unknown).
-- grain: one row per (lab, action), of every lab and every action that anybody annotated or looked for
-- partition filter: none needed, no partitioned table is read
WITH looked_for AS (
    SELECT
        lab_id,
        action,
        count(DISTINCT video_id) AS videos
    FROM labeled_behaviors
    GROUP BY lab_id, action
),

seen AS (
    SELECT
        lab_id,
        action,
        videos,
        events,
        seconds
    FROM class_distribution_stats
),

labs AS (
    SELECT lab_id FROM looked_for
    UNION
    SELECT lab_id FROM seen
),

actions AS (
    SELECT action FROM looked_for
    UNION
    SELECT action FROM seen
),

cells AS (
    SELECT
        labs.lab_id,
        actions.action
    FROM labs
    CROSS JOIN actions
)

SELECT
    cells.lab_id,
    cells.action,
    CASE
        WHEN seen.events IS NOT NULL AND looked_for.videos IS NOT NULL THEN 'seen'
        WHEN seen.events IS NOT NULL THEN 'seen, not looked for'
        WHEN looked_for.videos IS NOT NULL THEN 'looked for in vain'
        ELSE 'not looked for'
    END AS status,
    coalesce(looked_for.videos, 0) AS videos_looked_for,
    coalesce(seen.videos, 0) AS videos_seen,
    coalesce(seen.events, 0) AS events,
    round(coalesce(seen.seconds, 0e0), 2) AS seconds
FROM cells
LEFT JOIN looked_for ON cells.lab_id = looked_for.lab_id AND cells.action = looked_for.action
LEFT JOIN seen ON cells.lab_id = seen.lab_id AND cells.action = seen.action
ORDER BY cells.lab_id, cells.action
