-- purpose: Dashboards, Lake: rows that curation rejected, and the rule that rejected them.
-- grain: one row per (split, lab, rule)
-- partition filter: none needed, no partitioned table is read
CREATE OR REPLACE VIEW v_dash_rejected AS
SELECT
    coalesce(split, 'unknown') AS split,
    coalesce(lab_id, 'unknown') AS lab_id,
    rule,
    count(DISTINCT source_file) AS files,
    CAST(sum(quarantine."rows") AS bigint) AS rejected_rows,
    min(detail) AS example
FROM quarantine
GROUP BY coalesce(split, 'unknown'), coalesce(lab_id, 'unknown'), rule
