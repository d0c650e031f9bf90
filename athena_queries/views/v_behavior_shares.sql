-- purpose: Share of its time that every animal spends on every action that was looked for, annotated and predicted.
-- grain: one row per (source, run, lab, video, acting mouse, action); source is 'annotated' or 'predicted'
-- partition filter: filter by lab_id when you query it
-- percent_of_time: per cent of the video (of a prediction: of the frames that were predicted); 0 if the action was
-- looked for and never seen. Training videos only: those of the test split are not annotated.
CREATE OR REPLACE VIEW v_behavior_shares AS
WITH watched AS (
    SELECT DISTINCT l.lab_id, l.video_id, l.agent_id, l.action
    FROM labeled_behaviors AS l
    WHERE l.split = 'train'
),

sources AS (
    SELECT
        'annotated' AS source, -- noqa: RF04
        CAST(NULL AS varchar) AS run_id,
        lab_id, video_id, frames_per_second * video_duration_sec AS watched_frames
    FROM metadata_train
    WHERE has_annotation
    UNION ALL
    SELECT
        'predicted' AS source, -- noqa: RF04
        run_id, lab_id, video_id, CAST(stop_frame - start_frame AS double) AS watched_frames
    FROM predicted_videos
    WHERE split = 'train'
),

done AS (
    SELECT source, coalesce(run_id, '') AS run_id, lab_id, video_id, agent_id, action, sum(counted_frames) AS frames
    FROM v_behavior_events
    WHERE split = 'train'
    GROUP BY source, coalesce(run_id, ''), lab_id, video_id, agent_id, action
)

SELECT
    s.source, coalesce(s.run_id, '') AS run_id, w.lab_id, w.video_id, w.agent_id, w.action,
    1e2 * coalesce(d.frames, 0) / s.watched_frames AS percent_of_time,
    element_at(ARRAY[m.mouse1_strain, m.mouse2_strain, m.mouse3_strain, m.mouse4_strain], w.agent_id) AS strain,
    element_at(ARRAY[m.mouse1_sex, m.mouse2_sex, m.mouse3_sex, m.mouse4_sex], w.agent_id) AS sex,
    element_at(ARRAY[m.mouse1_age, m.mouse2_age, m.mouse3_age, m.mouse4_age], w.agent_id) AS age,
    element_at(ARRAY[m.mouse1_condition, m.mouse2_condition, m.mouse3_condition, m.mouse4_condition], w.agent_id)
        AS condition
FROM watched AS w
INNER JOIN sources AS s ON w.lab_id = s.lab_id AND w.video_id = s.video_id
INNER JOIN metadata_train AS m ON w.lab_id = m.lab_id AND w.video_id = m.video_id
LEFT JOIN done AS d
    ON s.source = d.source
    AND coalesce(s.run_id, '') = d.run_id
    AND w.lab_id = d.lab_id
    AND w.video_id = d.video_id
    AND w.agent_id = d.agent_id
    AND w.action = d.action
WHERE s.watched_frames > 0e0
