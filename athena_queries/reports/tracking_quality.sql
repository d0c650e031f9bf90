-- purpose: The videos by the quality of their tracking, the worst first: what to look at before trusting a result.
-- grain: one row per (split, lab, video)
-- partition filter: none, all labs are compared; track_summary has one row per track
WITH videos AS (
    SELECT
        split,
        lab_id,
        video_id,
        count(DISTINCT mouse_id) AS mice,
        count(DISTINCT bodypart) AS parts,
        1e2 * sum(points_imputed + points_missing) / nullif(sum(frames_present), 0) AS unmeasured_percent,
        sum(gaps) AS gaps,
        max(longest_gap_frames) AS longest_gap_frames,
        sum(jumps) AS jumps,
        max(max_speed) AS max_speed
    FROM track_summary
    GROUP BY split, lab_id, video_id
)

SELECT
    split,
    lab_id,
    video_id,
    mice,
    parts,
    gaps,
    longest_gap_frames,
    jumps,
    round(unmeasured_percent, 2) AS unmeasured_percent,
    round(cast(max_speed AS double), 1) AS max_speed_cm_s
FROM videos
ORDER BY unmeasured_percent DESC, split ASC, lab_id ASC, video_id ASC
