-- purpose: Where tracks are interrupted: how often, how long, and for which share of the time of a part.
-- grain: one row per (split, lab, body part)
-- partition filter: none, all labs are compared; track_summary has one row per track
SELECT
    split,
    lab_id,
    bodypart,
    count(*) AS tracks,
    count(*) FILTER (WHERE gaps > 0) AS tracks_with_gaps,
    sum(gaps) AS gaps,
    sum(gap_frames) AS gap_frames,
    round(1e0 * sum(gap_frames) / nullif(sum(gaps), 0), 2) AS mean_gap_frames,
    max(longest_gap_frames) AS longest_gap_frames,
    round(1e2 * sum(gap_frames) / nullif(sum(last_frame - first_frame + 1), 0), 3) AS gap_percent
FROM track_summary
GROUP BY split, lab_id, bodypart
ORDER BY split, lab_id, bodypart
