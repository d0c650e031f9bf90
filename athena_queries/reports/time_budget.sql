-- purpose: How each mouse of a lab spends its time, as far as it was annotated.
-- grain: one row per (video, acting mouse, action); an action to two targets at once counts for each
-- param: lab_id string
-- partition filter: lab_id
SELECT
    e.video_id,
    e.agent_id,
    e.action,
    count(*) AS events,
    round(sum(e.duration_sec), 3) AS seconds,
    round(1e2 * sum(e.duration_sec) / nullif(max(m.video_duration_sec), 0.0), 2) AS percent_of_video
FROM annotations_enriched AS e
INNER JOIN metadata_train AS m ON e.video_id = m.video_id
WHERE e.lab_id = ? AND e.split = 'train'
GROUP BY e.video_id, e.agent_id, e.action
ORDER BY e.video_id, e.agent_id, seconds DESC, e.action
