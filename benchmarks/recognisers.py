"""Compare models on the annotated videos of one lab: same folds, same post-processing.

.venv/bin/python benchmarks/recognisers.py --data DIR [--lab LAB] [--work DIR] [--nested] [--quick] [--json]
    [--groups N] [--overrides '{"small": {"epochs": 4}}'] [RECOGNISER ...]

DIR is a folder in the MABe layout; its tracks are curated in memory. A RECOGNISER is

  yardstick                XGBoost on rolling distances and speeds, without Etholake's features (`yardstick.py`)
  boosted, tcn             the product's trees; its network on the features of the trees
  small, cnn_lstm:tiny@1   a network by its configuration, and its seed after the @ (default 0)
  ensemble:small,small@1   the mean of their probabilities; `logits:…` the mean of their log-odds
  stack:boosted,small      trees on what these say, trained on what they say of videos that they did not learn

Every video is held out once. All post-processing of a video (calibration, thresholds, smoothing, lengths) is
fitted on the probabilities of the *other* videos, each of which was held out, too; so is the stack. Models that
learnt the judged video compute those of the others, as in usual cross-validation; with --nested models that did
not (all pairs of videos are left out: four times the work for seven videos), so that nothing at all has seen the
video. With --groups N the videos are held out in N groups (every N-th video) instead of one at a time, and the
decisions come from the other groups. Nested, the estimate that `etholake train` would print without the group (the
mean over the groups) stands beside what was scored.

Printed: F of both actions and their mean, frames pooled over videos as the official score does, and per video;
average precision before any decision, pooled likewise (it scatters less than F); of both means intervals by
bootstrap over videos, also of the difference to every model before it; and where the errors lie.
What was trained lies in --work and is not trained again. --quick: three videos, one epoch.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
import yardstick
from figures import Figure, parser, show
from numpy.typing import NDArray

from etholake.contract import ACTIONS
from etholake.dataset.labelled import LabelledVideo, TrainingData, whole_spans
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span, Split
from etholake.dataset.video_meta import VideoMeta
from etholake.evaluation import bouts, confusion
from etholake.events import metric, mutual
from etholake.events import post_processing as decisions
from etholake.events.calibration import pooled_frames
from etholake.events.types import Event, PairScores, mask
from etholake.models.archive import load_model
from etholake.models.base import Model
from etholake.models.ensemble.model import Ensemble, average
from etholake.models.registry import resolve
from etholake.models.stacking import trees as stack
from etholake.models.stacking.config import STACK
from etholake.stages.model.evaluate import read_truth
from etholake.training.estimate import estimate
from etholake.training.fit import fit

YARDSTICK = "yardstick"
RESAMPLES = 2000
RANKS = 1000
LIMITS = np.linspace(0, 1, RANKS + 1)[1:-1]
NEAR_S = 0.5  # an error so near to an annotated boundary is one of the boundary
Apart = frozenset[int]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("recognisers", nargs="*", default=["boosted", "small", "stack:boosted,small"])
    options.add_argument("--data", type=Path, required=True, help="folder in the MABe layout")
    options.add_argument("--lab", default="BlossomSocial")
    options.add_argument("--overrides", type=json.loads, default={}, help="{configuration: {field: value}}")
    options.add_argument("--work", type=Path, help="where what was trained is kept (default: nowhere)")
    options.add_argument("--nested", action="store_true", help="nothing has seen the judged video")
    options.add_argument("--groups", type=int, default=0, help="hold the videos out in so many groups (0: singly)")
    given = options.parse_args()
    torch.set_num_threads(1)
    data = read_lab(given.data, given.lab)
    videos = tuple(v.tracks.video_id for v in data.videos)[: 3 if given.quick else None]
    everywhere = {"epochs": 1, "warmup_epochs": 0} if given.quick else {}
    with tempfile.TemporaryDirectory(prefix="etholake-recognisers-") as temporary:
        work = given.work or Path(temporary)
        folds = Folds(given.data, data, videos, work, given.overrides, everywhere, given.groups)
        judged: dict[str, Judged] = {}
        for name in given.recognisers:
            judged[name] = Judged.of(folds, name, nested=given.nested)
            show(judged[name].figures(name, judged), as_json=given.json)
            sys.stdout.flush()


def read_lab(folder: Path, lab: str, fps: float | None = None) -> TrainingData:
    """Return the annotated videos of a lab, curated in memory as the Glue job curates them.

    With `fps` they are taken for videos of so many frames per second.
    """
    with (folder / "train.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = {int(row["video_id"]): row for row in csv.DictReader(stream) if row["lab_id"] == lab}
    truth = read_truth(folder, list(rows))
    videos = []
    for video, row in sorted(rows.items()):
        events = tuple(e for e in truth.events if e.video_id == video)
        file = folder / "train_tracking" / lab / f"{video}.parquet"
        if events and file.is_file():
            meta = VideoMeta.from_row(row if fps is None else {**row, "frames_per_second": fps})
            tracks = PoseTracks.from_raw(pq.ParquetFile(file).read(), meta)
            videos.append(LabelledVideo(tracks, events))
    actions = {e.action for v in videos for e in v.events} | {
        a for v in videos for _, _, a in v.tracks.labeled_behaviors
    }
    return TrainingData(tuple(videos), (*ACTIONS, *sorted(actions - set(ACTIONS))), f"{folder.name}/{lab}")


# --- probabilities of held-out videos --------------------------------------------------------------------------
@dataclass(frozen=True)
class Folds:
    """Probabilities of videos by models that were not trained on them; kept in `work`."""

    source: Path  # folder in the MABe layout
    data: TrainingData
    videos: tuple[int, ...]  # those that are held out, one at a time
    work: Path
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    everywhere: Mapping[str, Any] = field(default_factory=dict)  # fields of all networks
    n_groups: int = 0  # the videos are held out in so many groups; 0: one by one

    @cached_property
    def by_id(self) -> Mapping[int, LabelledVideo]:
        return {v.tracks.video_id: v for v in self.data.videos}

    def group(self, video: int) -> Apart:
        """Return the videos that are held out together with one, itself included."""
        n = self.n_groups or len(self.videos)
        return frozenset(self.videos[self.videos.index(video) % n :: n])

    def probabilities(self, name: str, video: int, apart: Apart = frozenset()) -> list[PairScores]:
        """Return a video's scores by a model that was trained neither on its group nor on the videos `apart`."""
        kind, members = _kind(name)
        if kind in ("ensemble", "logits"):
            space = "logit" if kind == "logits" else "probability"
            return average([self.probabilities(one, video, apart) for one in members.split(",")], space)
        parts = [self._recipe(one) for one in members.split(",")]
        out = apart | self.group(video)
        recipe = [kind, parts, asdict(STACK), stack.START] if kind else [kind, parts]
        digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:8]
        place = f"{name.replace(':', '-').replace(',', '-')}-{digest}"
        # A stack for a video alone is not the one for two that are apart: their bases differ.
        without = "-".join(map(str, sorted(out))) + (f"-nested{video}" if kind and apart else "")
        folder = self.work / place / without
        if not (folder / f"{video}.npz").is_file():
            began = time.monotonic()
            folder.mkdir(parents=True, exist_ok=True)
            if kind:
                by_video = {video: self._stack(members.split(","), video, apart)}
            else:
                by_video = self._base(members, sorted(out), folder)
            for each, scores in by_video.items():
                _write(folder / f"{each}.npz", scores)
            print(f"{name}: without {without} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        return _read(folder / f"{video}.npz", self.by_id[video].tracks)

    def _recipe(self, name: str) -> list[Any]:
        """Return what defines a trained base model, besides its folds."""
        config, _, seed = name.partition("@")
        if config == YARDSTICK:
            return [config, int(seed or 0), yardstick.RECIPE, self.data.fingerprint]
        family, fields = resolve(config, self._fields(config))
        return [config, int(seed or 0), family.to_json(fields), self.data.fingerprint]

    def _fields(self, config: str) -> dict[str, Any]:
        """Return the overrides of a configuration; those for every configuration where it has such a field."""
        names = {field.name for field in dataclasses.fields(resolve(config)[1])}
        everywhere = {name: value for name, value in self.everywhere.items() if name in names}
        return {**everywhere, **self.overrides.get(config, {})}

    def _base(self, name: str, out: Sequence[int], folder: Path) -> dict[int, list[PairScores]]:
        """Return the scores of the videos that are left out, by one model of all the rest."""
        config, _, seed = name.partition("@")
        if config == YARDSTICK:
            others = [v for v in self.data.videos if v.tracks.video_id not in out]
            return yardstick.predict(self.source, others, [self.by_id[v] for v in out], int(seed or 0))
        spans = whole_spans(self.data.videos)
        learnt, rest = (tuple(s for s in spans if (s.video_id in out) is left) for left in (False, True))
        model = self._trained(name, learnt, rest, folder)
        return {video: model.predict(self.by_id[video].tracks) for video in out}

    def _trained(self, name: str, learnt: tuple[Span, ...], rest: tuple[Span, ...], folder: Path) -> Model:
        config, _, seed = name.partition("@")
        split = Split(learnt, (), rest)
        fit(self.data, folder, config, self._fields(config), split=split, seed=int(seed or 0))
        return load_model(folder)

    def _stack(self, names: Sequence[str], video: int, apart: Apart) -> list[PairScores]:
        """Predict a video by a stack that learnt from the labels and out-of-fold probabilities of the others."""
        others = [v for v in self.videos if v not in self.group(video) | apart]
        learnt = [[pair for v in others for pair in self.probabilities(one, v, apart)] for one in names]
        model = stack.fit([self.by_id[v] for v in others], learnt)
        return model.predict(self.by_id[video].tracks, [self.probabilities(one, video, apart) for one in names])


def _kind(name: str) -> tuple[str, str]:
    """Return how a recogniser combines others ("" for one alone) and their names; `cnn_lstm:tiny` is one."""
    kind, _, members = name.partition(":")
    return (kind, members) if kind in ("ensemble", "logits", "stack") else ("", name)


def _write(path: Path, pairs: Sequence[PairScores]) -> None:
    arrays = {
        f"{p.agent_id},{p.target_id},{p.first_frame},{','.join(p.actions)}": p.probabilities_TA for p in pairs
    }
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
    partial.rename(path)


def _read(path: Path, tracks: PoseTracks) -> list[PairScores]:
    scores = []
    with np.load(path) as arrays:
        for key, values in arrays.items():
            agent, target, start, *actions = key.split(",")
            who = tracks.video_id, tracks.lab_id, tracks.fps, int(agent), int(target), int(start)
            scores.append(PairScores(*who, tuple(actions), values))
    return scores


# --- judging ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Judged:
    """TP, FP, FN frames [V, A, 3] of videos and actions, and the events that were decided.

    `ranks_VAQ2` are false and true frames by `RANKS` intervals of the probability, of equal frequency, rising.
    """

    folds: Folds
    actions: tuple[str, ...]
    frames_VA3: NDArray[Any]
    ranks_VAQ2: NDArray[Any]
    events: tuple[Event, ...]
    seconds: float
    expected: float  # the product's own estimate, mean over the groups; NaN unless nested

    @classmethod
    def of(cls, folds: Folds, name: str, *, nested: bool) -> Judged:
        """Decide every video as the others' held-out scores want it, and count frames."""
        began = time.monotonic()
        asked = {v: frozenset(folds.by_id[v].tracks.labeled_behaviors) for v in folds.videos}
        labs = {v: folds.by_id[v].tracks.lab_id for v in folds.videos}
        actions = tuple(sorted({action for wanted in asked.values() for _, _, action in wanted}))
        frames = np.zeros((len(folds.videos), len(actions), 3))
        predictions: list[PairScores] = []
        events: list[Event] = []
        for i, video in enumerate(folds.videos):
            apart: Apart = folds.group(video) if nested else frozenset()
            others = [v for v in folds.videos if v not in folds.group(video)]
            inner = [pair for v in others for pair in folds.probabilities(name, v, apart)]
            truth = [e for v in others for e in folds.by_id[v].events]
            fitted = decisions.fit(inner, truth, {v: asked[v] for v in others})
            predictions += mutual.averaged(folds.probabilities(name, video, apart), fitted.mutual)
            predicted = fitted.events([pair for pair in predictions if pair.video_id == video], asked[video])
            report = metric.pooled(folds.by_id[video].events, predicted, asked, labs)
            for action, score in report.labs[labs[video]].actions.items():
                frames[i, actions.index(action)] = score.tp_frames, score.fp_frames, score.fn_frames
            events += predicted
        ranks = _ranks(predictions, folds, actions)
        seconds = time.monotonic() - began
        expected = _expected(folds, name) if nested else float("nan")
        return cls(folds, actions, frames, ranks, tuple(events), seconds, expected)

    def mean_f(self, chosen: Sequence[int] | NDArray[Any] | slice = slice(None)) -> float:
        """Return the mean F of the actions that occur or are predicted, frames pooled over videos `chosen`."""
        return float(_f(self.frames_VA3[chosen].sum(axis=0)).mean())

    def precision(self, chosen: Sequence[int] | NDArray[Any] | slice = slice(None)) -> float:
        """Return the mean average precision of the actions that occur, frames pooled over videos `chosen`."""
        return float(np.nanmean(_average_precision(self.ranks_VAQ2[chosen].sum(axis=0))))

    def figures(self, name: str, before: Mapping[str, Judged]) -> list[Figure]:
        random = np.random.default_rng(0)
        n = len(self.folds.videos)
        draws = [random.integers(n, size=n) for _ in range(RESAMPLES)]
        made: list[Figure] = []
        for unit, of in (("F", Judged.mean_f), ("AP", Judged.precision)):
            own = np.array([of(self, d) for d in draws])
            made += _with_interval(f"{name}: mean {unit}, pooled", of(self), own, unit)
            for other, judged in before.items():
                if judged is not self:
                    theirs = np.array([of(judged, d) for d in draws])
                    gain = of(self) - of(judged)
                    made += _with_interval(f"{name}: mean {unit}, gain on {other}", gain, own - theirs, unit)
        pooled = _f(self.frames_VA3.sum(axis=0))
        made += [Figure(f"{name}: {a}", float(f), "F") for a, f in zip(self.actions, pooled, strict=True)]
        precise = _average_precision(self.ranks_VAQ2.sum(axis=0))
        made += [Figure(f"{name}: {a}", float(p), "AP") for a, p in zip(self.actions, precise, strict=True)]
        made += [Figure(f"{name}: video {v}", self.mean_f([i]), "F") for i, v in enumerate(self.folds.videos)]
        made += [Figure(f"{name}: {what}", value, unit) for what, value, unit in self._errors()]
        if not np.isnan(self.expected):
            made.append(Figure(f"{name}: mean F that the product expects, from the rest", self.expected, "F"))
        return [*made, Figure(f"{name}: training and prediction, if not kept", self.seconds, "s")]

    def _errors(self) -> list[tuple[str, float, str]]:
        """Return the errors by place: by bout, at boundaries, between actions, where points are missing."""
        all_tracks = {v: self.folds.by_id[v].tracks for v in self.folds.videos}
        labs, fps = {v: c.lab_id for v, c in all_tracks.items()}, {v: c.fps for v, c in all_tracks.items()}
        truth = [e for v in self.folds.videos for e in self.folds.by_id[v].events]
        rows: list[tuple[str, float, str]] = []
        for (_, action), counts in sorted(bouts.compare(truth, self.events, labs, fps).items()):
            rows += [(f"{action}, bouts", counts.f_score, "F"), (f"{action}, true bouts", counts.true, "bouts")]
            rows += [(f"{action}, predicted bouts", counts.predicted, "bouts")]
            for end, errors in (("start", counts.start_error_s), ("stop", counts.stop_error_s)):
                if len(errors):
                    off = float(np.median(np.abs(errors)))
                    rows.append((f"{action}, median |error| of the {end} of matched bouts", off, "s"))
        for table in confusion.confusion(truth, self.events, labs).values():
            rows += [
                (f"{true} predicted as {counts}", frames, "frames") for (true, counts), frames in table.items()
            ]
        wrong, near, unseen = (np.concatenate(x) for x in zip(*self._frames(truth), strict=True))
        rows.append((f"errors within {NEAR_S:g} s of an annotated boundary", float(near[wrong].mean()), "share"))
        rows.append(("points not seen, where wrong", float(unseen[wrong].mean()), "share"))
        rows.append(("points not seen, where right", float(unseen[~wrong].mean()), "share"))
        return rows

    def _frames(self, truth: Sequence[Event]) -> list[tuple[NDArray[Any], ...]]:
        """Return three arrays [T] for each labeled (pair, action).

        They are the masks of wrong frames and of frames near a boundary, and the fraction of points that were not
        observed.
        """
        masks: list[tuple[NDArray[Any], ...]] = []
        for video in self.folds.videos:
            tracks = self.folds.by_id[video].tracks
            observed_TM = tracks.to_video_frames(_tracked(tracks.observed_TMK))
            for triplet in tracks.labeled_behaviors:
                true, predicted = (
                    mask(
                        [e for e in es if (e.video_id, e.agent_id, e.target_id, e.action) == (video, *triplet)],
                        tracks.first_frame, len(observed_TM),
                    )
                    for es in (truth, self.events)
                )  # fmt: skip
                edges = np.flatnonzero(np.diff(true.astype(np.int8), prepend=0))
                half = round(NEAR_S * tracks.fps)
                near = np.zeros(len(true), dtype=bool)
                for edge in edges:
                    near[max(0, edge - half) : edge + half] = True
                pair = [tracks.mouse_ids.index(mouse) for mouse in set(triplet[:2])]
                masks.append((true != predicted, near, 1 - observed_TM[:, pair].mean(axis=1)))
        return masks


def _expected(folds: Folds, name: str) -> float:
    """Return the mean of the estimates that training without each group makes, from the other groups."""
    made = []
    for group in dict.fromkeys(map(folds.group, folds.videos)):
        rest = list(dict.fromkeys(folds.group(v) for v in folds.videos if v not in group))
        spans = [[s for s in whole_spans(folds.data.videos) if s.video_id in other] for other in rest]
        scores = [[p for v in sorted(other) for p in folds.probabilities(name, v, group)] for other in rest]
        estimated = estimate(Ensemble(()), folds.data.videos, spans, scores)
        made.append(estimated.report.score if estimated else float("nan"))
    return float(np.mean(made))


def _tracked(observed_TMK: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the share of the parts that the video has at all which are seen [T, M]."""
    there_K = observed_TMK.any(axis=(0, 1))
    share_TM: NDArray[np.float32] = observed_TMK[:, :, there_K].mean(axis=2, dtype=np.float32)
    return share_TM


def _ranks(pairs: Sequence[PairScores], folds: Folds, actions: Sequence[str]) -> NDArray[Any]:
    """Return the numbers of false and true labeled frames by rank of probability [V, A, RANKS, 2]."""
    truth = [e for v in folds.videos for e in folds.by_id[v].events]
    limits = np.nanquantile(np.concatenate([pair.probabilities_TA.ravel() for pair in pairs]), LIMITS)
    counts = np.zeros((len(folds.videos), len(actions), RANKS, 2))
    for i, video in enumerate(folds.videos):
        own = [pair for pair in pairs if pair.video_id == video]
        asked = {video: folds.by_id[video].tracks.labeled_behaviors}
        for (_, action), (p, y) in pooled_frames(own, truth, asked).items():
            rank = np.searchsorted(limits, p, side="right")
            for is_true in (0, 1):
                counts[i, actions.index(action), :, is_true] = np.bincount(rank[y == is_true], minlength=RANKS)
    return counts


def _average_precision(ranks_AQ2: NDArray[Any]) -> NDArray[Any]:
    """Average precision [A] of frames that are ordered by interval only; NaN for what does not occur."""
    false, true = np.cumsum(ranks_AQ2[:, ::-1], axis=1).transpose(2, 0, 1)
    with np.errstate(invalid="ignore"):
        precision = true / np.maximum(true + false, 1)
        average_A: NDArray[Any] = (np.diff(true, axis=1, prepend=0) * precision).sum(axis=1) / true[:, -1]
    return average_A


def _with_interval(name: str, value: float, draws: NDArray[Any], unit: str) -> list[Figure]:
    low, high = np.percentile(draws, (2.5, 97.5))
    rest = [Figure(f"{name}, bootstrap {q} %", float(x), unit) for q, x in ((2.5, low), (97.5, high))]
    return [Figure(name, value, unit), *rest]


def _f(frames_A3: NDArray[Any]) -> NDArray[Any]:
    """Return F of the actions that occur or are predicted."""
    tp, fp, fn = frames_A3[frames_A3.sum(axis=1) > 0].T
    f_A: NDArray[Any] = 2 * tp / (2 * tp + fp + fn)
    return f_A


if __name__ == "__main__":
    main()
