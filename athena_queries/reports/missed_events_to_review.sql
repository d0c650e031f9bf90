-- purpose: Annotated events that a run did not see at all, and what it saw the agent do; the longest first.
-- grain: one row per annotated event of one lab, in videos that the run predicted; the first 200
-- param: run_id string
-- param: lab_id string
-- bind: run_id lab_id lab_id
-- partition filter: run_id for predictions, lab_id for annotations
WITH predicted AS (
    SELECT
        video_id,
        agent_id,
        target_id,
        action,
        start_frame,
        stop_frame
    FROM predictions
    WHERE run_id = ? AND lab_id = ? AND split = 'train'
),

annotated AS (
    SELECT DISTINCT
        video_id,
        agent_id,
        target_id,
        action,
        start_frame,
        stop_frame,
        (stop_frame - start_frame) / frames_per_second AS duration_sec
    FROM annotations_enriched
    WHERE lab_id = ? AND split = 'train' AND stop_frame > start_frame
),

events AS (
    SELECT
        a.video_id,
        a.agent_id,
        a.target_id,
        a.action,
        a.start_frame,
        a.stop_frame,
        a.duration_sec,
        coalesce(bool_or(p.action = a.action AND p.target_id = a.target_id), FALSE) AS is_seen,
        array_join(
            array_sort(array_agg(DISTINCT p.action) FILTER (WHERE p.action IS NOT NULL)), ' '
        ) AS seen_instead
    FROM annotated AS a
    LEFT JOIN predicted AS p
        ON
            a.video_id = p.video_id
            AND a.agent_id = p.agent_id
            AND a.start_frame < p.stop_frame
            AND a.stop_frame > p.start_frame
    GROUP BY a.video_id, a.agent_id, a.target_id, a.action, a.start_frame, a.stop_frame, a.duration_sec
)

SELECT
    video_id,
    agent_id,
    target_id,
    action,
    start_frame,
    stop_frame,
    seen_instead,
    round(duration_sec, 3) AS duration_sec
FROM events
WHERE NOT is_seen AND video_id IN (SELECT p.video_id FROM predicted AS p)
ORDER BY
    duration_sec DESC, video_id ASC, start_frame ASC, stop_frame ASC, agent_id ASC, target_id ASC, action ASC
LIMIT 200
