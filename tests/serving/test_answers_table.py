"""Answers to tasks become rows of the lake that Athena can ask."""

from __future__ import annotations

from lakes import open_lake, rows

from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.serving import prediction_tables
from etholake.stages.serving.videos import Videos

ANSWERS = {
    7: [
        {"task": "state:light=on", "mouse_id": 1, "value": 0.9},
        {"task": "frame_regression:weight", "mouse_id": 1, "value": 21.0, "by_second": [20.0, 22.0]},
    ],
    8: [{"task": "state:light=on", "mouse_id": 2, "value": 0.2}],
}


def test_a_run_with_tasks_is_asked_in_sql(mock_settings: Settings) -> None:
    settings, lake = open_lake(mock_settings, "answers")
    videos = [
        {"lab_id": "A", "video_id": video, "frames_per_second": 30.0, "has_tracking": True} for video in (7, 8)
    ]
    lake.replace_table("metadata_train", rows("metadata_train", *videos), "made")
    source = Videos(settings, "train")
    prediction_tables.commit(source, "r1", [], {7: (0, 60), 8: (0, 60)}, ANSWERS, {})
    prediction_tables.commit(source, "r2", [], {7: (0, 60)}, {}, {})
    assert lake.partitions("task_predictions") == [{"run_id": "r1"}]
    by_video = query.run_sql(
        settings,
        "SELECT video_id, mouse_id, task, value FROM task_predictions WHERE run_id = ? AND second IS NULL "
        "ORDER BY video_id, task",
        [query.literal("r1")],
    ).rows
    assert [list(row) for row in by_video] == [
        [7, 1, "frame_regression:weight", 21.0], [7, 1, "state:light=on", 0.9], [8, 2, "state:light=on", 0.2],
    ]  # fmt: skip
    by_second = query.run_sql(
        settings, "SELECT second, value FROM task_predictions WHERE second IS NOT NULL ORDER BY second"
    ).rows
    assert [list(row) for row in by_second] == [[0, 20.0], [1, 22.0]]
