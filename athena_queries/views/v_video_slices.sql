-- purpose: Video page: the poses of a video in slices of 900 frames of its own clock, packed as text.
-- grain: one row per (split, lab, video, mouse, body part, slice); slice 2 holds frames 1800..2699
-- partition filter: filter by split, lab_id and video_id when you query it
-- Lists joined by blanks, in the order of the frames, one item per point that is known: frames (within the slice),
-- xs and ys (hundredths of cm from the arena centre; of px from the top left where the video has no scale),
-- speeds (hundredths of cm/s, -1 where unknown), imputed (1 where curation filled the point).
CREATE OR REPLACE VIEW v_video_slices AS
SELECT
    split,
    lab_id,
    video_id,
    mouse_id,
    bodypart,
    video_frame / 900 AS slice,
    array_join(array_agg(CAST(video_frame % 900 AS varchar) ORDER BY video_frame), ' ') AS frames,
    array_join(
        array_agg(CAST(CAST(round(1e2 * coalesce(x_cm, x)) AS integer) AS varchar) ORDER BY video_frame), ' '
    ) AS xs,
    array_join(
        array_agg(CAST(CAST(round(1e2 * coalesce(y_cm, y)) AS integer) AS varchar) ORDER BY video_frame), ' '
    ) AS ys,
    array_join(
        array_agg(coalesce(CAST(CAST(round(1e2 * speed) AS integer) AS varchar), '-1') ORDER BY video_frame), ' '
    ) AS speeds,
    array_join(array_agg(CASE WHEN is_imputed THEN '1' ELSE '0' END ORDER BY video_frame), ' ') AS imputed
FROM tracking_curated
GROUP BY split, lab_id, video_id, mouse_id, bodypart, video_frame / 900
