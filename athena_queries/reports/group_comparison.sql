-- purpose: Do groups of a lab's mice differ: share of the time by condition, strain, sex or age, with a test.
-- grain: one row per (source, run, factor, pair of groups, action); see v_group_comparison for test and effect
-- param: lab_id string
-- partition filter: lab_id
SELECT
    source,
    run_id,
    factor,
    group_a,
    group_b,
    action,
    n_a,
    n_b,
    round(mean_a, 3) AS mean_a_percent,
    round(mean_b, 3) AS mean_b_percent,
    round(effect, 3) AS effect_points,
    round(effect_low, 1) AS effect_low,
    round(effect_high, 1) AS effect_high,
    test,
    round(p, 5) AS p,
    round(p_holm, 5) AS p_holm,
    tests,
    overlong
FROM v_group_comparison
WHERE lab_id = ?
ORDER BY source, run_id, factor, group_a, group_b, action
