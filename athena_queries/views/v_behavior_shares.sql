-- purpose: Share of its time that every animal spends on every action that was looked for, annotated and predicted.
-- grain: one row per (source, run, lab, video, acting mouse, action); source is 'annotated' or 'predicted'
-- partition filter: filter by lab_id when you query it
-- percent_of_time: per cent of the frames in which the action was looked for (of a prediction: of those that were
-- predicted); 0 if it was looked for and never seen. Training videos only: those of the test split are not annotated.
-- overlong: annotated events that end past the video; they are left out of the share.
CREATE OR REPLACE VIEW v_behavior_shares AS
WITH watched AS (
    SELECT
        l.lab_id, l.video_id, l.agent_id, l.action,
        CASE WHEN count(*) = count(l.labelled_frames) THEN max(l.labelled_frames) END AS labelled_frames
    FROM v_action_spans AS l
    WHERE l.split = 'train'
    GROUP BY l.lab_id, l.video_id, l.agent_id, l.action
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
    SELECT
        source, coalesce(run_id, '') AS run_id, lab_id, video_id, agent_id, action,
        sum(counted_frames) AS frames,
        sum(overlong) AS overlong
    FROM v_behavior_events
    WHERE split = 'train'
    GROUP BY source, coalesce(run_id, ''), lab_id, video_id, agent_id, action
)

SELECT
    s.source, coalesce(s.run_id, '') AS run_id, w.lab_id, w.video_id, w.agent_id, w.action,
    1e2 * coalesce(d.frames, 0)
    / CASE WHEN s.source = 'annotated' THEN coalesce(w.labelled_frames, s.watched_frames) ELSE s.watched_frames END
        AS percent_of_time,
    coalesce(d.overlong, 0) AS overlong,
    element_at(m.animal_strains, w.agent_id) AS strain,
    element_at(m.animal_sexes, w.agent_id) AS sex,
    element_at(m.animal_ages, w.agent_id) AS age,
    element_at(m.animal_conditions, w.agent_id) AS condition
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
