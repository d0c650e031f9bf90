-- purpose: Dashboards, Model: predicted and annotated time of the scored part of the videos.
-- grain: one row per (run, lab, action, source); source is annotated or predicted
-- partition filter: filter by run_id when you query it
-- Seconds are frames at the lab's mean frame rate: exact unless the videos of a lab differ in it.
CREATE OR REPLACE VIEW v_dash_scored_time AS
WITH rates AS (
    SELECT lab_id, avg(frames_per_second) AS fps FROM metadata_train GROUP BY lab_id
)

SELECT
    s.run_id, s.lab_id, s.action, 'annotated' AS source,
    s.tp_frames + s.fn_frames AS frames,
    (s.tp_frames + s.fn_frames) / r.fps AS seconds
FROM scores AS s
LEFT JOIN rates AS r ON s.lab_id = r.lab_id
UNION ALL
SELECT
    s.run_id, s.lab_id, s.action, 'predicted' AS source,
    s.tp_frames + s.fp_frames AS frames,
    (s.tp_frames + s.fp_frames) / r.fps AS seconds
FROM scores AS s
LEFT JOIN rates AS r ON s.lab_id = r.lab_id
