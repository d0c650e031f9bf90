-- purpose: How far and how fast each mouse of a lab moves, by one body part, with its strain and sex.
-- grain: one row per (video, mouse) of the train split
-- param: lab_id string
-- param: bodypart string
-- bind: lab_id bodypart lab_id
-- partition filter: split = 'train' and lab_id
WITH tracks AS (
    SELECT
        video_id,
        mouse_id,
        tracked_sec,
        path_cm,
        max_speed
    FROM track_summary
    WHERE split = 'train' AND lab_id = ? AND bodypart = ?
),

videos AS (
    SELECT
        video_id,
        animal_strains,
        animal_sexes
    FROM metadata_train
    WHERE lab_id = ?
)

SELECT
    tracks.video_id,
    tracks.mouse_id,
    element_at(videos.animal_strains, tracks.mouse_id) AS strain,
    element_at(videos.animal_sexes, tracks.mouse_id) AS sex,
    round(tracks.tracked_sec, 2) AS tracked_sec,
    round(tracks.path_cm, 2) AS path_cm,
    round(tracks.path_cm / nullif(tracks.tracked_sec, 0e0), 3) AS mean_speed_cm_s,
    round(cast(tracks.max_speed AS double), 1) AS max_speed_cm_s
FROM tracks
LEFT JOIN videos ON tracks.video_id = videos.video_id
ORDER BY tracks.video_id, tracks.mouse_id
