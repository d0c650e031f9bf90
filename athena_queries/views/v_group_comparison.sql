-- purpose: Groups of mice compared, behaviour by behaviour: share of the time by condition, strain, sex or age.
-- grain: one row per (source, run, lab, factor, pair of groups, action); source is 'annotated' or 'predicted'
-- partition filter: filter by lab_id when you query it
-- One value a mouse and video (v_behavior_shares). Test: Mann-Whitney U, two-sided, normal approximation with
-- corrections for ties and continuity; p is null with fewer than 3 values in a group or where all values are equal.
-- p_holm: corrected by Holm for all actions of the comparison. effect: difference of means (group a - group b) in
-- points of per cent, with Welch's 95 % interval, null below 4 degrees of freedom.
-- overlong: annotated events of both groups that end past the video; no share holds them.
-- Mice of one video, and videos of one mouse, are taken to be independent; where they are not, p is too small.
CREATE OR REPLACE VIEW v_group_comparison AS
WITH grouped AS (
    SELECT m.source, m.run_id, m.lab_id, m.action, m.percent_of_time, m.overlong, t.factor, t.group_name
    FROM v_behavior_shares AS m
    CROSS JOIN UNNEST(
        ARRAY['condition', 'strain', 'sex', 'age'], ARRAY[m.condition, m.strain, m.sex, m.age]
    ) AS t (factor, group_name)
    WHERE t.group_name IS NOT NULL
),

pairs AS (
    SELECT DISTINCT
        a.source, a.run_id, a.lab_id, a.action, a.factor, a.group_name AS group_a, b.group_name AS group_b
    FROM grouped AS a
    INNER JOIN grouped AS b
        ON a.source = b.source
        AND a.run_id = b.run_id
        AND a.lab_id = b.lab_id
        AND a.action = b.action
        AND a.factor = b.factor
        AND a.group_name < b.group_name
),

ranked AS (
    SELECT
        p.source, p.run_id, p.lab_id, p.action, p.factor, p.group_a, p.group_b,
        g.percent_of_time, g.overlong, g.group_name = p.group_a AS is_a,
        rank() OVER (
            PARTITION BY p.source, p.run_id, p.lab_id, p.action, p.factor, p.group_a, p.group_b
            ORDER BY g.percent_of_time
        ) AS lowest_rank,
        count(*) OVER (
            PARTITION BY
                p.source, p.run_id, p.lab_id, p.action, p.factor, p.group_a, p.group_b, g.percent_of_time
        ) AS tied
    FROM pairs AS p
    INNER JOIN grouped AS g
        ON p.source = g.source
        AND p.run_id = g.run_id
        AND p.lab_id = g.lab_id
        AND p.action = g.action
        AND p.factor = g.factor
        AND (g.group_name = p.group_a OR g.group_name = p.group_b)
),

summed AS (
    SELECT
        source, run_id, lab_id, action, factor, group_a, group_b,
        count_if(is_a) AS n_a,
        count_if(NOT is_a) AS n_b,
        avg(percent_of_time) FILTER (WHERE is_a) AS mean_a,
        avg(percent_of_time) FILTER (WHERE NOT is_a) AS mean_b,
        var_samp(percent_of_time) FILTER (WHERE is_a) AS variance_a,
        var_samp(percent_of_time) FILTER (WHERE NOT is_a) AS variance_b,
        sum(lowest_rank + (tied - 1) / 2e0) FILTER (WHERE is_a) AS ranks_a,
        sum(1e0 * tied * tied - 1e0) AS ties,
        sum(overlong) AS overlong
    FROM ranked
    GROUP BY source, run_id, lab_id, action, factor, group_a, group_b
),

scaled AS (
    SELECT
        summed.*,
        abs(ranks_a - 5e-1 * n_a * (n_a + 1) - 5e-1 * n_a * n_b) AS distance,
        CASE
            WHEN n_a >= 3 AND n_b >= 3
            THEN sqrt(
                n_a * n_b / 12e0
                * greatest(0e0, n_a + n_b + 1e0 - ties / (1e0 * (n_a + n_b) * (n_a + n_b - 1)))
            )
        END AS spread,
        variance_a / n_a + variance_b / n_b AS error_squared,
        CASE
            WHEN n_a >= 2 AND n_b >= 2 AND variance_a + variance_b > 0e0
            THEN power(variance_a / n_a + variance_b / n_b, 2)
                / (power(variance_a / n_a, 2) / (n_a - 1) + power(variance_b / n_b, 2) / (n_b - 1))
        END AS freedom
    FROM summed
),

tested AS (
    SELECT
        scaled.*,
        CASE
            WHEN spread > 1e-9
            THEN least(1e0, 2e0 * (1e0 - normal_cdf(0e0, 1e0, greatest(0e0, distance - 5e-1) / spread)))
        END AS p,
        -- Student's quantile by its Cornish-Fisher expansion at 1.959964, within 0.04 % from 4 degrees of freedom on
        CASE
            WHEN freedom >= 4e0
            THEN sqrt(error_squared)
                * (
                    1.959964e0 + 2.372271e0 / freedom + 2.822525e0 / power(freedom, 2)
                    + 2.555853e0 / power(freedom, 3) + 1.589600e0 / power(freedom, 4)
                )
        END AS half_width
    FROM scaled
),

ordered AS (
    SELECT
        tested.*,
        row_number() OVER (
            PARTITION BY source, run_id, lab_id, factor, group_a, group_b ORDER BY p, action
        ) AS place,
        count(p) OVER (PARTITION BY source, run_id, lab_id, factor, group_a, group_b) AS tests
    FROM tested
)

SELECT
    source, run_id, lab_id, factor, group_a, group_b, action, n_a, n_b, mean_a, mean_b,
    mean_a - mean_b AS effect,
    mean_a - mean_b - half_width AS effect_low,
    mean_a - mean_b + half_width AS effect_high,
    'Mann-Whitney U' AS test,
    p,
    CASE
        WHEN p IS NOT NULL
        THEN max(least(1e0, p * (tests - place + 1))) OVER (
            PARTITION BY source, run_id, lab_id, factor, group_a, group_b
            ORDER BY place
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    END AS p_holm,
    tests,
    overlong
FROM ordered
