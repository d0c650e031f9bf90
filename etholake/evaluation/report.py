"""The evaluation of predictions, as JSON and as rows of the tables `score…`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.evaluation.bootstrap import Interval, Uncertainty, uncertainty
from etholake.evaluation.bouts import Bouts, compare
from etholake.evaluation.confusion import confusion
from etholake.evaluation.disagreements import Disagreement, disagreements
from etholake.evaluation.probabilities import BINS, Probabilities
from etholake.evaluation.probabilities import judge as judge_probabilities
from etholake.events import metric
from etholake.events.types import Event, PairScores, Triplet

__all__ = ["Evaluation", "judge"]


@dataclass(frozen=True)
class Evaluation:
    """The official score and the measures beside it, by (lab, action) unless stated otherwise.

    `frames` are (TP, FP, FN) by (video, action); `probabilities` is empty where none were at hand; `truth` and
    `predicted` are the events that were compared; `names` the videos' own names, where they have one.
    """

    score: metric.ScoreReport
    frames: Mapping[tuple[int, str], NDArray[Any]]
    bouts: Mapping[tuple[str, str], Bouts]
    confusion: Mapping[str, Mapping[tuple[str, str], int]]
    uncertainty: Uncertainty
    probabilities: Mapping[tuple[str, str], Probabilities]
    labs: Mapping[int, str]
    fps: Mapping[int, float]
    truth: Sequence[Event]
    predicted: Sequence[Event]
    disagreements: Mapping[tuple[str, str], Sequence[Disagreement]]
    names: Mapping[int, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return `ScoreReport.to_dict` with `interval` and `details`; JSON-ready, None where a value is not known.

        ``details[lab]``: `score`, `interval`, `videos`, `actions` (by name: `f_score`, `precision`, `recall`,
        `interval`, `bouts`, `average_precision`, `calibration`, `disagreements`: the longest of `Disagreement`),
        `confusion` ({annotated: {predicted: frames}}).
        """
        details = {}
        for lab, scored in self.score.labs.items():
            rows: dict[str, dict[str, int]] = {}
            for (true, predicted), n in self.confusion[lab].items():
                rows.setdefault(true, {})[predicted] = n
            details[lab] = {
                "score": scored.score,
                "interval": _list(self.uncertainty.labs[lab]),
                "videos": scored.videos,
                "actions": {action: self._action(lab, action) for action in scored.actions},
                "confusion": rows,
            }
        return {**self.score.to_dict(), "interval": _list(self.uncertainty.score), "details": details}

    def _action(self, lab: str, action: str) -> dict[str, Any]:
        scored, bouts = self.score.labs[lab].actions[action], self.bouts[lab, action]
        probabilities = self.probabilities.get((lab, action))
        return {
            "f_score": scored.f_score,
            "precision": scored.precision,
            "recall": scored.recall,
            "interval": _list(self.uncertainty.actions[lab, action]),
            "bouts": {
                "f_score": bouts.f_score, "precision": bouts.precision, "recall": bouts.recall,
                "true": bouts.true, "predicted": bouts.predicted, "matched": bouts.matched, **_errors(bouts),
            },
            "average_precision": probabilities.average_precision if probabilities else None,
            "calibration": _calibration(probabilities) if probabilities else None,
            "disagreements": [stretch.to_dict() for stretch in self.disagreements.get((lab, action), ())],
        }  # fmt: skip

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return rows of `scores`, `score_details`, `score_confusion`, `score_calibration`, without the run."""
        actions = [(lab, action) for lab, scored in self.score.labs.items() for action in scored.actions]
        return {
            "scores": [self._score_row(*at) for at in actions],
            "score_details": [self._detail_row(*at) for at in actions],
            "score_confusion": [
                {"lab_id": lab, "true_action": true, "predicted_action": predicted, "frames": n}
                for lab, rows in self.confusion.items()
                for (true, predicted), n in rows.items()
            ],
            "score_calibration": [
                {"lab_id": lab, "action": action, **row}
                for (lab, action), probabilities in self.probabilities.items()
                for row in _calibration(probabilities)["bins"]
            ],
        }

    def _score_row(self, lab: str, action: str) -> dict[str, Any]:
        scored = self.score.labs[lab].actions[action]
        return {
            "lab_id": lab, "action": action, "f_score": scored.f_score, "precision": scored.precision,
            "recall": scored.recall, "tp_frames": scored.tp_frames, "fp_frames": scored.fp_frames,
            "fn_frames": scored.fn_frames, "videos": self.score.labs[lab].videos,
        }  # fmt: skip

    def _detail_row(self, lab: str, action: str) -> dict[str, Any]:
        bouts, probabilities = self.bouts[lab, action], self.probabilities.get((lab, action))
        low, high = self.uncertainty.actions[lab, action] or (None, None)
        return {
            "lab_id": lab, "action": action, "f_low": low, "f_high": high, "bouts_true": bouts.true,
            "bouts_predicted": bouts.predicted, "bouts_matched": bouts.matched, "bout_f_score": bouts.f_score,
            **_errors(bouts), "average_precision": probabilities.average_precision if probabilities else None,
            "calibration_error": probabilities.calibration_error if probabilities else None,
        }  # fmt: skip


def judge(
    truth: Sequence[Event],
    predicted: Sequence[Event],
    whitelist: Mapping[int, Collection[Triplet]],
    labs: Mapping[int, str],
    fps: Mapping[int, float],
    pairs: Sequence[PairScores] = (),
) -> Evaluation:
    """Compare events, and probabilities where there are any; the first parameters are those of `metric.score`.

    `fps` (frames/s by video, where it is known) turns boundary errors into seconds. `pairs` are probabilities of
    the same videos, from a model that was not trained on them. Raises DataError as `metric.pooled` does.
    """
    counted = metric.counted(truth, predicted, whitelist)
    frames = metric.frames_by_video(truth, predicted, whitelist, labs)
    return Evaluation(
        metric.pooled(truth, predicted, whitelist, labs),
        frames,
        compare(truth, counted, labs, fps),
        confusion(truth, counted, labs),
        uncertainty(frames, labs),
        judge_probabilities(pairs, truth, whitelist),
        labs, fps, truth, counted, disagreements(truth, counted, labs, fps),
    )  # fmt: skip


def _errors(bouts: Bouts) -> dict[str, float | None]:
    """Return boundary errors in seconds: median absolute, and mean with its sign; None without a matched bout."""
    values = {"start": bouts.start_error_s, "stop": bouts.stop_error_s}
    return {
        f"{end}_{name}_sec": float(f(x)) if len(x) else None
        for name, f in (("error", lambda x: np.median(np.abs(x))), ("bias", np.mean))
        for end, x in values.items()
    }


def _calibration(probabilities: Probabilities) -> dict[str, Any]:
    return {
        "error": probabilities.calibration_error,
        "bins": [
            {
                "bin": q, "frames": int(probabilities.frames_Q[q]),
                "mean_probability": float(probabilities.mean_probability_Q[q]),
                "share_true": float(probabilities.share_true_Q[q]),
            }
            for q in range(BINS)
            if probabilities.frames_Q[q]
        ],
    }  # fmt: skip


def _list(interval: Interval) -> list[float] | None:
    return None if interval is None else list(interval)
