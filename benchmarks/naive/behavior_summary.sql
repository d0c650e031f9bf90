-- purpose: What the tables job precomputes of the annotations, one row a triplet.
-- grain: one row per (split, lab, video, agent, target, action)
-- partition filter: none, the naive lake has no partitions
CREATE OR REPLACE VIEW behavior_summary AS
WITH groups AS (
    SELECT
        split,
        lab_id,
        video_id,
        agent_id,
        target_id,
        action,
        bool_or(is_self) AS is_self,
        bool_or(is_labeled) AS is_labeled,
        max(agent_strain) AS agent_strain,
        max(agent_sex) AS agent_sex,
        max(target_strain) AS target_strain,
        max(target_sex) AS target_sex,
        count(*) AS events,
        sum(duration_frames) AS frames,
        sum(duration_sec) AS seconds,
        array_sort(array_agg(duration_sec)) AS durations,
        count(duration_sec) AS known,
        max(duration_sec) AS max_sec,
        min(start_sec) AS first_start_sec,
        max(stop_sec) AS last_stop_sec
    FROM annotations_enriched
    GROUP BY split, lab_id, video_id, agent_id, target_id, action
)

SELECT
    split,
    lab_id,
    video_id,
    agent_id,
    target_id,
    action,
    is_self,
    is_labeled,
    agent_strain,
    agent_sex,
    target_strain,
    target_sex,
    events,
    frames,
    seconds,
    max_sec,
    first_start_sec,
    last_stop_sec,
    (element_at(durations, (known + 1) / 2) + element_at(durations, (known + 2) / 2)) / 2e0 AS median_sec
FROM groups
