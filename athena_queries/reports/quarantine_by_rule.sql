-- purpose: What was rejected, by which rule, with one example to look at.
-- grain: one row per (rule, split, lab)
-- partition filter: none needed, no partitioned table is read; the rejected rows themselves (payload) are not read
SELECT
    rule,
    split,
    lab_id,
    count(DISTINCT source_file) AS files,
    sum(quarantine."rows") AS rejected_rows,
    min(source_file) AS first_file,
    min(detail) AS example
FROM quarantine
GROUP BY rule, split, lab_id
ORDER BY rule, split, lab_id
