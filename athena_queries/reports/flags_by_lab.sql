-- purpose: Which data-quality rules fired where: how many of a lab's files each one touches.
-- grain: one row per (rule, kind of file, split, lab)
-- partition filter: none needed, no partitioned table is read
SELECT
    t.flag,
    f.kind,
    f.split,
    f.lab_id,
    count(*) AS files,
    min(f.source_file) AS first_file
FROM curation_files AS f
CROSS JOIN unnest(f.flags) AS t (flag)
GROUP BY t.flag, f.kind, f.split, f.lab_id
ORDER BY t.flag, f.kind, f.split, f.lab_id
