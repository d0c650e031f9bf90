-- purpose: How much of each lab is annotated, and of what was looked for, how much was ever seen.
-- grain: one row per (split, lab); a triplet is (video, agent, target, action)
-- partition filter: none, all labs are compared; behavior_summary has one row per triplet
WITH videos AS (
    SELECT
        'train' AS split,
        lab_id,
        has_annotation,
        video_duration_sec
    FROM metadata_train
    UNION ALL
    SELECT
        'test' AS split,
        lab_id,
        has_annotation,
        video_duration_sec
    FROM metadata_test
),

labs AS (
    SELECT
        split,
        lab_id,
        count(*) AS videos,
        count(*) FILTER (WHERE has_annotation) AS annotated_videos,
        sum(video_duration_sec) FILTER (WHERE has_annotation) / 36e2 AS annotated_hours
    FROM videos
    GROUP BY split, lab_id
),

looked_for AS (
    SELECT
        split,
        lab_id,
        count(*) AS triplets
    FROM labeled_behaviors
    GROUP BY split, lab_id
),

seen AS (
    SELECT
        split,
        lab_id,
        count(*) FILTER (WHERE is_labeled) AS triplets,
        sum(events) AS events,
        sum(events) FILTER (WHERE NOT is_labeled) AS unasked_events
    FROM behavior_summary
    GROUP BY split, lab_id
)

SELECT
    labs.split,
    labs.lab_id,
    labs.videos,
    labs.annotated_videos,
    round(coalesce(labs.annotated_hours, 0e0), 4) AS annotated_hours,
    coalesce(looked_for.triplets, 0) AS triplets_looked_for,
    coalesce(seen.triplets, 0) AS triplets_seen,
    round(1e2 * coalesce(seen.triplets, 0) / looked_for.triplets, 2) AS seen_percent,
    coalesce(seen.events, 0) AS events,
    coalesce(seen.unasked_events, 0) AS events_not_looked_for
FROM labs
LEFT JOIN looked_for ON labs.split = looked_for.split AND labs.lab_id = looked_for.lab_id
LEFT JOIN seen ON labs.split = seen.split AND labs.lab_id = seen.lab_id
ORDER BY labs.split, labs.lab_id
