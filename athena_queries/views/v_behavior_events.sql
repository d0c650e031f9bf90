-- purpose: Annotated and predicted events alike, with what is known of both mice: strain, sex, age, condition.
-- grain: one row per event; source is 'annotated' (run_id null) or 'predicted'
-- partition filter: filter by lab_id (annotations) and run_id (predictions) when you query it
-- watched_frames: how many frames of the video were looked at, the divisor of a share of the time: for annotations
-- all of them or those of the labelled spans, for predictions those that the run predicted (null for runs before
-- predicted_videos was there).
-- counted_frames: of events of one action by one mouse to one target that overlap, a frame counts once.
-- overlong: 1 for an annotated event that ends past the video (issue interval-overlong): where it truly ends is not
-- known, so that none of its frames counts.
CREATE OR REPLACE VIEW v_behavior_events AS
WITH events AS (
    SELECT
        'annotated' AS source, -- noqa: RF04
        CAST(NULL AS varchar) AS run_id,
        split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame,
        CASE WHEN issue = 'interval-overlong' THEN 1 ELSE 0 END AS overlong
    FROM annotations_enriched
    WHERE stop_frame > start_frame
    UNION ALL
    SELECT
        'predicted' AS source, -- noqa: RF04
        run_id,
        split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame,
        0 AS overlong
    FROM predictions
    WHERE stop_frame > start_frame
),

reached AS (
    SELECT
        events.*,
        max(stop_frame) OVER (
            PARTITION BY source, run_id, split, lab_id, video_id, agent_id, target_id, action, overlong
            ORDER BY start_frame, stop_frame
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_frame
    FROM events
),

videos AS (
    SELECT 'train' AS split, metadata_train.* FROM metadata_train
    UNION ALL
    SELECT 'test' AS split, metadata_test.* FROM metadata_test
),

counted AS (
    SELECT
        e.*,
        (1 - e.overlong) * greatest(
            0,
            least(
                e.stop_frame, coalesce(CAST(ceil(v.frames_per_second * v.video_duration_sec) AS bigint), e.stop_frame)
            )
            - greatest(e.start_frame, coalesce(e.reached_frame, e.start_frame))
        ) AS counted_frames,
        v.frames_per_second, v.video_duration_sec,
        v.animal_strains, v.animal_sexes, v.animal_ages, v.animal_conditions
    FROM reached AS e
    LEFT JOIN videos AS v ON e.split = v.split AND e.lab_id = v.lab_id AND e.video_id = v.video_id
)

SELECT
    e.source, e.run_id, e.split, e.lab_id, e.video_id, e.agent_id, e.target_id, e.action, e.start_frame, e.stop_frame,
    e.overlong,
    e.counted_frames,
    e.counted_frames / e.frames_per_second AS counted_sec,
    CASE
        WHEN e.source = 'annotated'
        THEN coalesce(CAST(l.labelled_frames AS double), e.frames_per_second * e.video_duration_sec)
        ELSE CAST(p.stop_frame - p.start_frame AS double)
    END AS watched_frames,
    e.frames_per_second,
    e.video_duration_sec,
    element_at(e.animal_strains, e.agent_id) AS agent_strain,
    element_at(e.animal_sexes, e.agent_id) AS agent_sex,
    element_at(e.animal_ages, e.agent_id) AS agent_age,
    element_at(e.animal_conditions, e.agent_id) AS agent_condition
FROM counted AS e
LEFT JOIN predicted_videos AS p
    ON e.run_id = p.run_id AND e.split = p.split AND e.lab_id = p.lab_id AND e.video_id = p.video_id
LEFT JOIN v_action_spans AS l
    ON e.split = l.split
    AND e.lab_id = l.lab_id
    AND e.video_id = l.video_id
    AND e.agent_id = l.agent_id
    AND e.target_id = l.target_id
    AND e.action = l.action
