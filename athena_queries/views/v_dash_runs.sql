-- purpose: Dashboards: what each run of the model added to the lake, and the score it reached.
-- grain: one row per (run, lab); a run that was not scored has a null score
-- partition filter: filter by run_id when you query it
CREATE OR REPLACE VIEW v_dash_runs AS
WITH added AS (
    SELECT
        run_id,
        lab_id,
        count(DISTINCT video_id) AS videos,
        count(*) AS events,
        sum(stop_sec - start_sec) AS seconds
    FROM predictions
    GROUP BY run_id, lab_id
),

scored AS (
    SELECT run_id, lab_id, avg(f_score) AS score, count(*) AS actions
    FROM scores
    GROUP BY run_id, lab_id
)

SELECT
    coalesce(a.run_id, s.run_id) AS run_id,
    coalesce(a.lab_id, s.lab_id) AS lab_id,
    coalesce(a.videos, 0) AS videos,
    coalesce(a.events, 0) AS events,
    coalesce(a.seconds, 0e0) AS seconds,
    s.score,
    coalesce(s.actions, 0) AS actions
FROM added AS a
FULL OUTER JOIN scored AS s ON a.run_id = s.run_id AND a.lab_id = s.lab_id
