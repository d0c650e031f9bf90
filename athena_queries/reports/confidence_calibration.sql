-- purpose: Whether a run's confidence is honest: how many events of each confidence an annotated event confirms.
-- grain: one row per tenth of confidence; confirmed: one annotated event of the triplet covers at least half of it
-- param: run_id string
-- partition filter: run_id for predictions; the annotations of all labs
WITH judged AS (
    SELECT
        p.lab_id,
        p.video_id,
        p.agent_id,
        p.target_id,
        p.action,
        p.start_frame,
        p.stop_frame,
        p.confidence,
        max(least(p.stop_frame, a.stop_frame) - greatest(p.start_frame, a.start_frame)) AS shared_frames
    FROM predictions AS p
    INNER JOIN metadata_train AS m ON p.lab_id = m.lab_id AND p.video_id = m.video_id
    INNER JOIN labeled_behaviors AS l
        ON
            p.lab_id = l.lab_id
            AND p.video_id = l.video_id
            AND p.agent_id = l.agent_id
            AND p.target_id = l.target_id
            AND p.action = l.action
    LEFT JOIN annotations_enriched AS a
        ON
            p.lab_id = a.lab_id
            AND p.video_id = a.video_id
            AND p.split = a.split
            AND p.agent_id = a.agent_id
            AND p.target_id = a.target_id
            AND p.action = a.action
            AND p.start_frame < a.stop_frame
            AND p.stop_frame > a.start_frame
    WHERE
        p.run_id = ? AND p.split = 'train' AND l.split = 'train' AND m.has_annotation AND p.confidence IS NOT NULL
    GROUP BY
        p.lab_id, p.video_id, p.agent_id, p.target_id, p.action, p.start_frame, p.stop_frame, p.confidence
)

SELECT
    least(floor(1e1 * confidence), 9e0) / 1e1 AS from_confidence,
    count(*) AS events,
    round(avg(confidence), 4) AS mean_confidence,
    count(*) FILTER (WHERE 2 * shared_frames >= stop_frame - start_frame) AS confirmed_events,
    round(
        1e0 * count(*) FILTER (WHERE 2 * shared_frames >= stop_frame - start_frame) / count(*), 4
    ) AS confirmed_share
FROM judged
GROUP BY least(floor(1e1 * confidence), 9e0) / 1e1
ORDER BY from_confidence
