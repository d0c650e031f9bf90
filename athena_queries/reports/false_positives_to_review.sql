-- purpose: Confident predictions where an annotator looked and saw nothing: errors, or overlooked events.
-- grain: one row per predicted event of a lab that no annotated event of its triplet overlaps; the first 200
-- param: run_id string
-- param: lab_id string
-- bind: run_id lab_id lab_id
-- partition filter: run_id for predictions, lab_id for annotations
WITH predicted AS (
    SELECT
        p.video_id,
        p.agent_id,
        p.target_id,
        p.action,
        p.start_frame,
        p.stop_frame,
        p.confidence,
        p.start_frame / m.frames_per_second AS start_sec,
        p.stop_frame / m.frames_per_second AS stop_sec
    FROM predictions AS p
    INNER JOIN metadata_train AS m ON p.lab_id = m.lab_id AND p.video_id = m.video_id
    INNER JOIN labeled_behaviors AS l
        ON
            p.lab_id = l.lab_id
            AND p.video_id = l.video_id
            AND p.agent_id = l.agent_id
            AND p.target_id = l.target_id
            AND p.action = l.action
    WHERE p.run_id = ? AND p.lab_id = ? AND p.split = 'train' AND l.split = 'train' AND m.has_annotation
),

annotated AS (
    SELECT
        video_id,
        agent_id,
        target_id,
        action,
        start_frame,
        stop_frame
    FROM annotations_enriched
    WHERE lab_id = ? AND split = 'train'
)

SELECT
    p.video_id,
    p.agent_id,
    p.target_id,
    p.action,
    p.start_frame,
    p.stop_frame,
    round(p.start_sec, 3) AS start_sec,
    round(p.stop_sec, 3) AS stop_sec,
    round(p.confidence, 4) AS confidence
FROM predicted AS p
LEFT JOIN annotated AS a
    ON
        p.video_id = a.video_id
        AND p.agent_id = a.agent_id
        AND p.target_id = a.target_id
        AND p.action = a.action
        AND p.start_frame < a.stop_frame
        AND p.stop_frame > a.start_frame
WHERE a.video_id IS NULL
ORDER BY
    p.confidence DESC, p.video_id ASC, p.start_frame ASC, p.stop_frame ASC, p.agent_id ASC, p.target_id ASC,
    p.action ASC
LIMIT 200
