"""Stage compare: cross-validated training jobs side by side, with intervals of their differences.

Whatever family a job trained: it is judged by its out-of-fold probabilities and its own post-processing, which is
what ``etholake evaluate --out-of-fold RUN`` shows of one. Only videos that all jobs predicted count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from etholake import aws
from etholake.errors import UsageError
from etholake.evaluation.bootstrap import Interval, paired_difference
from etholake.evaluation.report import Evaluation
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model import out_of_fold
from etholake.stages.model.evaluate import judge
from etholake.stages.model.training_result import configuration_of, model_metadata
from etholake.storage import split_uri

__all__ = ["Compared", "lines", "run"]


@dataclass(frozen=True)
class Compared:
    """One job: its configuration, what it cost, and how it was judged; `gain` is its F minus that of the first.

    `frames_per_s` is how many frames of a video the model predicts in a second, as the job measured it.
    """

    run: str
    config: str
    evaluation: Evaluation
    gain: float
    gain_interval: Interval
    seconds: float | None
    megabytes: float | None
    frames_per_s: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        bouts = [b.f_score for b in self.evaluation.bouts.values()]
        precisions = [p.average_precision for p in self.evaluation.probabilities.values()]
        present = [p for p in precisions if p is not None]
        return {
            "run": self.run,
            "config": self.config,
            "f": self.evaluation.score.score,
            "average_precision": float(np.mean(present)) if present else None,
            "bout_f": float(np.mean(bouts)) if bouts else None,
            "gain": self.gain,
            "gain_interval": list(self.gain_interval) if self.gain_interval else None,
            "training_seconds": self.seconds,
            "megabytes": self.megabytes,
            "frames_per_s": self.frames_per_s,
        }


def run(settings: Settings, data: Path, names: Sequence[str]) -> StageResult:
    """Compare cross-validated training jobs; the first is what the others are compared with.

    Raises UsageError for fewer than two jobs, for one without out-of-fold predictions, and for jobs without a
    video in common.
    """
    if len(set(names)) < 2:
        raise UsageError("A comparison needs two cross-validated training jobs or more: name their runs.")
    runs = [out_of_fold.run_of(settings, name) for name in names]
    pairs = [out_of_fold.read(settings, name) for name in runs]
    shared = set.intersection(*({pair.video_id for pair in own} for own in pairs))
    if not shared:
        raise UsageError(f"The jobs {', '.join(runs)} predicted no video in common: train them on the same labs.")
    evaluations = [
        judge(data, out_of_fold.post_processing(settings, name), sorted(shared), pairs=own)
        for name, own in zip(runs, pairs, strict=True)
    ]
    first, compared = evaluations[0], []
    for name, evaluation in zip(runs, evaluations, strict=True):
        cost = _cost(settings, name)
        interval = None if evaluation is first else paired_difference(evaluation.frames, first.frames, first.labs)
        gain = evaluation.score.score - first.score.score
        compared.append(Compared(name, cost.config, evaluation, gain, interval, *cost[1:]))
    details = {"videos": len(shared), "runs": [one.to_dict() for one in compared]}
    return StageResult("compare", "done", "\n".join(lines(details)), details)


def lines(details: dict[str, Any]) -> list[str]:
    """Return the comparison as text, one line a job."""
    text = [f"{details['videos']} videos that all jobs predicted without having learnt them"]
    for row in details["runs"]:
        interval = row["gain_interval"]
        between = f" ({interval[0]:+.3f} to {interval[1]:+.3f})" if interval else ""
        text.append(
            f"  {row['config']:<28} F {_number(row['f'])}, AP {_number(row['average_precision'])}, "
            f"bout F {_number(row['bout_f'])}, gain {row['gain']:+.3f}{between}, "
            f"{_number(row['training_seconds'], '.0f')} s, {_number(row['megabytes'], '.1f')} MB, "
            f"{_number(row['frames_per_s'], '.0f')} frames/s  {row['run']}"
        )
    return text


class _Cost(NamedTuple):
    config: str
    seconds: float | None  # of training
    megabytes: float  # of the archive
    frames_per_s: float | None  # of prediction


def _cost(settings: Settings, name: str) -> _Cost:
    """Return what a job was, took and left."""
    job = aws.client(settings, "sagemaker").describe_training_job(TrainingJobName=name)
    config = configuration_of(job) or name
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, key = split_uri(uri)
    size = aws.client(settings, "s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    start, end = job.get("TrainingStartTime"), job.get("TrainingEndTime")
    seconds = (end - start).total_seconds() if start and end else None
    return _Cost(config, seconds, size / 1e6, model_metadata(settings, uri).get("frames_per_s"))


def _number(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)
