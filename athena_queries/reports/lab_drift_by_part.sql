-- purpose: Body part by body part, how a (new) lab's tracking differs from all other train labs that track it.
-- grain: one row per body part of any lab; every other lab counts once; missing_percent holds filled points, too
-- param: lab_id string
-- bind: lab_id lab_id lab_id
-- partition filter: none, all labs are compared; track_summary has one row per track
WITH labs AS (
    SELECT
        lab_id,
        bodypart,
        sum(path_cm) / nullif(sum(tracked_sec), 0e0) AS mean_speed,
        1e2 * sum(points_imputed + points_missing) / nullif(sum(frames_present), 0) AS missing_percent
    FROM track_summary
    WHERE split = 'train' OR lab_id = ?
    GROUP BY lab_id, bodypart
),

here AS (
    SELECT
        bodypart,
        mean_speed,
        missing_percent
    FROM labs
    WHERE lab_id = ?
),

others AS (
    SELECT
        bodypart,
        count(*) AS labs,
        avg(mean_speed) AS mean_speed,
        avg(missing_percent) AS missing_percent
    FROM labs
    WHERE lab_id <> ?
    GROUP BY bodypart
)

SELECT
    coalesce(here.bodypart, others.bodypart) AS bodypart,
    here.bodypart IS NOT NULL AS tracked_here,
    coalesce(others.labs, 0) AS other_labs,
    round(here.mean_speed, 3) AS speed_here_cm_s,
    round(others.mean_speed, 3) AS speed_elsewhere_cm_s,
    round(here.missing_percent, 3) AS missing_here_percent,
    round(others.missing_percent, 3) AS missing_elsewhere_percent
FROM here
FULL OUTER JOIN others ON here.bodypart = others.bodypart
ORDER BY bodypart
