-- purpose: Dashboards, Behaviour: which action of a mouse follows which, and how soon.
-- grain: one row per (split, lab, action, next action of the same mouse in the same video)
-- partition filter: filter by lab_id when you query it
CREATE OR REPLACE VIEW v_dash_transitions AS
WITH ordered AS (
    SELECT
        split, lab_id, action, stop_sec,
        lead(action) OVER mouse AS next_action,
        lead(start_sec) OVER mouse AS next_start_sec
    FROM annotations_enriched
    WHERE start_sec IS NOT NULL
    WINDOW mouse AS (PARTITION BY split, lab_id, video_id, agent_id ORDER BY start_frame, stop_frame, action)
),

counted AS (
    SELECT
        split, lab_id, action, next_action,
        count(*) AS transitions,
        avg(next_start_sec - stop_sec) AS gap_sec
    FROM ordered
    WHERE next_action IS NOT NULL
    GROUP BY split, lab_id, action, next_action
)

SELECT
    split, lab_id, action, next_action, transitions, gap_sec,
    1e2 * transitions / sum(transitions) OVER (PARTITION BY split, lab_id, action) AS percent_of_action
FROM counted
