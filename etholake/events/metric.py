"""The official score of MABe 2025 ("MABe F-beta", beta = 1).

1. An event's frames are ``start_frame <= f < stop_frame``.
2. A prediction counts only if its (agent, target, action) is a labeled behavior of its video
(`behaviors_labeled`);
   others, and videos without any ground-truth row, are ignored at no cost.
3. Two labeled actions on one frame of one (video, agent, target) make the whole submission an error.
   Repeated rows of one action are merged.
4. TP, FP and FN are frames, pooled over all videos and pairs of a lab per action; F1 per action; plain mean
   over the lab's actions; plain mean over labs.
5. Ground truth of other behaviors still counts as FN. A lab without predictions scores 0.
6. The phantom trap: predicting a labeled action that never occurs in the lab's ground truth adds an
   action with F = 0.
7. Empty solution or submission, start > stop: an error. ``start == stop`` is allowed and adds no frame; its row
   still counts as one: the video has ground truth, the action belongs to the lab. So an action that the lab has
   in empty rows alone, true or predicted, is one with F = 0.

This module reads no files; `submission` refuses a missing column, or ids written `1`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etholake.errors import DataError, raise_collected
from etholake.events.intervals import Intervals, first_overlap, overlap, union
from etholake.events.types import Event, Triplet

__all__ = [
    "ActionScore",
    "LabScore",
    "ScoreReport",
    "as_intervals",
    "counted",
    "frames_by_video",
    "pooled",
    "score",
]

Frames = np.ndarray[Any, Any]  # int64 [3]: TP, FP, FN


@dataclass(frozen=True)
class ActionScore:
    """Frames of one (lab, action), pooled."""

    tp_frames: int
    fp_frames: int
    fn_frames: int

    @property
    def f_score(self) -> float:
        """F1, 0..1; 0 without any frame."""
        return 2 * self.tp_frames / max(2 * self.tp_frames + self.fp_frames + self.fn_frames, 1)

    @property
    def precision(self) -> float | None:
        """The fraction of the predicted frames that are right; None if none was predicted."""
        predicted = self.tp_frames + self.fp_frames
        return self.tp_frames / predicted if predicted else None

    @property
    def recall(self) -> float | None:
        """The fraction of the true frames that were predicted; None if there is none (a phantom)."""
        true = self.tp_frames + self.fn_frames
        return self.tp_frames / true if true else None


@dataclass(frozen=True)
class LabScore:
    """One lab: its actions, and how many of its videos have ground truth."""

    actions: Mapping[str, ActionScore]
    videos: int

    @property
    def score(self) -> float:
        """Plain mean of F over the actions."""
        return float(np.mean([a.f_score for a in self.actions.values()]))


@dataclass(frozen=True)
class ScoreReport:
    """The official score and its parts."""

    labs: Mapping[str, LabScore]

    @property
    def score(self) -> float:
        """Plain mean over labs, 0..1."""
        return float(np.mean([lab.score for lab in self.labs.values()]))

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"score": …, "labs": {lab: {"score": …, "actions": {action: f}}}}``."""
        return {
            "score": self.score,
            "labs": {
                name: {"score": lab.score, "actions": {a: s.f_score for a, s in lab.actions.items()}}
                for name, lab in self.labs.items()
            },
        }


def score(
    solution: Sequence[Event],
    submission: Sequence[Event],
    labeled: Mapping[int, Collection[Triplet]],
    labs: Mapping[int, str],
) -> ScoreReport:
    """Return the official score of `submission` against `solution`.

    Parameters
    ----------
    solution, submission
        Events with frames of each video itself; order and `confidence` have no effect.
    labeled
        video_id -> its labeled behaviors (agent, target, action); a video that is not named has none.
    labs
        video_id -> lab_id, for every video of the solution.

    Raises
    ------
    DataError
        Solution or submission is empty; an event starts after its stop; a video of the solution has no lab;
        two labeled actions share a frame of one (video, agent, target).
    """
    if not solution:
        raise DataError("The solution is empty: there is no ground-truth event to score against.")
    if not submission:
        raise DataError(
            "The submission is empty: the official score refuses it. Predict at least one event "
            "(lower the thresholds, or check that the model was trained on this lab's actions)."
        )
    return pooled(solution, submission, labeled, labs)


def pooled(
    solution: Sequence[Event],
    submission: Sequence[Event],
    labeled: Mapping[int, Collection[Triplet]],
    labs: Mapping[int, str],
) -> ScoreReport:
    """Return `score` for a part of a submission, which may be empty (then every lab scores 0)."""
    frames: dict[tuple[str, str], Frames] = {}
    for (video, action), counts in frames_by_video(solution, submission, labeled, labs).items():
        at = (labs[video], action)
        frames[at] = frames.get(at, 0) + counts
    scored = {e.video_id for e in solution}
    return ScoreReport(
        {
            lab: LabScore(
                {at[1]: ActionScore(*map(int, frames[at])) for at in sorted(frames) if at[0] == lab},
                sum(labs[video] == lab for video in scored),
            )
            for lab in sorted({labs[video] for video in scored})
        }
    )


def frames_by_video(
    solution: Sequence[Event],
    submission: Sequence[Event],
    labeled: Mapping[int, Collection[Triplet]],
    labs: Mapping[int, str],
) -> dict[tuple[int, str], Frames]:
    """Return (TP, FP, FN) frames by (video, action), pooled over the video's pairs.

    Parameters and errors are those of `score`.
    """
    _check(solution, submission, labs)
    keys: dict[Hashable, int] = {}
    true = union(as_intervals(solution, keys))
    predicted = union(as_intervals(counted(solution, submission, labeled), keys))
    names: list[Any] = list(keys)
    _refuse_double_labels(predicted, names)
    hits = _per_key(predicted, overlap(predicted, true), len(keys))
    n_true, n_predicted = (_per_key(x, x.length, len(keys)) for x in (true, predicted))
    counts: dict[tuple[int, str], Frames] = {}
    for i, (video, _, _, action) in enumerate(names):
        at = (video, action)
        counts[at] = counts.get(at, 0) + np.array([hits[i], n_predicted[i] - hits[i], n_true[i] - hits[i]])
    return counts


def counted(
    solution: Sequence[Event], submission: Sequence[Event], labeled: Mapping[int, Collection[Triplet]]
) -> list[Event]:
    """Return the predictions that count (point 2)."""
    scored = {e.video_id for e in solution}
    return [
        e
        for e in submission
        if e.video_id in scored and (e.agent_id, e.target_id, e.action) in labeled.get(e.video_id, ())
    ]


def _check(solution: Sequence[Event], submission: Sequence[Event], labs: Mapping[int, str]) -> None:
    problems = [
        f"{name}: video {e.video_id}, mouse{e.agent_id} {e.action}: start_frame {e.start_frame} is after "
        f"stop_frame {e.stop_frame}; swap or drop the row."
        for name, events in (("solution", solution), ("submission", submission))
        for e in events
        if e.start_frame > e.stop_frame
    ]
    homeless = sorted({e.video_id for e in solution} - set(labs))
    problems += [f"solution: video {video} has no lab; add it to the metadata." for video in homeless]
    raise_collected(DataError, "Events that cannot be scored", problems)


def as_intervals(events: Sequence[Event], keys: dict[Hashable, int]) -> Intervals:
    """Return the events as intervals whose key is the number of (video, agent, target, action) in `keys`.

    Combinations that `keys` lacks are added to it.
    """
    rows = np.array(
        [
            (
                keys.setdefault((e.video_id, e.agent_id, e.target_id, e.action), len(keys)),
                e.start_frame,
                e.stop_frame,
            )
            for e in events
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    return Intervals(rows[:, 0], rows[:, 1], rows[:, 2])


def _per_key(intervals: Intervals, frames: np.ndarray[Any, Any], n_keys: int) -> np.ndarray[Any, Any]:
    totals = np.zeros(n_keys, dtype=np.int64)
    np.add.at(totals, intervals.key, frames)
    return totals


def _refuse_double_labels(predicted: Intervals, names: Sequence[Any]) -> None:
    pairs: dict[Hashable, int] = {}
    pair_of_key = np.array([pairs.setdefault(name[:3], len(pairs)) for name in names], dtype=np.int64)
    owner = pair_of_key[predicted.key] if len(names) else predicted.key
    clash = first_overlap(Intervals(owner, predicted.start, predicted.stop))
    if clash is None:
        return
    one, two = clash
    video, agent, target, action = names[predicted.key[one]]
    other = names[predicted.key[two]][3]
    raise DataError(
        f"The submission gives mouse{agent} → mouse{target} of video {video} two actions on one frame: {action} "
        f"and {other} both cover frame {predicted.start[two]}. The official score refuses such a submission: "
        "keep one action per frame and pair."
    )
