"""Read what a completed training job left, and save it as the state of stage train."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from etholake import aws
from etholake.errors import DataError
from etholake.models.archive import metadata_of
from etholake.objects import read_object
from etholake.settings import Settings
from etholake.stages.model.explain import stream_lines, task_lines
from etholake.stages.model.training_inputs import STAGE
from etholake.stages.state import load_state, save_state

__all__ = ["configuration_of", "model_metadata", "save_training", "sentence"]

SHOWN = 8  # videos that a sentence names


def save_training(
    settings: Settings, digest: str, config_name: str, job: dict[str, Any], seconds: float, **more: Any
) -> dict[str, Any]:
    """Save the state of stage train for the next run; return its details.

    Parameters
    ----------
    digest
        Fingerprint of the inputs (`TrainingPlan.digest`).
    job
        Description of the completed training job.
    seconds
        How long it took.
    more
        Further details.

    Raises
    ------
    DataError
        The job's archive has no readable description of the model.
    """
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    meta = model_metadata(settings, uri)
    streams: dict[str, Any] = {name: meta[name] for name in ("pose_windows", "streams") if name in meta}
    details = {
        "model_uri": uri,
        "job_name": job["TrainingJobName"],
        "config": config_name,
        "split": meta["split"],
        "folds": len(meta.get("folds", ())),
        **({"fine_tuned": meta["fine_tuned"]} if "fine_tuned" in meta else {}),
        **streams,
        "metrics": _metrics(job, meta),
        "tasks": meta.get("tasks", {}),
        "notes": meta.get("notes", []),
        "seconds": round(seconds, 1),
        **more,
    }
    save_state(settings, STAGE, {"fingerprint": digest, "details": details})
    return details


def sentence(details: dict[str, Any]) -> str:
    """Return the summary of a training for a person."""
    split, score, folds = details["split"], details["metrics"]["best_val_score"], details.get("folds", 0)
    kind = "out-of-fold" if folds else "validation"
    result = f"no {kind} score" if score is None else f"{kind} score {score:.3f}"
    if tuned := details.get("fine_tuned"):
        before = (tuned["before"] or {}).get("score")
        added = [*tuned["labs_added"], *tuned["actions_added"]]
        result += (
            f" (before: {'none' if before is None else f'{before:.3f}'}; added: {', '.join(added) or 'nothing'})"
        )
    lines = [
        f"Model '{details['config']}' trained in {details['seconds']:.0f} s: {result}.",
        _teaching(split, folds),
        *_cut_in_time(split),
        *stream_lines(details.get("pose_windows"), details.get("streams")),
        *task_lines(details.get("tasks", {})),
    ]
    return "\n  ".join([*lines, *(f"Note: {note}" for note in details.get("notes", []))])


def _teaching(split: Mapping[str, Sequence[Mapping[str, Any]]], folds: int) -> str:
    """Return how many videos teach, judge and are held out; `folds` is 0 without cross-validation."""
    teach, judge, held_out = (
        sorted({span["video_id"] for span in split[part]}) for part in ("train", "validation", "test")
    )
    text = f"{_counted(teach)} taught it"
    if folds:
        text += f"; {folds} folds judged each of them once by models that had not seen it"
    else:
        text += f"; {_counted(judge)} chose thresholds{_named(judge)}"
    return f"{text}; {_counted(held_out) if held_out else 'none'} held out for the score{_named(held_out)}."


def _counted(videos: Sequence[int]) -> str:
    return f"{len(videos)} video{'' if len(videos) == 1 else 's'}"


def _named(videos: Sequence[int]) -> str:
    """Return the first of some videos in brackets."""
    more = ", …" if len(videos) > SHOWN else ""
    return f" ({', '.join(map(str, videos[:SHOWN]))}{more})" if videos else ""


def _cut_in_time(split: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return a sentence on each video whose frames are in several parts."""
    parts = ("train", "validation", "test")
    uses = Counter(video for part in parts for video in {span["video_id"] for span in split[part]})
    return [
        f"Video {video} is cut in time: "
        + ", ".join(
            f"frames {span['start_frame']} to {span['stop_frame']} {part}"
            for part in parts
            for span in split[part]
            if span["video_id"] == video
        )
        + "."
        for video, count in sorted(uses.items())
        if count > 1
    ]


def held_out_spans(split: Mapping[str, Sequence[Mapping[str, int]]]) -> dict[int, tuple[int, int]]:
    """Return {video: (start_frame, stop_frame)} of the test part of a model's split."""
    return {s["video_id"]: (s["start_frame"], s["stop_frame"]) for s in split["test"]}


def newest_held_out_spans(settings: Settings) -> dict[int, tuple[int, int]]:
    """Return `held_out_spans` of the newest model. Raises DataError if there is none, or it held nothing out."""
    spans = held_out_spans((load_state(settings, STAGE).get("details") or {}).get("split", {"test": []}))
    if not spans:
        raise DataError("The newest model of the lake held nothing out, or there is none: run `make train` first.")
    return spans


def configuration_of(job: Mapping[str, Any]) -> str:
    """Return the configuration that the description of a training job names; "" if it names none."""
    return str(job.get("HyperParameters", {}).get("config", "")).strip('"')  # the SDK may write it as JSON


def model_metadata(settings: Settings, uri: str) -> dict[str, Any]:
    """Return `meta.json` of a model archive."""
    return metadata_of(read_object(aws.client(settings, "s3"), uri), uri)


def _metrics(job: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """Return the job's last metric values, and the score of the epoch that was kept."""
    metrics: dict[str, Any] = {m["MetricName"]: m["Value"] for m in job.get("FinalMetricDataList", [])}
    score = (meta.get("validation") or {}).get("score")
    metrics["best_val_score"] = score if isinstance(score, float) and math.isfinite(score) else None
    return metrics
