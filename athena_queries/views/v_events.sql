-- purpose: Annotated events with strain, sex, age and condition (treatment) of both mice, and the rig.
-- grain: one row per annotated event
-- partition filter: filter by lab_id when you query it
CREATE OR REPLACE VIEW v_events AS
SELECT
    e.lab_id,
    e.split,
    e.video_id,
    e.agent_id,
    e.target_id,
    e.action,
    e.start_frame,
    e.stop_frame,
    e.start_sec,
    e.stop_sec,
    e.duration_sec,
    e.counted_sec,
    e.is_self,
    e.is_labeled,
    e.issue,
    e.agent_strain,
    e.agent_sex,
    e.target_strain,
    e.target_sex,
    element_at(m.animal_ages, e.agent_id) AS agent_age,
    element_at(m.animal_conditions, e.agent_id) AS agent_condition,
    element_at(m.animal_ages, e.target_id) AS target_age,
    element_at(m.animal_conditions, e.target_id) AS target_condition,
    m.frames_per_second,
    m.video_duration_sec,
    m.arena_shape,
    m.arena_type,
    m.n_mice,
    m.tracking_method
FROM annotations_enriched AS e
LEFT JOIN metadata_train AS m ON e.lab_id = m.lab_id AND e.video_id = m.video_id
