-- purpose: Which actions a run recognises, over all labs that were scored on them.
-- grain: one row per action of one run
-- param: run_id string
-- partition filter: run_id
SELECT
    action,
    count(*) AS labs,
    round(avg(f_score), 4) AS mean_f,
    round(min(f_score), 4) AS worst_f,
    round(max(f_score), 4) AS best_f,
    sum(tp_frames) AS tp_frames,
    sum(fp_frames) AS fp_frames,
    sum(fn_frames) AS fn_frames
FROM scores
WHERE run_id = ?
GROUP BY action
ORDER BY mean_f ASC, action ASC
