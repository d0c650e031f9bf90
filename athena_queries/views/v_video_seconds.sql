-- purpose: Video page: where each body part was and how fast it moved, second by second.
-- grain: one row per (split, lab, video, mouse, body part, second of the video's clock), where the part is known
-- partition filter: filter by split, lab_id, video_id and bodypart when you query it
-- A video without a frame rate is taken to run at 30 frames/s. x, y: mean, cm from the arena centre (px from the top left where the video has no scale); speed: mean, cm/s.
CREATE OR REPLACE VIEW v_video_seconds AS
SELECT
    t.split,
    t.lab_id,
    t.video_id,
    t.mouse_id,
    t.bodypart,
    CAST(floor(t.video_frame / coalesce(i.frames_per_second, 3e1)) AS integer) AS video_second,
    avg(coalesce(t.x_cm, t.x)) AS x,
    avg(coalesce(t.y_cm, t.y)) AS y,
    avg(t.speed) AS speed
FROM tracking_curated AS t
INNER JOIN v_video_info AS i ON t.split = i.split AND t.lab_id = i.lab_id AND t.video_id = i.video_id
GROUP BY
    t.split, t.lab_id, t.video_id, t.mouse_id, t.bodypart, CAST(floor(t.video_frame / coalesce(i.frames_per_second, 3e1)) AS integer)
