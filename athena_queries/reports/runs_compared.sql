-- purpose: Two runs side by side: on which action of which lab the second gains or loses.
-- grain: one row per (lab, action) that either run was scored on; gain: other_f_score - f_score
-- param: run_id string
-- param: other_run_id string
-- partition filter: run_id
WITH run_a AS (
    SELECT
        lab_id,
        action,
        f_score
    FROM scores
    WHERE run_id = ?
),

run_b AS (
    SELECT
        lab_id,
        action,
        f_score
    FROM scores
    WHERE run_id = ?
)

SELECT
    coalesce(a.lab_id, b.lab_id) AS lab_id,
    coalesce(a.action, b.action) AS action, -- noqa: RF04
    round(a.f_score, 4) AS f_score,
    round(b.f_score, 4) AS other_f_score,
    round(b.f_score - a.f_score, 4) AS gain
FROM run_a AS a
FULL OUTER JOIN run_b AS b ON a.lab_id = b.lab_id AND a.action = b.action
ORDER BY gain ASC, lab_id ASC, action ASC
