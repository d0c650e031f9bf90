-- purpose: Who does what to whom in each video of a lab, with strain and sex of both mice.
-- grain: one row per (split, video, agent, target, action); target_id equals agent_id for a self action
-- param: lab_id string
-- partition filter: lab_id
SELECT
    split,
    video_id,
    agent_id,
    target_id,
    action,
    agent_strain,
    agent_sex,
    target_strain,
    target_sex,
    events,
    round(seconds, 3) AS seconds
FROM behavior_summary
WHERE lab_id = ?
ORDER BY split, video_id, agent_id, target_id, action
