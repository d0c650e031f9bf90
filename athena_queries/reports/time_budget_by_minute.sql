-- purpose: How a lab's actions are spread over the minutes of its videos, as mice calm down.
-- grain: one row per (minute of the video from 0, action); an event is cut at them, a frame counts once
-- param: lab_id string
-- bind: lab_id lab_id
-- partition filter: lab_id
WITH events AS (
    SELECT
        action,
        counted_start_frame / frames_per_second AS start_sec,
        counted_stop_frame / frames_per_second AS stop_sec
    FROM annotations_enriched
    WHERE lab_id = ? AND split = 'train'
),

done AS (
    SELECT
        t.video_minute,
        e.action,
        count(*) AS events,
        sum(least(e.stop_sec, 6e1 * (t.video_minute + 1)) - greatest(e.start_sec, 6e1 * t.video_minute)) AS seconds
    FROM events AS e
    CROSS JOIN
        unnest(sequence(cast(floor(e.start_sec / 6e1) AS bigint), cast(floor(e.stop_sec / 6e1) AS bigint)))
            AS t (video_minute)
    WHERE least(e.stop_sec, 6e1 * (t.video_minute + 1)) > greatest(e.start_sec, 6e1 * t.video_minute)
    GROUP BY t.video_minute, e.action
),

watched AS (
    SELECT
        t.video_minute,
        count(*) AS videos,
        sum(least(m.video_duration_sec - 6e1 * t.video_minute, 6e1)) AS seconds
    FROM metadata_train AS m
    CROSS JOIN
        unnest(sequence(0, cast(floor(m.video_duration_sec / 6e1) AS bigint))) AS t (video_minute)
    WHERE m.lab_id = ? AND m.has_annotation AND m.video_duration_sec > 6e1 * t.video_minute
    GROUP BY t.video_minute
)

SELECT
    done.video_minute,
    done.action,
    watched.videos,
    done.events,
    round(done.seconds, 3) AS seconds,
    round(1e2 * done.seconds / watched.seconds, 3) AS percent_of_time
FROM done
LEFT JOIN watched ON done.video_minute = watched.video_minute
ORDER BY done.video_minute, done.action
