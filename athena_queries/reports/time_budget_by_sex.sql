-- purpose: How mice of each sex spend their time: per hour in which the action was looked for.
-- grain: one row per (lab, sex, action); a mouse counts once a video; an action to two targets counts for each
-- partition filter: none, all labs are compared; behavior_summary has one row per (video, agent, target, action)
WITH watched AS (
    SELECT
        lab_id,
        video_id,
        agent_id,
        action,
        CASE WHEN count(*) = count(labelled_frames) THEN max(labelled_frames) END AS labelled_frames
    FROM v_action_spans
    WHERE split = 'train'
    GROUP BY lab_id, video_id, agent_id, action
),

mice AS (
    SELECT
        w.lab_id,
        w.action,
        coalesce(w.labelled_frames / m.frames_per_second, m.video_duration_sec) AS watched_sec,
        coalesce(element_at(m.animal_sexes, w.agent_id), 'unknown') AS sex
    FROM watched AS w
    INNER JOIN metadata_train AS m ON w.lab_id = m.lab_id AND w.video_id = m.video_id
    WHERE m.has_annotation
),

hours AS (
    SELECT
        lab_id,
        sex,
        action,
        count(*) AS mice,
        sum(watched_sec) / 36e2 AS watched_hours
    FROM mice
    GROUP BY lab_id, sex, action
),

done AS (
    SELECT
        lab_id,
        action,
        coalesce(agent_sex, 'unknown') AS sex,
        sum(events) AS events,
        sum(seconds) AS seconds
    FROM behavior_summary
    WHERE split = 'train' AND is_labeled
    GROUP BY lab_id, coalesce(agent_sex, 'unknown'), action
)

SELECT
    hours.lab_id,
    hours.sex,
    hours.action,
    hours.mice,
    round(hours.watched_hours, 4) AS watched_hours,
    coalesce(done.events, 0) AS events,
    round(coalesce(done.seconds, 0e0), 3) AS seconds,
    round(coalesce(done.seconds, 0e0) / nullif(36e0 * hours.watched_hours, 0e0), 3) AS percent_of_time,
    round(coalesce(done.events, 0) / nullif(hours.watched_hours, 0e0), 2) AS events_per_hour
FROM hours
LEFT JOIN done ON hours.lab_id = done.lab_id AND hours.sex = done.sex AND hours.action = done.action
ORDER BY hours.lab_id, hours.sex, hours.action
