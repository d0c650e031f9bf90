"""Run the mouse triplets of MABe 2022 as their official evaluator does: linear probes of a representation.

Of every task a ridge regression (for labels 0 and 1 a balanced ridge classifier) is fitted on the representation
of the clips `SubmissionTrain`, three times on random 90 % of the clips, one seed each. The predictions on
`publicTest` and `privateTest` together are joined over the seeds and scored: F1 of a classification, mean squared
error else.

The representation here learns nothing: posture, motion and relation of the animals (`features.rolling`), their
mean, least and largest over the ordered pairs, standardised and turned to at most 128 principal components.

Source of the protocol: the evaluator, github.com/damaggu/MABe2022 (commit e97ddee, `round1/`), which was read. No
file of its labels, clips and split was to be had, so it was run on generated files of their layout; no hashes are
published there. The paper (Sun et al., "MABe22", arXiv:2207.10553) was not compared.

Shape letters: N frames of all clips behind each other, D components, Q tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError
from etholake.features.rolling import pair_now
from etholake.formats.base import ReadOptions
from etholake.formats.inert_pickle import to_array
from etholake.formats.pose.npy_pickle import read_object

__all__ = ["PUBLISHED", "Mabe22Result", "TaskScore", "lines_of", "ridge", "run", "split_of", "votes"]

SEEDS = (42, 43, 44)  # those of the evaluator's flies; its file for the mice was not to be had
ALPHA, HELD_OUT, COMPONENTS = 1.0, 0.1, 128
FPS, PX_PER_CM, PCA_FRAMES = 30.0, 10.0, 200_000  # px/cm is approximate; the representation is standardised
PARTS = {0: "nose", 1: "ear_left", 2: "ear_right", 3: "neck", 6: "body_center", 9: "tail_base"}  # of the twelve
SPLITS = ("SubmissionTrain", "publicTest", "privateTest")
# Scores of one submission by the evaluator's authors (its method is not said): task -> private and public clips.
PUBLISHED: Mapping[str, float] = {
    "experiment_day": 0.0925, "time_of_day": 0.0926, "strain": 0.8162, "approaches": 0.0197, "chases": 0.0101,
    "close": 0.7083, "contact": 0.5585, "huddles": 0.3108, "oral_ear_contact": 0.0056,
    "oral_genital_contact": 0.0148, "oral_oral_contact": 0.0126, "watching": 0.1821, "lights": 0.6897,
}  # fmt: skip
_SOURCE = "submission 179369, github.com/damaggu/MABe2022, results/"

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class TaskScore:
    """The score of a task, F1 or the mean squared error of numbers, and the mean score of the single seeds."""

    metric: str
    score: float
    single_seed: float


@dataclass(frozen=True)
class Mabe22Result:
    """Our scores by task, in the order of the label file, and the number of clips."""

    tasks: Mapping[str, TaskScore]
    clips: int


@dataclass(frozen=True)
class _Labels:
    """The label file: names and kinds of the tasks, labels [Q, N] (NaN: unlabelled), frames of each clip."""

    tasks: tuple[str, ...]
    discrete: tuple[bool, ...]
    labels_QN: Floats
    frames: Mapping[str, tuple[int, int]]


def run(folder: Path, seeds: Sequence[int] = SEEDS) -> Mabe22Result:
    """Score our representation on the files below a folder.

    It needs the npy of the test labels (`label_array`, `vocabulary`, `task_type`, `frame_number_map`), the npy of
    the test clips (`sequences`) and the json of the split, whatever their names.

    Raises
    ------
    DataError
        A file is missing or has another layout, or a clip of the split is not in the others.
    """
    labels, clips, split = _files(folder)
    lacking = [name for part in SPLITS for name in split[part] if name not in labels.frames or name not in clips]
    if lacking:
        raise DataError(
            f"{folder}: the clip '{lacking[0]}' of the split is not in the labels or not in the tracks."
        )
    embedding_ND = _represent(clips, labels)
    tested = [name for part in SPLITS[1:] for name in split[part]]
    scores = {}
    for q, task in enumerate(labels.tasks):
        models = [_fitted(embedding_ND, labels, q, split_of(split["SubmissionTrain"], seed)[0]) for seed in seeds]
        at = _frames(labels, tested, q)
        if not len(at):
            raise DataError(f"{folder}: task '{task}' has no label in the test clips.")
        true_N = labels.labels_QN[q, at]
        predicted = [embedding_ND[at] @ weights + intercept for weights, intercept in models]
        scores[task] = _score(true_N, predicted, discrete=labels.discrete[q])
    return Mabe22Result(scores, len(clips))


# --- protocol ---------------------------------------------------------------------------------------------
def split_of(clips: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Return (clips to fit on, clips left out), as scikit-learn's `train_test_split` with 10 % left out."""
    order = np.random.RandomState(seed).permutation(len(clips))
    out = int(np.ceil(HELD_OUT * len(clips)))
    return [clips[i] for i in order[out:]], [clips[i] for i in order[:out]]


def ridge(
    x_ND: NDArray[Any], y_N: NDArray[Any], weight_N: NDArray[Any], alpha: float = ALPHA
) -> tuple[Floats, float]:
    """Return weights [D] and intercept of a weighted ridge regression, whose intercept is not shrunk."""
    x, y = x_ND.astype(np.float64), y_N.astype(np.float64)
    share = weight_N / weight_N.sum()
    x_mean, y_mean = share @ x, float(share @ y)
    centred = (x - x_mean) * weight_N[:, None]
    gram = centred.T @ (x - x_mean) + alpha * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (y - y_mean))
    return weights, float(y_mean - x_mean @ weights)


def votes(predicted: Sequence[Floats]) -> NDArray[np.bool_]:
    """Return the joined classes of several classifiers' decisions [N]; class 1 is a decision above 0.

    A frame is positive if the mean of the predicted labels is above 0, as the evaluator's code has it: with labels
    0 and 1 one vote is enough (its README speaks of two of three).
    """
    return np.asarray(np.mean([decision > 0 for decision in predicted], axis=0) > 0)


def _score(true_N: Floats, predicted: Sequence[Floats], *, discrete: bool) -> TaskScore:
    if not discrete:
        joined = np.mean(predicted, axis=0)
        single = [float(np.mean((p - true_N) ** 2)) for p in predicted]
        return TaskScore("MSE", float(np.mean((joined - true_N) ** 2)), float(np.mean(single)))
    true = true_N > 0
    single = [_f1(true, p > 0) for p in predicted]
    return TaskScore("F1", _f1(true, votes(predicted)), float(np.mean(single)))


def _f1(true_N: NDArray[np.bool_], predicted_N: NDArray[np.bool_]) -> float:
    both = int(true_N.sum()) + int(predicted_N.sum())
    return 2 * int((true_N & predicted_N).sum()) / both if both else 0.0


def _fitted(embedding_ND: Singles, labels: _Labels, q: int, clips: Sequence[str]) -> tuple[Floats, float]:
    """Return the ridge model of a task; a class weighs as much as the other."""
    at = _frames(labels, clips, q)
    y = labels.labels_QN[q, at]
    weight = np.ones(len(at))
    if labels.discrete[q]:
        positive = y > 0
        if not 0 < positive.sum() < len(y):
            raise DataError(f"Task '{labels.tasks[q]}': the clips to learn from have one class only.")
        weight = np.where(positive, len(y) / 2 / positive.sum(), len(y) / 2 / (~positive).sum())
        y = np.where(positive, 1.0, -1.0)
    return ridge(embedding_ND[at], y, weight)


def _frames(labels: _Labels, clips: Sequence[str], q: int) -> NDArray[np.int64]:
    """Return the labelled frames of some clips."""
    ranges = [np.arange(*labels.frames[name]) for name in clips]
    at = np.concatenate(ranges) if ranges else np.zeros(0, np.int64)
    labelled: NDArray[np.int64] = at[np.isfinite(labels.labels_QN[q, at])]
    return labelled


# --- representation ---------------------------------------------------------------------------------------
def _represent(clips: Mapping[str, NDArray[Any]], labels: _Labels) -> Singles:
    """Return the representation [N, D] of all frames of the clips; frames of no clip are 0."""
    total = labels.labels_QN.shape[1]
    raw: Singles | None = None
    for name, points in clips.items():
        if name not in labels.frames:
            continue
        start, stop = labels.frames[name]
        if len(points) != stop - start:
            raise DataError(f"Clip '{name}' has {len(points)} frames, but its labels have {stop - start}.")
        features = _features(points)
        if raw is None:
            raw = np.zeros((total, features.shape[1]), np.float32)
        raw[start:stop] = features
    if raw is None:
        raise DataError("None of the clips has labels.")
    sample = raw[:: max(1, total // PCA_FRAMES)]
    mean, deviation = sample.mean(axis=0), sample.std(axis=0)
    raw = (raw - mean) / np.where(deviation > 0, deviation, 1)
    _, vectors = np.linalg.eigh(np.cov(raw[:: max(1, total // PCA_FRAMES)].astype(np.float64), rowvar=False))
    return np.asarray(raw @ vectors[:, ::-1][:, :COMPONENTS].astype(np.float32))


def _features(points: NDArray[Any]) -> Singles:
    """Return mean, least and largest of the features over the ordered pairs of animals [T, 3 F]."""
    T, M = points.shape[:2]
    xy_TMK2 = np.full((T, M, len(UNIFIED_PARTS), 2), np.nan, dtype=np.float32)
    for p, part in PARTS.items():
        xy_TMK2[:, :, UNIFIED_PARTS.index(part)] = points[:, :, p] / PX_PER_CM
    xy_TMK2[(xy_TMK2 == 0).all(axis=-1)] = np.nan  # 0, 0 is a missing point
    observed: NDArray[np.bool_] = np.isfinite(xy_TMK2).min(axis=-1)
    meta = VideoMeta(video_id=0, lab_id="MABe22", fps=FPS, labeled_behaviors=())
    tracks = PoseTracks(meta, xy_TMK2, observed, tuple(range(1, M + 1)), 0, T)
    pairs = [np.column_stack(list(pair_now(tracks, a, b).values())) for a in range(M) for b in range(M) if a != b]
    stacked = np.nan_to_num(np.stack(pairs), nan=0.0, posinf=0.0, neginf=0.0)
    return np.concatenate([stacked.mean(axis=0), stacked.min(axis=0), stacked.max(axis=0)], axis=1).astype(
        np.float32
    )


# --- files ------------------------------------------------------------------------------------------------
def _files(folder: Path) -> tuple[_Labels, dict[str, NDArray[Any]], Mapping[str, list[str]]]:
    labels: _Labels | None = None
    clips: dict[str, NDArray[Any]] = {}
    for path in sorted(folder.rglob("*.npy")):
        content = read_object(path, ReadOptions(unpickle=True))  # a restricted reader: nothing in it is run
        if isinstance(content, Mapping) and "label_array" in content:
            labels = _labels(path, content)
        elif isinstance(content, Mapping) and isinstance(content.get("sequences"), Mapping):
            for name, sequence in content["sequences"].items():
                points = to_array(sequence["keypoints"])
                if points.ndim != 4 or points.shape[2:] != (12, 2):
                    raise DataError(
                        f"{path}, '{name}': keypoints are {points.shape}, expected (frames, 3, 12, 2)."
                    )
                clips[str(name)] = points
    splits = [content for path in sorted(folder.rglob("*.json")) if (content := _split(path))]
    for present, what in (
        (labels, "npy with 'label_array'"),
        (clips, "npy with 'sequences'"),
        (splits, "json split"),
    ):
        if not present:
            raise DataError(f"{folder} holds no {what} of MABe 2022's mouse triplets.")
    assert labels is not None
    return labels, clips, splits[0]


def _labels(path: Path, content: Mapping[str, Any]) -> _Labels:
    array = to_array(content["label_array"]).astype(np.float64)
    names, kinds = ([str(v) for v in content.get(key, ())] for key in ("vocabulary", "task_type"))
    frames = content.get("frame_number_map")
    if array.ndim != 2 or not len(array) == len(names) == len(kinds) or not isinstance(frames, Mapping):
        raise DataError(
            f"{path}: expected label_array [tasks, frames] with vocabulary, task_type, frame_number_map."
        )
    ranges = {str(name): (int(a), int(b)) for name, (a, b) in frames.items()}
    if any(not 0 <= a <= b <= array.shape[1] for a, b in ranges.values()):
        raise DataError(f"{path}: frame_number_map names frames beyond the {array.shape[1]} of label_array.")
    return _Labels(tuple(names), tuple(kind == "Discrete" for kind in kinds), array, ranges)


def _split(path: Path) -> Mapping[str, list[str]] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise DataError(f"{path} cannot be read: {err}.") from err
    return content if isinstance(content, dict) and set(SPLITS) <= content.keys() else None


def lines_of(result: Mabe22Result) -> Iterator[str]:
    """Yield the lines of a report: each task with our score and the published one."""
    yield f"MABe 2022 mouse triplets: linear probes, {result.clips:,} clips"
    yield f"  {'ours':>8}  {'published':>9}  task"
    for task, score in result.tasks.items():
        published = f"{PUBLISHED[task]:9.4f}" if task in PUBLISHED else "        -"
        yield f"  {score.score:8.4f}  {published}  {task} ({score.metric})"
    yield f"  published: {_SOURCE}"
