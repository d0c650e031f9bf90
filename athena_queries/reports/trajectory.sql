-- purpose: The path of one body part of one mouse in one video.
-- grain: one row per frame in which the part is known
-- param: lab_id string
-- param: video_id bigint
-- param: mouse_id bigint
-- param: bodypart string
-- partition filter: lab_id; the other three cut to the row groups of one track
SELECT
    video_frame,
    x_cm,
    y_cm,
    speed,
    is_imputed
FROM tracking_curated
WHERE lab_id = ? AND video_id = ? AND mouse_id = ? AND bodypart = ?
ORDER BY video_frame
