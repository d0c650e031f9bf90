-- purpose: The annotated events of one video in order, as a reviewer reads them.
-- grain: one row per annotated event
-- param: lab_id string
-- param: video_id bigint
-- partition filter: lab_id
SELECT
    start_frame,
    stop_frame,
    agent_id,
    target_id,
    action,
    is_labeled,
    issue,
    round(start_frame / frames_per_second, 3) AS start_sec,
    round(stop_frame / frames_per_second, 3) AS stop_sec
FROM annotations_enriched
WHERE lab_id = ? AND video_id = ?
ORDER BY start_frame, agent_id, target_id, action
