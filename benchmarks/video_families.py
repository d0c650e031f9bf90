"""Compare tracks, pixels, and both on rendered labs, where the truth is known.

.venv/bin/python benchmarks/video_families.py [--labs 2] [--videos 6] [--seconds 60] [--seeds 3] [--work DIR]
    [--pad-ratio 0.5] [--quick] [--json] [CONFIG ...]

Labs are simulated and filmed (`etholake simulate --video`); their clips have crops of 48 px, with boxes of the
tracks. A CONFIG is any network of the product; without any: one of tracks, one of pixels, one of both, and the
mean of the first two (`a+b`). The last third of every lab's videos is the test. Printed, over the seeds, is the
mean average precision of the labs' actions on the test, before any threshold, its lowest and its best; and how
long one training took. The films are drawn from the same motion as the tracks: nothing in the picture tells more
about behavior than perfect tracks do, so that pixels can at best come near them. Real fur, faces and bedding are
not simulated.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from figures import Figure, parser, show
from recognisers import read_lab

from etholake.contract import ACTIONS
from etholake.dataset.clip_channel import stored_clips
from etholake.dataset.labelled import LabelledVideo, TrainingData, whole_spans
from etholake.dataset.split import Span, Split
from etholake.evaluation.probabilities import judge
from etholake.events.types import PairScores
from etholake.models.archive import load_model
from etholake.models.ensemble.model import average
from etholake.simulate import Filming, simulate
from etholake.training.fit import fit
from etholake.training.validation import HeldOut, scores_of
from etholake.video.index import clip_rows
from etholake.video.lake_tracks import tracks_of
from etholake.video.recipe import ClipRecipe
from etholake.video.stored_clips import Shard
from etholake.video.task import ClipTask, prepare

CONFIGS = ("cnn_transformer:tiny", "cnn3d:tiny", "video_pose:tiny", "cnn_transformer:tiny+cnn3d:tiny")
FILM_PX = 192


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--labs", type=int, default=2)
    options.add_argument("--videos", type=int, default=6, help="of every lab")
    options.add_argument("--seconds", type=float, default=60.0, help="length of a video")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--pad-ratio", type=float, default=0.5, help="border around the animal's box")
    options.add_argument("--work", type=Path, help="folder for the films, which are made once")
    options.add_argument("configs", nargs="*", metavar="CONFIG")
    given = options.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or Path(scratch)
        labs, videos, seconds = (1, 3, 12.0) if given.quick else (given.labs, given.videos, given.seconds)
        films = work / f"films-{labs}-{videos}-{seconds:g}"
        if not (films / "train.csv").is_file():
            simulate(
                films, labs=labs, videos=videos, seconds=seconds, dirt=0.0, test_videos=0, filming=Filming(FILM_PX)
            )
        recipe = ClipRecipe(boxes="pose", crop_size=48, pad_ratio=given.pad_ratio)
        data = _filmed(films, work / f"clips-{films.name}-{given.pad_ratio:g}", recipe)
        train, test = _split(data)
        names = given.configs or list(CONFIGS)
        seeds = range(1 if given.quick else given.seeds)
        scores = _Scores(data, train, test, {"epochs": 1, "batches_per_epoch": 4} if given.quick else {})
        for name in names:
            values = [scores.precision(name, seed) for seed in seeds]
            figures = [Figure(f"{name}: mean AP", float(np.mean(values)), "AP")]
            figures += [
                Figure(f"{name}: {kind}", float(f(values)), "AP") for kind, f in (("lowest", min), ("best", max))
            ]
            if "+" not in name:
                figures.append(Figure(f"{name}: one training", float(np.mean(scores.seconds[name])), "s"))
            show(figures, as_json=given.json)


class _Scores:
    """Trained models' probabilities of the test videos, each computed once."""

    def __init__(self, data: TrainingData, train: list[Span], test: list[Span], changes: dict[str, int]) -> None:
        self.data, self.train, self.test, self.changes = data, train, test, changes
        self.seconds: dict[str, list[float]] = {}
        self._pairs: dict[tuple[str, int], list[PairScores]] = {}

    def precision(self, name: str, seed: int) -> float:
        """Return the mean average precision of a configuration, or of the mean of several (``a+b``)."""
        parts = [self._of(part, seed) for part in name.split("+")]
        videos = [span.video_id for span in self.test]
        pairs = [p for v in videos for p in average([[p for p in part if p.video_id == v] for part in parts])]
        held_out = HeldOut.given(pairs, self.data.videos, self.test)
        judged = judge(held_out.pairs, held_out.truth, held_out.labeled_by_video)
        value = float(np.mean([p.average_precision for p in judged.values() if p.average_precision is not None]))
        print(f"{name}, seed {seed}: {value:.3f}", file=sys.stderr, flush=True)
        return value

    def _of(self, name: str, seed: int) -> list[PairScores]:
        if (name, seed) not in self._pairs:
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                split = Split(tuple(self.train), (), tuple(self.test))
                fit(self.data, Path(folder), name, self.changes, split=split, seed=seed)
                self.seconds.setdefault(name, []).append(time.monotonic() - began)
                self._pairs[name, seed] = scores_of(load_model(Path(folder)), self.data.videos, self.test)
        return self._pairs[name, seed]


def _filmed(films: Path, work: Path, recipe: ClipRecipe) -> TrainingData:
    """Return the videos of all labs with their clips, which are made once in `work`."""
    labs = sorted(folder.name for folder in (films / "videos").iterdir())
    videos = [video for lab in labs for video in read_lab(films, lab).videos]
    made = [with_clips(films, work / str(video.tracks.video_id), video, recipe) for video in videos]
    extra = {a for v in made for _, _, a in v.tracks.labeled_behaviors} - set(ACTIONS)
    return TrainingData(tuple(made), (*ACTIONS, *sorted(extra)), films.name)


def with_clips(films: Path, folder: Path, video: LabelledVideo, recipe: ClipRecipe) -> LabelledVideo:
    lab, number = video.tracks.lab_id, video.tracks.video_id
    points = tracks_of(pq.ParquetFile(films / "train_tracking" / lab / f"{number}.parquet").read())
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "tracks.npy", points.keypoints_TMK3)
    task = ClipTask(
        films / "videos" / lab / f"{number}.mp4", number, lab, recipe, folder, folder / "tracks.npy",
        points.animals, points.parts,
    )  # fmt: skip
    rows = clip_rows(prepare(task).windows, "clip-zone/films/", [])
    shards = {row["shard"]: Shard(folder / row["shard"].rpartition("/")[2]) for row in rows}
    return replace(video, tracks=replace(video.tracks, clips=stored_clips(recipe, rows, shards)))


def _split(data: TrainingData) -> tuple[list[Span], list[Span]]:
    """Return the spans that train and those that test: the last third of every lab's videos."""
    train: list[Span] = []
    test: list[Span] = []
    for lab in sorted({video.tracks.lab_id for video in data.videos}):
        spans = whole_spans([video for video in data.videos if video.tracks.lab_id == lab])
        held = max(1, len(spans) // 3)
        train, test = [*train, *spans[:-held]], [*test, *spans[-held:]]
    return train, test


if __name__ == "__main__":
    main()
