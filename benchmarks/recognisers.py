"""Recognisers side by side on the annotated videos of one lab, cross-validated by video.

.venv/bin/python benchmarks/recognisers.py --data DIR [--lab LAB] [--configs tiny,small] [--quick] [--json]
    [--work DIR] [--videos 1,2] [--overrides '{"small": {"epochs": 4}}'] [--seed 0]

DIR is a folder in the MABe layout; its tracks are curated in memory. Every video is held out once; a model is
trained on the others, for its configuration's epochs, and says its probabilities. The thresholds of a video are
fitted on the probabilities of the *other* videos, each of which was held out, too. Each (configuration, fold) that
is done lies in --work and is not done again. Printed: F of every action, their mean per fold and pooled over all
frames as the official score does, with an interval by bootstrap over videos, and the difference to the first
configuration. --videos holds out these only, --quick the first two.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from figures import Figure, parser, show

from etholake.contract import ACTIONS
from etholake.events import thresholds
from etholake.events.decode import DecodeConfig, decode
from etholake.events.metric import ScoreReport, pooled
from etholake.events.types import Event, PairScores
from etholake.features.clip import PoseClip, VideoMeta
from etholake.models.recogniser import Recogniser
from etholake.stages.evaluate import read_truth
from etholake.training.data import LabelledVideo, TrainingData
from etholake.training.fit import fit
from etholake.training.split import Span, Split

RESAMPLES = 2000


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder in the MABe layout")
    options.add_argument("--lab", default="BlossomSocial")
    options.add_argument("--configs", default="tiny,small", help="named configurations, by comma")
    options.add_argument("--overrides", type=json.loads, default={}, help="{configuration: {field: value}}")
    options.add_argument("--work", type=Path, help="where finished folds are kept (default: nowhere)")
    options.add_argument("--videos", help="hold out these only, by comma")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    torch.set_num_threads(1)
    data = read_lab(given.data, given.lab)
    wanted = given.videos.split(",") if given.videos else [str(v.clip.video_id) for v in data.videos]
    videos = [int(video) for video in wanted][: 2 if given.quick else None]
    truth = Truth.of(data, videos)
    figures: list[Figure] = []
    first: Counts | None = None
    with tempfile.TemporaryDirectory(prefix="etholake-recognisers-") as temporary:
        work = given.work or Path(temporary)
        for name in given.configs.split(","):
            began = time.monotonic()
            held_out = {}
            for video in videos:
                folder = work / name / str(given.seed) / str(video)
                held_out[video] = fold(data, video, folder, name, given.overrides.get(name, {}), given.seed)
            counts = truth.judge(held_out)
            seconds = time.monotonic() - began
            figures += [*counts.figures(name, first), Figure(f"{name}: training and prediction", seconds, "s")]
            first = first or counts
            show(figures, as_json=given.json)
            figures = []


def read_lab(folder: Path, lab: str) -> TrainingData:
    """The annotated videos of a lab, curated in memory as the Glue job curates them."""
    with (folder / "train.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = {int(row["video_id"]): row for row in csv.DictReader(stream) if row["lab_id"] == lab}
    found = read_truth(folder, list(rows))
    videos = []
    for video, row in sorted(rows.items()):
        events = tuple(e for e in found.events if e.video_id == video)
        tracks = folder / "train_tracking" / lab / f"{video}.parquet"
        if events and tracks.is_file():
            clip = PoseClip.from_raw(pq.ParquetFile(tracks).read(), VideoMeta.from_row(row))
            videos.append(LabelledVideo(clip, events))
    named = {e.action for v in videos for e in v.events} | {a for v in videos for _, _, a in v.clip.behaviors}
    return TrainingData(tuple(videos), (*ACTIONS, *sorted(named - set(ACTIONS))), f"{folder.name}/{lab}")


# --- one fold ---------------------------------------------------------------------------------------------
def fold(
    data: TrainingData, video: int, folder: Path, name: str, overrides: Mapping[str, Any], seed: int
) -> list[PairScores]:
    """Scores of a held-out video by a model of the others."""
    done = folder / "scores.npz"
    clip = next(v.clip for v in data.videos if v.clip.video_id == video)
    if not done.is_file():
        began = time.monotonic()
        ends = {v.clip.video_id: v.clip.first_frame + v.clip.n_frames for v in data.videos}
        spans = [Span(v, clip.lab_id, 0, end) for v, end in ends.items()]
        train, test = (tuple(s for s in spans if (s.video_id == video) is held_out) for held_out in (False, True))
        fit(data, folder, name, overrides, split=Split(train, (), test), seed=seed)
        pairs = Recogniser.load(folder).predict(clip)
        arrays = {
            f"{p.agent_id},{p.target_id},{p.first_frame},{','.join(p.actions)}": p.probabilities_TA for p in pairs
        }
        np.savez_compressed(done.with_suffix(".partial.npz"), **arrays)
        done.with_suffix(".partial.npz").rename(done)
        print(f"{name}: fold {video} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    scores = []
    with np.load(done) as found:
        for key, values in found.items():
            agent, target, start, *actions = key.split(",")
            scores.append(
                PairScores(
                    video, clip.lab_id, clip.fps, int(agent), int(target), int(start), tuple(actions), values
                )
            )
    return scores


# --- judging ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Counts:
    """TP, FP, FN frames [V, A, 3] of videos and actions."""

    videos: tuple[int, ...]
    actions: tuple[str, ...]
    frames_VA3: np.ndarray[Any, Any]

    def mean_f(self, chosen: Sequence[int] | None = None) -> float:
        """Mean F of the actions, frames pooled over the chosen videos (positions; default: all)."""
        return float(_f(self.frames_VA3[list(chosen) if chosen is not None else slice(None)].sum(axis=0)).mean())

    def figures(self, name: str, first: Counts | None) -> list[Figure]:
        made = [Figure(f"{name}: mean F, pooled", self.mean_f(), "F")]
        random = np.random.default_rng(0)
        draws = [random.integers(len(self.videos), size=len(self.videos)) for _ in range(RESAMPLES)]
        spread = np.array([self.mean_f(draw) for draw in draws])
        for percent in (2.5, 97.5):
            made.append(Figure(f"{name}: … bootstrap {percent} %", float(np.percentile(spread, percent)), "F"))
        if first is not None:
            gains = np.array([self.mean_f(draw) - first.mean_f(draw) for draw in draws])
            made.append(Figure(f"{name}: gain on the first", self.mean_f() - first.mean_f(), "F"))
            for percent in (2.5, 97.5):
                made.append(Figure(f"{name}: … bootstrap {percent} %", float(np.percentile(gains, percent)), "F"))
        pooled_f = _f(self.frames_VA3.sum(axis=0))
        made += [Figure(f"{name}: {a}", float(f), "F") for a, f in zip(self.actions, pooled_f, strict=True)]
        made += [Figure(f"{name}: video {v}", self.mean_f([i]), "F") for i, v in enumerate(self.videos)]
        return made


def _f(frames_A3: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """F of the actions that occur or are predicted."""
    tp, fp, fn = frames_A3[frames_A3.sum(axis=1) > 0].T
    return 2 * tp / (2 * tp + fp + fn)


@dataclass(frozen=True)
class Truth:
    """What was annotated in the chosen videos."""

    events: Mapping[int, Sequence[Event]]
    whitelists: Mapping[int, frozenset[tuple[int, int, str]]]
    lab: str

    @classmethod
    def of(cls, data: TrainingData, videos: Sequence[int]) -> Truth:
        chosen = {v.clip.video_id: v for v in data.videos if v.clip.video_id in videos}
        whitelists = {i: frozenset(v.clip.behaviors) for i, v in chosen.items()}
        return cls({i: v.events for i, v in chosen.items()}, whitelists, data.videos[0].clip.lab_id)

    def judge(self, held_out: Mapping[int, Sequence[PairScores]]) -> Counts:
        """Decode every video by thresholds of the others' held-out scores, and count frames."""
        actions = tuple(sorted({action for wanted in self.whitelists.values() for _, _, action in wanted}))
        frames = np.zeros((len(held_out), len(actions), 3))
        config = DecodeConfig()
        for v, (video, pairs) in enumerate(held_out.items()):
            others = [p for other, mine in held_out.items() if other != video for p in mine]
            annotated = [e for other, mine in self.events.items() if other != video for e in mine]
            fitted = thresholds.fit(others, annotated, self.whitelists, smoothing_s=config.smoothing_s)
            found = decode(pairs, self.whitelists[video], fitted, config)
            report: ScoreReport = pooled(self.events[video], found, self.whitelists, {video: self.lab})
            for action, score in report.labs[self.lab].actions.items():
                frames[v, actions.index(action)] = score.tp_frames, score.fp_frames, score.fn_frames
        return Counts(tuple(held_out), actions, frames)


if __name__ == "__main__":
    main()
