-- purpose: Dashboards, Model: score of each action with a 95 % interval.
-- grain: one row per (run, lab, action); the interval is null where it cannot be had
-- partition filter: filter by run_id when you query it
-- The interval is that of a ratio estimator, F = 2 TP / (2 TP + FP + FN), over blocks of 10 s: frames within a
-- block hang together, blocks less so. It speaks of these videos, not of other animals; bouts that outlast a block
-- make it too narrow. It is null with fewer than
-- five blocks, and where the score was taken over a part of a video only (its frames are not those of the events).
CREATE OR REPLACE VIEW v_dash_scores AS
WITH clocks AS (
    SELECT lab_id, video_id, CAST(ceil(10 * frames_per_second) AS bigint) AS block_frames
    FROM metadata_train
    WHERE frames_per_second > 0
),

predicted AS (
    SELECT p.run_id, p.lab_id, p.video_id, p.agent_id, p.target_id, p.action, p.start_frame, p.stop_frame
    FROM predictions AS p
    WHERE p.split = 'train'
),

videos AS (
    SELECT DISTINCT run_id, lab_id, video_id FROM predicted
),

annotated AS (
    SELECT v.run_id, a.lab_id, a.video_id, a.agent_id, a.target_id, a.action, a.start_frame, a.stop_frame
    FROM annotations_enriched AS a
    INNER JOIN videos AS v ON a.lab_id = v.lab_id AND a.video_id = v.video_id
),

pieces AS (
    SELECT 'predicted' AS kind, run_id, lab_id, video_id, action, start_frame, stop_frame FROM predicted
    UNION ALL
    SELECT 'annotated' AS kind, run_id, lab_id, video_id, action, start_frame, stop_frame FROM annotated
    UNION ALL
    SELECT
        'shared' AS kind, p.run_id, p.lab_id, p.video_id, p.action,
        greatest(p.start_frame, a.start_frame) AS start_frame,
        least(p.stop_frame, a.stop_frame) AS stop_frame
    FROM predicted AS p
    INNER JOIN annotated AS a
        ON p.run_id = a.run_id
        AND p.lab_id = a.lab_id
        AND p.video_id = a.video_id
        AND p.agent_id = a.agent_id
        AND p.target_id = a.target_id
        AND p.action = a.action
        AND p.start_frame < a.stop_frame
        AND a.start_frame < p.stop_frame
),

clocked AS (
    SELECT
        p.kind, p.run_id, p.lab_id, p.video_id, p.action, p.start_frame, p.stop_frame, c.block_frames,
        CAST(floor(1e0 * p.start_frame / c.block_frames) AS bigint) AS first_block,
        CAST(floor(1e0 * (p.stop_frame - 1) / c.block_frames) AS bigint) AS last_block
    FROM pieces AS p
    INNER JOIN clocks AS c ON p.lab_id = c.lab_id AND p.video_id = c.video_id
    WHERE p.stop_frame > p.start_frame
),

cut AS (
    SELECT
        k.kind, k.run_id, k.lab_id, k.video_id, k.action, t.block,
        least(k.stop_frame, (t.block + 1) * k.block_frames)
        - greatest(k.start_frame, t.block * k.block_frames) AS frames
    FROM clocked AS k
    CROSS JOIN UNNEST(sequence(k.first_block, k.last_block)) AS t (block)
),

blocks AS (
    SELECT
        run_id, lab_id, action, video_id, block,
        coalesce(sum(frames) FILTER (WHERE kind = 'shared'), 0) AS tp,
        coalesce(sum(frames) FILTER (WHERE kind = 'predicted'), 0) AS predicted,
        coalesce(sum(frames) FILTER (WHERE kind = 'annotated'), 0) AS annotated
    FROM cut
    GROUP BY run_id, lab_id, action, video_id, block
),

spread AS (
    SELECT
        b.run_id, b.lab_id, b.action,
        count(*) AS blocks,
        sum(b.predicted) AS predicted,
        sum(b.annotated) AS annotated,
        sqrt(
            1e0 * count(*) / nullif(count(*) - 1, 0)
            * sum(power(2 * b.tp - s.f_score * (b.predicted + b.annotated), 2))
        ) / nullif(sum(b.predicted + b.annotated), 0) AS error
    FROM blocks AS b
    INNER JOIN scores AS s ON b.run_id = s.run_id AND b.lab_id = s.lab_id AND b.action = s.action
    GROUP BY b.run_id, b.lab_id, b.action
),

kept AS (
    SELECT
        s.run_id, s.lab_id, s.action, s.f_score, s."precision", s.recall, s.tp_frames, s.fp_frames, s.fn_frames,
        s.videos, e.blocks,
        CASE
            WHEN e.blocks >= 5
                AND e.predicted = s.tp_frames + s.fp_frames
                AND e.annotated = s.tp_frames + s.fn_frames
            THEN 1.96e0 * e.error
        END AS half_width
    FROM scores AS s
    LEFT JOIN spread AS e ON s.run_id = e.run_id AND s.lab_id = e.lab_id AND s.action = e.action
)

SELECT
    run_id,
    lab_id,
    action,
    action || ' · ' || lab_id AS lab_action,
    f_score,
    greatest(0e0, f_score - half_width) AS f_low,
    least(1e0, f_score + half_width) AS f_high,
    "precision" AS precision_score,
    recall AS recall_score,
    tp_frames,
    fp_frames,
    fn_frames,
    videos,
    coalesce(blocks, 0) AS blocks
FROM kept
