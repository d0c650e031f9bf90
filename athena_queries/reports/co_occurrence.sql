-- purpose: Which actions go on at the same time in a video, done by the same mouse or by different ones.
-- grain: one row per (action, other action) of one lab, in alphabetical order; of the same action: by two agents
-- param: lab_id string
-- bind: lab_id lab_id
-- partition filter: lab_id
WITH overlaps AS (
    SELECT
        a.action,
        b.action AS other_action,
        a.agent_id = b.agent_id AS same_agent,
        (least(a.stop_frame, b.stop_frame) - greatest(a.start_frame, b.start_frame))
        / a.frames_per_second AS seconds
    FROM annotations_enriched AS a
    INNER JOIN annotations_enriched AS b
        ON
            a.split = b.split
            AND a.video_id = b.video_id
            AND a.start_frame < b.stop_frame
            AND a.stop_frame > b.start_frame
            AND (a.action < b.action OR (a.action = b.action AND a.agent_id < b.agent_id))
    WHERE
        a.lab_id = ?
        AND b.lab_id = ?
        AND a.stop_frame > a.start_frame
        AND b.stop_frame > b.start_frame
)

SELECT
    action,
    other_action,
    count(*) AS overlapping_pairs,
    round(sum(seconds), 3) AS seconds,
    round(coalesce(sum(seconds) FILTER (WHERE same_agent), 0e0), 3) AS seconds_by_one_mouse,
    round(coalesce(sum(seconds) FILTER (WHERE NOT same_agent), 0e0), 3) AS seconds_by_two_mice
FROM overlaps
GROUP BY action, other_action
ORDER BY action, other_action
