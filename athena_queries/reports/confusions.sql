-- purpose: What a run takes an action for: what it predicts while an annotated action goes on.
-- grain: one row per (annotated action, predicted action) of one lab, where both overlap
-- param: run_id string
-- param: lab_id string
-- bind: lab_id run_id lab_id
-- partition filter: run_id for predictions, lab_id for annotations
WITH overlaps AS (
    SELECT
        a.action AS annotated_action,
        p.action AS predicted_action,
        least(a.stop_frame, p.stop_frame) - greatest(a.start_frame, p.start_frame) AS frames
    FROM annotations_enriched AS a
    INNER JOIN predictions AS p
        ON
            a.lab_id = p.lab_id
            AND a.split = p.split
            AND a.video_id = p.video_id
            AND a.agent_id = p.agent_id
            AND a.target_id = p.target_id
            AND a.start_frame < p.stop_frame
            AND a.stop_frame > p.start_frame
    WHERE a.lab_id = ? AND p.run_id = ? AND p.lab_id = ?
)

SELECT
    annotated_action,
    predicted_action,
    annotated_action = predicted_action AS is_right,
    count(*) AS overlapping_events,
    sum(frames) AS frames,
    round(1e2 * sum(frames) / sum(sum(frames)) OVER (PARTITION BY annotated_action), 2) AS percent_of_seen
FROM overlaps
WHERE frames > 0
GROUP BY annotated_action, predicted_action
ORDER BY annotated_action, predicted_action
