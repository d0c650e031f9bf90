-- purpose: Annotated events with the rig and the tracking method of their video.
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
    m.frames_per_second,
    m.video_duration_sec,
    m.arena_shape,
    m.arena_type,
    m.n_mice,
    m.tracking_method
FROM annotations_enriched AS e
LEFT JOIN metadata_train AS m ON e.lab_id = m.lab_id AND e.video_id = m.video_id
