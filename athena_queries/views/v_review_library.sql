-- purpose: Review: every video with what is labelled, predicted and corrected, how well its runs agree with labels and with each other.
-- grain: one row per (split, lab, video)
-- partition filter: none; it is read once when the review opens
-- pieces: bouts cut at every 3,000th frame, so that a bout is compared with those of its own minute or two alone.
-- score: frame-wise F of the predictions against the annotation, mean of the runs; disagreement: 1 less the frame-wise F of two runs, mean of the pairs; uncertainty: 1 where the mean confidence is a half, 0 where it is certain.
CREATE OR REPLACE VIEW v_review_library AS
WITH
labels AS (
    SELECT
        split, lab_id, video_id,
        count(*) AS labels,
        sum(counted_stop_frame - counted_start_frame) AS frames
    FROM annotations_enriched
    GROUP BY split, lab_id, video_id
),
claims AS (
    SELECT
        run_id, split, lab_id, video_id,
        count(*) AS events,
        sum(stop_frame - start_frame) AS frames,
        avg(1 - abs(2 * confidence - 1)) AS uncertainty
    FROM predictions
    GROUP BY run_id, split, lab_id, video_id
),
label_pieces AS (
    SELECT
        a.split, a.lab_id, a.video_id, a.agent_id, a.target_id, a.action, t.piece,
        greatest(a.counted_start_frame, t.piece * 3000) AS start_frame,
        least(a.counted_stop_frame, (t.piece + 1) * 3000) AS stop_frame
    FROM annotations_enriched AS a
    CROSS JOIN UNNEST(sequence(a.counted_start_frame / 3000, (a.counted_stop_frame - 1) / 3000)) AS t (piece)
    WHERE a.counted_stop_frame > a.counted_start_frame
),
claim_pieces AS (
    SELECT
        p.run_id, p.split, p.lab_id, p.video_id, p.agent_id, p.target_id, p.action, t.piece,
        greatest(p.start_frame, t.piece * 3000) AS start_frame,
        least(p.stop_frame, (t.piece + 1) * 3000) AS stop_frame
    FROM predictions AS p
    CROSS JOIN UNNEST(sequence(p.start_frame / 3000, (p.stop_frame - 1) / 3000)) AS t (piece)
    WHERE p.stop_frame > p.start_frame
),
hits AS (
    SELECT
        p.run_id, p.split, p.lab_id, p.video_id,
        sum(least(p.stop_frame, a.stop_frame) - greatest(p.start_frame, a.start_frame)) AS frames
    FROM claim_pieces AS p
    INNER JOIN label_pieces AS a
        ON
            p.split = a.split AND p.lab_id = a.lab_id AND p.video_id = a.video_id AND p.agent_id = a.agent_id
            AND p.target_id = a.target_id AND p.action = a.action AND p.piece = a.piece
            AND p.start_frame < a.stop_frame AND a.start_frame < p.stop_frame
    GROUP BY p.run_id, p.split, p.lab_id, p.video_id
),
scores_of_videos AS (
    SELECT
        c.split, c.lab_id, c.video_id,
        avg(2e0 * coalesce(h.frames, 0) / (c.frames + l.frames)) AS score
    FROM claims AS c
    INNER JOIN labels AS l ON c.split = l.split AND c.lab_id = l.lab_id AND c.video_id = l.video_id
    LEFT JOIN hits AS h
        ON c.run_id = h.run_id AND c.split = h.split AND c.lab_id = h.lab_id AND c.video_id = h.video_id
    WHERE c.frames + l.frames > 0
    GROUP BY c.split, c.lab_id, c.video_id
),
common AS (
    SELECT
        p.run_id, q.run_id AS other_run, p.split, p.lab_id, p.video_id,
        sum(least(p.stop_frame, q.stop_frame) - greatest(p.start_frame, q.start_frame)) AS frames
    FROM claim_pieces AS p
    INNER JOIN claim_pieces AS q
        ON
            p.run_id < q.run_id AND p.split = q.split AND p.lab_id = q.lab_id AND p.video_id = q.video_id
            AND p.agent_id = q.agent_id AND p.target_id = q.target_id AND p.action = q.action AND p.piece = q.piece
            AND p.start_frame < q.stop_frame AND q.start_frame < p.stop_frame
    GROUP BY p.run_id, q.run_id, p.split, p.lab_id, p.video_id
),
disagreements AS (
    SELECT
        c.split, c.lab_id, c.video_id,
        avg(1 - 2e0 * coalesce(s.frames, 0) / (c.frames + d.frames)) AS disagreement
    FROM claims AS c
    INNER JOIN claims AS d
        ON c.run_id < d.run_id AND c.split = d.split AND c.lab_id = d.lab_id AND c.video_id = d.video_id
    LEFT JOIN common AS s
        ON
            c.run_id = s.run_id AND d.run_id = s.other_run AND c.split = s.split AND c.lab_id = s.lab_id
            AND c.video_id = s.video_id
    WHERE c.frames + d.frames > 0
    GROUP BY c.split, c.lab_id, c.video_id
),
predicted AS (
    SELECT
        split, lab_id, video_id,
        sum(events) AS events,
        count(*) AS runs,
        avg(uncertainty) AS uncertainty
    FROM claims
    GROUP BY split, lab_id, video_id
),
reviewed AS (
    SELECT
        split, lab_id, video_id,
        count(DISTINCT change) AS changes,
        array_join(array_agg(DISTINCT reviewer ORDER BY reviewer), ', ') AS reviewers
    FROM corrections
    WHERE operation <> 'baseline'
    GROUP BY split, lab_id, video_id
),
videos AS (
    SELECT 'train' AS split, * FROM metadata_train
    UNION ALL
    SELECT 'test' AS split, * FROM metadata_test
)
SELECT
    v.split, v.lab_id, v.video_id, v.frames_per_second, v.video_duration_sec, v.n_mice, v.has_tracking,
    cardinality(v.flags) AS flags,
    coalesce(l.labels, 0) AS labels,
    coalesce(p.events, 0) AS predicted,
    coalesce(p.runs, 0) AS runs,
    p.uncertainty,
    s.score,
    d.disagreement,
    coalesce(r.changes, 0) AS changes,
    coalesce(r.reviewers, '') AS reviewers
FROM videos AS v
LEFT JOIN labels AS l ON v.split = l.split AND v.lab_id = l.lab_id AND v.video_id = l.video_id
LEFT JOIN predicted AS p ON v.split = p.split AND v.lab_id = p.lab_id AND v.video_id = p.video_id
LEFT JOIN scores_of_videos AS s ON v.split = s.split AND v.lab_id = s.lab_id AND v.video_id = s.video_id
LEFT JOIN disagreements AS d ON v.split = d.split AND v.lab_id = d.lab_id AND v.video_id = d.video_id
LEFT JOIN reviewed AS r ON v.split = r.split AND v.lab_id = r.lab_id AND v.video_id = r.video_id
