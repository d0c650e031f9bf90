-- purpose: How fast mice of each strain and sex move in each lab, by one body part.
-- grain: one row per (lab, strain, sex) of the train split
-- param: bodypart string
-- partition filter: split = 'train'; all labs are compared; track_summary has one row per track
WITH mice AS (
    SELECT
        t.lab_id,
        t.tracked_sec,
        t.path_cm,
        coalesce(element_at(m.animal_strains, t.mouse_id), 'unknown') AS strain,
        coalesce(element_at(m.animal_sexes, t.mouse_id), 'unknown') AS sex
    FROM track_summary AS t
    INNER JOIN metadata_train AS m ON t.lab_id = m.lab_id AND t.video_id = m.video_id
    WHERE t.split = 'train' AND t.bodypart = ? AND t.tracked_sec > 0e0
)

SELECT
    lab_id,
    strain,
    sex,
    count(*) AS mice,
    round(sum(tracked_sec) / 36e2, 4) AS tracked_hours,
    round(sum(path_cm) / sum(tracked_sec), 3) AS mean_speed_cm_s,
    round(min(path_cm / tracked_sec), 3) AS slowest_mouse_cm_s,
    round(max(path_cm / tracked_sec), 3) AS fastest_mouse_cm_s
FROM mice
GROUP BY lab_id, strain, sex
ORDER BY lab_id, strain, sex
