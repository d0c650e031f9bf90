-- purpose: A run against the annotations, frame by frame: the official score's counts, made from the events.
-- grain: one row per (lab, action), over the annotated videos that the run predicted; only frames that were looked at
-- param: run_id string
-- bind: run_id run_id
-- partition filter: run_id for predictions; the annotations of all labs
WITH videos AS (
    SELECT DISTINCT
        p.lab_id,
        p.video_id
    FROM predictions AS p
    INNER JOIN metadata_train AS m ON p.lab_id = m.lab_id AND p.video_id = m.video_id
    WHERE p.run_id = ? AND m.has_annotation
),

predicted AS (
    SELECT
        p.lab_id,
        p.video_id,
        p.agent_id,
        p.target_id,
        p.action,
        p.start_frame,
        p.stop_frame
    FROM predictions AS p
    INNER JOIN labeled_behaviors AS l
        ON
            p.lab_id = l.lab_id
            AND p.video_id = l.video_id
            AND p.agent_id = l.agent_id
            AND p.target_id = l.target_id
            AND p.action = l.action
    WHERE p.run_id = ? AND p.split = 'train' AND l.split = 'train'
),

-- Every event opens at its first frame and closes after its last: between two such steps nothing changes.
steps AS (
    SELECT
        e.lab_id,
        e.video_id,
        e.agent_id,
        e.target_id,
        e.action,
        t.video_frame,
        t.step AS predicted,
        0 AS annotated,
        0 AS looked,
        0 AS partly
    FROM predicted AS e
    CROSS JOIN unnest(ARRAY[e.start_frame, e.stop_frame], ARRAY[1, -1]) AS t (video_frame, step)
    UNION ALL
    SELECT
        e.lab_id,
        e.video_id,
        e.agent_id,
        e.target_id,
        e.action,
        t.video_frame,
        0 AS predicted,
        t.step AS annotated,
        0 AS looked,
        0 AS partly
    FROM annotations_enriched AS e
    CROSS JOIN unnest(ARRAY[e.start_frame, e.stop_frame], ARRAY[1, -1]) AS t (video_frame, step)
    WHERE e.split = 'train'
    UNION ALL
    SELECT
        l.lab_id,
        l.video_id,
        l.agent_id,
        l.target_id,
        l.action,
        t.video_frame,
        0 AS predicted,
        0 AS annotated,
        t.step AS looked,
        1 AS partly
    FROM v_action_spans AS l
    CROSS JOIN unnest(l.spans) AS s (span)
    CROSS JOIN unnest(ARRAY[s.span[1], s.span[2]], ARRAY[1, -1]) AS t (video_frame, step)
    WHERE l.split = 'train'
),

spans AS (
    SELECT
        lab_id,
        video_id,
        action,
        lead(video_frame) OVER (PARTITION BY lab_id, video_id, agent_id, target_id, action ORDER BY video_frame)
        - video_frame AS frames,
        sum(sum(predicted)) OVER (
            PARTITION BY lab_id, video_id, agent_id, target_id, action ORDER BY video_frame
        ) AS predicted,
        sum(sum(annotated)) OVER (
            PARTITION BY lab_id, video_id, agent_id, target_id, action ORDER BY video_frame
        ) AS annotated,
        sum(sum(looked)) OVER (
            PARTITION BY lab_id, video_id, agent_id, target_id, action ORDER BY video_frame
        ) AS looked,
        max(max(partly)) OVER (PARTITION BY lab_id, video_id, agent_id, target_id, action) AS partly
    FROM steps
    GROUP BY lab_id, video_id, agent_id, target_id, action, video_frame
),

counts AS (
    SELECT
        spans.lab_id,
        spans.action,
        coalesce(sum(spans.frames) FILTER (WHERE spans.predicted > 0 AND spans.annotated > 0), 0) AS tp_frames,
        coalesce(sum(spans.frames) FILTER (WHERE spans.predicted > 0 AND spans.annotated = 0), 0) AS fp_frames,
        coalesce(sum(spans.frames) FILTER (WHERE spans.predicted = 0 AND spans.annotated > 0), 0) AS fn_frames
    FROM spans
    INNER JOIN videos ON spans.lab_id = videos.lab_id AND spans.video_id = videos.video_id
    WHERE spans.partly = 0 OR spans.looked > 0
    GROUP BY spans.lab_id, spans.action
)

SELECT
    lab_id,
    action,
    tp_frames,
    fp_frames,
    fn_frames,
    round(1e0 * tp_frames / nullif(tp_frames + fp_frames, 0), 4) AS precision_frames,
    round(1e0 * tp_frames / nullif(tp_frames + fn_frames, 0), 4) AS recall_frames,
    round(2e0 * tp_frames / nullif(2 * tp_frames + fp_frames + fn_frames, 0), 4) AS f_score
FROM counts
ORDER BY lab_id, action
