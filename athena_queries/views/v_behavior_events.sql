-- purpose: Annotated and predicted events alike, with what is known of both mice: strain, sex, age, condition.
-- grain: one row per event; source is 'annotated' (run_id null) or 'predicted'
-- partition filter: filter by lab_id (annotations) and run_id (predictions) when you query it
-- watched_frames: how many frames of the video were looked at, the divisor of a share of the time: all of them for
-- annotations, those that the run predicted for predictions (null for runs before predicted_videos was there).
-- counted_frames: of events of one action by one mouse to one target that overlap, a frame counts once.
CREATE OR REPLACE VIEW v_behavior_events AS
WITH events AS (
    SELECT
        'annotated' AS source, -- noqa: RF04
        CAST(NULL AS varchar) AS run_id,
        split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame
    FROM annotations_enriched
    WHERE stop_frame > start_frame
    UNION ALL
    SELECT
        'predicted' AS source, -- noqa: RF04
        run_id,
        split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame
    FROM predictions
    WHERE stop_frame > start_frame
),

reached AS (
    SELECT
        events.*,
        max(stop_frame) OVER (
            PARTITION BY source, run_id, split, lab_id, video_id, agent_id, target_id, action
            ORDER BY start_frame, stop_frame
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_frame
    FROM events
),

videos AS (
    SELECT 'train' AS split, metadata_train.* FROM metadata_train
    UNION ALL
    SELECT 'test' AS split, metadata_test.* FROM metadata_test
)

SELECT
    e.source, e.run_id, e.split, e.lab_id, e.video_id, e.agent_id, e.target_id, e.action, e.start_frame, e.stop_frame,
    greatest(
        0,
        least(e.stop_frame, coalesce(CAST(ceil(v.frames_per_second * v.video_duration_sec) AS bigint), e.stop_frame))
        - greatest(e.start_frame, coalesce(e.reached_frame, e.start_frame))
    ) AS counted_frames,
    greatest(
        0,
        least(e.stop_frame, coalesce(CAST(ceil(v.frames_per_second * v.video_duration_sec) AS bigint), e.stop_frame))
        - greatest(e.start_frame, coalesce(e.reached_frame, e.start_frame))
    ) / v.frames_per_second AS counted_sec,
    CASE
        WHEN e.source = 'annotated' THEN v.frames_per_second * v.video_duration_sec
        ELSE CAST(p.stop_frame - p.start_frame AS double)
    END AS watched_frames,
    v.frames_per_second,
    v.video_duration_sec,
    element_at(ARRAY[v.mouse1_strain, v.mouse2_strain, v.mouse3_strain, v.mouse4_strain], e.agent_id) AS agent_strain,
    element_at(ARRAY[v.mouse1_sex, v.mouse2_sex, v.mouse3_sex, v.mouse4_sex], e.agent_id) AS agent_sex,
    element_at(ARRAY[v.mouse1_age, v.mouse2_age, v.mouse3_age, v.mouse4_age], e.agent_id) AS agent_age,
    element_at(ARRAY[v.mouse1_condition, v.mouse2_condition, v.mouse3_condition, v.mouse4_condition], e.agent_id)
        AS agent_condition
FROM reached AS e
LEFT JOIN predicted_videos AS p
    ON e.run_id = p.run_id AND e.split = p.split AND e.lab_id = p.lab_id AND e.video_id = p.video_id
LEFT JOIN videos AS v ON e.split = v.split AND e.lab_id = v.lab_id AND e.video_id = v.video_id
