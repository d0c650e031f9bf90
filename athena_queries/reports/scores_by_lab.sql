-- purpose: The official score of each run, by lab, with the best and the worst action.
-- grain: one row per (run, lab)
-- partition filter: none, all runs are compared
WITH labs AS (
    SELECT
        run_id,
        lab_id,
        max(videos) AS videos,
        count(*) AS actions,
        avg(f_score) AS score,
        max_by(action, row(f_score, action)) AS best_action,
        max(f_score) AS best_f,
        min_by(action, row(f_score, action)) AS worst_action,
        min(f_score) AS worst_f
    FROM scores
    GROUP BY run_id, lab_id
)

SELECT
    run_id,
    lab_id,
    videos,
    actions,
    best_action,
    worst_action,
    round(score, 4) AS score,
    round(best_f, 4) AS best_f,
    round(worst_f, 4) AS worst_f,
    round(avg(score) OVER (PARTITION BY run_id), 4) AS official_score
FROM labs
ORDER BY run_id, lab_id
