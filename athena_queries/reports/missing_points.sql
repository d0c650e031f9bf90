-- purpose: How well each lab's body parts are tracked: points filled by curation, and points still missing.
-- grain: one row per (split, lab, body part)
-- partition filter: none, all labs are compared; track_summary has one row per track
SELECT
    split,
    lab_id,
    bodypart,
    sum(frames_present) AS points_expected,
    sum(points_measured) AS measured,
    sum(points_imputed) AS imputed,
    sum(points_missing) AS missing,
    round(1e2 * sum(points_imputed) / nullif(sum(frames_present), 0), 2) AS imputed_percent,
    round(1e2 * sum(points_missing) / nullif(sum(frames_present), 0), 2) AS missing_percent
FROM track_summary
GROUP BY split, lab_id, bodypart
ORDER BY split, lab_id, bodypart
