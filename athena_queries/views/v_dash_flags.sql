-- purpose: Dashboards, Lake: files that were kept but flagged, by the data-quality rule that fired.
-- grain: one row per (split, lab, kind of file, rule)
-- partition filter: none needed, no partitioned table is read
CREATE OR REPLACE VIEW v_dash_flags AS
SELECT
    f.split,
    coalesce(f.lab_id, 'all labs') AS lab_id,
    f.kind,
    t.flag AS rule,
    count(*) AS files
FROM curation_files AS f
CROSS JOIN UNNEST(f.flags) AS t (flag)
GROUP BY f.split, coalesce(f.lab_id, 'all labs'), f.kind, t.flag
