-- purpose: Which body parts each lab tracks: videos, mice and points of each.
-- grain: one row per (split, lab, body part)
-- partition filter: none, all labs are compared; track_summary has one row per track
SELECT
    split,
    lab_id,
    bodypart,
    count(DISTINCT video_id) AS videos,
    count(*) AS tracks,
    sum(points_measured) AS points_measured,
    round(sum(tracked_sec) / 36e2, 3) AS tracked_hours
FROM track_summary
GROUP BY split, lab_id, bodypart
ORDER BY split, lab_id, bodypart
