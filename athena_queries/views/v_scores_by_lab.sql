-- purpose: The official score of each run by lab: plain mean of the F of its actions.
-- grain: one row per (run, lab)
-- partition filter: filter by run_id when you query it
CREATE OR REPLACE VIEW v_scores_by_lab AS
SELECT
    run_id,
    lab_id,
    max(videos) AS videos,
    count(*) AS actions,
    avg(f_score) AS score,
    sum(tp_frames) AS tp_frames,
    sum(fp_frames) AS fp_frames,
    sum(fn_frames) AS fn_frames
FROM scores
GROUP BY run_id, lab_id
