"""The tables of a prediction: `predictions` (events), `predicted_videos` (frames) and `task_predictions`.

A share of the time is a share of the predicted frames, and a video in which no event was found counts as one that
was looked at; so the first two are written for every run, by stage predict and by the pipeline's step. The third
has the answers of a model with tasks; the run of another model has no partition there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etholake.contract import TABLES, arrow_schema
from etholake.events.types import Event
from etholake.lake import Lake
from etholake.stages.serving.videos import Videos

__all__ = ["Spans", "TaskAnswers", "answer_rows", "commit", "is_committed", "prediction_rows", "span_rows"]

Spans = Mapping[int, tuple[int, int]]  # video -> its first predicted frame, and the frame after the last one
TaskAnswers = Mapping[int, Sequence[Mapping[str, Any]]]  # video -> {task, mouse_id, value[, by_second]} each


def commit(
    source: Videos,
    run_id: str,
    events: Sequence[Event],
    spans: Spans,
    answers: TaskAnswers,
    about: Mapping[str, Any],
) -> None:
    """Write the run's partitions of the tables, that of `predictions` last: it says that all is done."""
    source.lake.register()  # the tables may be new to the catalog
    partition = {"run_id": run_id}
    videos = span_rows(spans, source.split, source.rows)
    source.lake.replace_table("predicted_videos", videos, run_id, partition, about)
    if answers:
        table = answer_rows(answers, source.split, source.rows)
        source.lake.replace_table("task_predictions", table, run_id, partition, about)
    table = prediction_rows(events, source.split, source.rows)
    source.lake.replace_table("predictions", table, run_id, partition, about)


def is_committed(lake: Lake, run_id: str) -> bool:
    """Return whether the lake has the events of a run and the frames that it predicted."""
    return all(lake.current(table, {"run_id": run_id}) for table in ("predictions", "predicted_videos"))


def span_rows(spans: Spans, split: str, rows: Mapping[int, Mapping[str, Any]]) -> Any:
    """Return the spans as an Arrow table with the columns of `predicted_videos`. Pure."""
    import pyarrow as pa

    records = [(split, rows[video]["lab_id"], video, *span) for video, span in spans.items()]
    names = TABLES["predicted_videos"].column_names
    return pa.table(
        {name: [record[i] for record in records] for i, name in enumerate(names)}, arrow_schema("predicted_videos")
    )


def answer_rows(answers: TaskAnswers, split: str, rows: Mapping[int, Mapping[str, Any]]) -> Any:
    """Return answers to tasks as an Arrow table with the columns of `task_predictions`. Pure.

    A task of frames has a row a second besides the row of its mean, whose `second` is null.
    """
    import pyarrow as pa

    records = [
        {
            "split": split, "lab_id": rows[video]["lab_id"], "video_id": video, "mouse_id": answer["mouse_id"],
            "task": answer["task"], "second": second, "value": value,
        }
        for video, of_video in answers.items()
        for answer in of_video
        for second, value in [(None, answer["value"]), *enumerate(answer.get("by_second", ()))]
    ]  # fmt: skip
    return pa.Table.from_pylist(records, schema=arrow_schema("task_predictions"))


def prediction_rows(events: Sequence[Event], split: str, rows: dict[int, dict[str, Any]]) -> Any:
    """Return events as an Arrow table with the columns of `predictions`; seconds by the video's own fps."""
    import pyarrow as pa

    records = []
    for event in events:
        row = rows[event.video_id]
        fps = row["frames_per_second"]
        records.append(
            {
                "split": split, "lab_id": row["lab_id"], "video_id": event.video_id, "agent_id": event.agent_id,
                "target_id": event.target_id, "action": event.action, "start_frame": event.start_frame,
                "stop_frame": event.stop_frame, "start_sec": event.start_frame / fps,
                "stop_sec": event.stop_frame / fps, "confidence": event.confidence,
            }
        )  # fmt: skip
    columns = {name: [record[name] for record in records] for name in TABLES["predictions"].column_names}
    return pa.table(columns)
