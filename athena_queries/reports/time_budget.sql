-- purpose: How each mouse of a lab spends its time, as far as it was annotated.
-- grain: one row per (video, acting mouse, action); an action to two targets at once counts for each
-- percent_of_video: of the whole video, also where only spans of it were looked at; time_budget_by_source divides
-- by what was looked at
-- param: lab_id string
-- bind: lab_id lab_id
-- partition filter: lab_id
WITH budget AS (
    SELECT
        video_id,
        agent_id,
        action,
        sum(events) AS events,
        sum(seconds) AS seconds
    FROM behavior_summary
    WHERE lab_id = ? AND split = 'train'
    GROUP BY video_id, agent_id, action
),

videos AS (
    SELECT
        video_id,
        video_duration_sec
    FROM metadata_train
    WHERE lab_id = ?
)

SELECT
    budget.video_id,
    budget.agent_id,
    budget.action,
    budget.events,
    round(budget.seconds, 3) AS seconds,
    round(1e2 * budget.seconds / nullif(videos.video_duration_sec, 0e0), 2) AS percent_of_video
FROM budget
INNER JOIN videos ON budget.video_id = videos.video_id
ORDER BY budget.video_id ASC, budget.agent_id ASC, seconds DESC, budget.action ASC
