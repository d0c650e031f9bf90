"""Run the three tasks of CalMS21 on its official files: train on the train file, score on the test file.

Task 1 is classic classification, task 2 has five further annotators, task 3 seven further behaviours; each
annotator or behaviour is one group of the files, has a classifier of its own, and counts alike. Our classifier
here is boosted trees on the features of the family `boosted` (`features.rolling`), for the resident towards the
intruder.

The files are large and were not to be had while this was written: it was run on generated files of their layout,
and the metric on cases worked out by hand. Hashes of the files are not checked.

Source of the published figures: Sun et al., "The Multi-Agent Behavior Dataset: Mouse Dyadic Social Interactions",
NeurIPS 2021 Datasets and Benchmarks, arXiv:2104.02710.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, UsageError
from etholake.evaluation.protocols.metric import ClassScores, mean_of, score_classes
from etholake.features.rolling import pair_table
from etholake.formats.labels.calms21 import OTHER, annotation_of, sequences

__all__ = ["PUBLISHED", "TASKS", "Published", "TaskResult", "files_of", "lines_of", "run_task"]

TASKS = (1, 2, 3)
FPS, PX_PER_CM = 30.0, 16.0  # px/cm is approximate, and trees do not depend on it
PARTS = ("nose", "ear_left", "ear_right", "neck", "side_left", "side_right", "tail_base")  # in the files' order
ANIMALS, POINTS = 2, len(PARTS)
PARAMETERS = {
    "objective": "multi:softprob", "tree_method": "hist", "max_bin": 64, "max_depth": 6, "eta": 0.1,
    "subsample": 0.5, "colsample_bytree": 0.5, "verbosity": 0,
}  # fmt: skip
_SOURCE = "Sun et al. 2021, arXiv:2104.02710"


@dataclass(frozen=True)
class Published:
    """A published figure: mean F1, mean average precision (None: not given), who and where."""

    method: str
    f1: float
    ap: float | None
    source: str = _SOURCE


PUBLISHED: Mapping[int, tuple[Published, ...]] = {
    1: (
        Published("1D convolution", 0.793, 0.856),
        Published("1D convolution with TREBA features", 0.829, 0.889),
        Published(
            "two humans on ten recordings, macro agreement", 0.826, None, "original source not verified here"
        ),
    ),
    2: (Published("1D convolution", 0.754, 0.774),),
    3: (Published("1D convolution", 0.338, 0.328),),
}


@dataclass(frozen=True)
class TaskResult:
    """Our figures of one task: the means, and the scores of each group (annotator or behaviour)."""

    task: int
    f1: float
    ap: float
    groups: Mapping[str, ClassScores]
    train_frames: int
    test_frames: int


@dataclass(frozen=True)
class _Sequences:
    """The frames of a group's sequences behind each other: features [N, F], classes [N], names of the classes."""

    features_NF: NDArray[np.float32]
    classes_N: NDArray[np.int64]
    vocabulary: Mapping[str, int]


def files_of(folder: Path, task: int) -> tuple[Path, Path]:
    """Return the official train and test file of a task, wherever they lie below a folder.

    Raises DataError if one is missing or lies there twice.
    """
    paths = []
    for split in ("train", "test"):
        name = f"calms21_task{task}_{split}.json"
        places = sorted(folder.rglob(name))
        if len(places) != 1:
            what = "is not" if not places else f"lies {len(places)} times"
            raise DataError(f"{name} {what} below {folder}: unpack CalMS21's json files there, once.")
        paths.append(places[0])
    return paths[0], paths[1]


def run_task(folder: Path, task: int, *, rounds: int = 200, seed: int = 0) -> TaskResult:
    """Train on the train file of a task, score on its test file.

    Raises
    ------
    UsageError
        There is no such task.
    DataError
        A file is missing or broken, or a group of the test file has no training sequences or other classes.
    """
    if task not in TASKS:
        raise UsageError(f"CalMS21 has the tasks 1, 2 and 3, but not {task}.")
    train, test = (_groups(path) for path in files_of(folder, task))
    missing = sorted(test.keys() - train.keys())
    if missing or not test:
        raise DataError(
            f"Task {task}: the test file has the groups {missing or 'none'}, which the train file lacks."
        )
    scores = {}
    for group, held_out in test.items():
        own = train[group]
        if own.vocabulary != held_out.vocabulary:
            raise DataError(f"Task {task}, {group}: train and test file number their classes differently.")
        classes = sorted(own.vocabulary, key=own.vocabulary.__getitem__)
        probabilities_NC = _predicted(own, held_out, len(classes), rounds, seed)
        scores[group] = score_classes(probabilities_NC, held_out.classes_N, classes, OTHER)
    f1, ap = mean_of(scores)
    frames = (sum(len(g.classes_N) for g in groups.values()) for groups in (train, test))
    return TaskResult(task, f1, ap, scores, *frames)


def _predicted(own: _Sequences, held_out: _Sequences, classes: int, rounds: int, seed: int) -> NDArray[np.float32]:
    import xgboost

    data = xgboost.QuantileDMatrix(own.features_NF, label=own.classes_N, max_bin=PARAMETERS["max_bin"])
    booster = xgboost.train({**PARAMETERS, "num_class": classes, "seed": seed}, data, num_boost_round=rounds)
    probabilities: NDArray[np.float32] = booster.predict(xgboost.DMatrix(held_out.features_NF))
    return probabilities.reshape(len(held_out.classes_N), classes)


def _groups(path: Path) -> dict[str, _Sequences]:
    """Return the annotated sequences of a file by group, with the classes numbered from 0."""
    features: dict[str, list[NDArray[np.float32]]] = {}
    classes: dict[str, list[NDArray[np.int64]]] = {}
    vocabularies: dict[str, dict[str, int]] = {}
    for group, name, sequence in sequences(path):
        if "annotations" not in sequence:
            raise DataError(f"{path}: sequence '{name}' has no annotations: take the files with the test labels.")
        states_T, vocabulary = annotation_of(path, name, sequence)
        numbers = sorted(vocabulary.values())
        if vocabularies.setdefault(group, vocabulary) != vocabulary:
            raise DataError(f"{path}: the sequences of {group} number their classes differently ('{name}').")
        features.setdefault(group, []).append(_features(path, name, sequence, len(states_T)))
        classes.setdefault(group, []).append(np.searchsorted(numbers, states_T))
    return {
        group: _Sequences(np.concatenate(features[group]), np.concatenate(classes[group]), vocabulary)
        for group, vocabulary in vocabularies.items()
    }


def _features(path: Path, name: str, sequence: Mapping[str, Any], length: int) -> NDArray[np.float32]:
    """Return the features [T, F] of a sequence, whose key points are (frame, mouse, xy, part)."""
    try:
        points = np.asarray(sequence.get("keypoints"), dtype=np.float32)
    except (TypeError, ValueError) as err:
        raise DataError(f"{path}: the key points of '{name}' are no numbers of one shape: {err}.") from err
    if points.shape != (length, ANIMALS, 2, POINTS):
        raise DataError(
            f"{path}: the key points of '{name}' must have the shape (frames, mice, xy, parts) = "
            f"{(length, ANIMALS, 2, POINTS)}, but have {points.shape}."
        )
    xy_TMK2 = np.full((length, ANIMALS, len(UNIFIED_PARTS), 2), np.nan, dtype=np.float32)
    for p, part in enumerate(PARTS):
        xy_TMK2[:, :, UNIFIED_PARTS.index(part)] = points[:, :, :, p] / PX_PER_CM
    observed_TMK: NDArray[np.bool_] = np.isfinite(xy_TMK2).min(axis=-1)
    meta = VideoMeta(video_id=0, lab_id="CalMS21", fps=FPS, labeled_behaviors=())
    tracks = PoseTracks(meta, xy_TMK2, observed_TMK, (1, 2), 0, length)
    table = pair_table(tracks, 0, 1)
    return np.column_stack(list(table.values())).astype(np.float32)


def lines_of(result: TaskResult) -> Iterator[str]:
    """Yield the lines of a report: our figure, then the published ones with their sources."""
    yield f"CalMS21 task {result.task}: frame-wise means without '{OTHER}' ({result.test_frames:,} test frames)"
    yield f"  {'F1':>6}  {'mAP':>6}  method"
    yield f"  {result.f1:6.3f}  {result.ap:6.3f}  ours: boosted trees on rolling features"
    for figure in PUBLISHED[result.task]:
        ap = f"{figure.ap:6.3f}" if figure.ap is not None else "     -"
        yield f"  {figure.f1:6.3f}  {ap}  {figure.method} ({figure.source})"
