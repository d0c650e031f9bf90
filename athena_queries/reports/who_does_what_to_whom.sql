-- purpose: Who does what to whom in each video of a lab, with strain and sex of both mice.
-- grain: one row per (video, agent, target, action); target_id equals agent_id for a self action
-- param: lab_id string
-- partition filter: lab_id
SELECT
    video_id,
    agent_id,
    target_id,
    action,
    max(agent_strain) AS agent_strain,
    max(agent_sex) AS agent_sex,
    max(target_strain) AS target_strain,
    max(target_sex) AS target_sex,
    count(*) AS events,
    round(sum(duration_sec), 3) AS seconds
FROM annotations_enriched
WHERE lab_id = ?
GROUP BY video_id, agent_id, target_id, action
ORDER BY video_id, agent_id, target_id, action
