"""Measure what each ingredient of the models is for: one removed at a time, on simulated labs.

.venv/bin/python benchmarks/ablation.py [--quick] [--json] [--work DIR] [--seeds 3] [--config tiny]
    [--overrides '{"epochs": 4}'] [WITHOUT ...]

Every seed simulates labs of its own (other parts, frame rates and actions in each) and trains on them: of each
lab the last video is judged, the one before it fits the decisions, the others train. Printed: the official score
of one network with everything, and the change of it without each ingredient (by an ensemble: the change with it),
as the mean over the seeds and, in brackets, seed by seed. What is done lies in --work and is not done again.

These are simulated animals: the table shows what the parts do, not how good they are on real ones.
--quick: one seed, little data, two ingredients.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from figures import Figure, parser, show
from recognisers import read_lab
from torch import Tensor

from etholake.dataset.labelled import LabelledVideo, TrainingData, whole_spans
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.split import Split
from etholake.dataset.windows import MouseTracks, Tracks
from etholake.events import metric
from etholake.events import post_processing as decisions
from etholake.events.post_processing import PostProcessing
from etholake.events.types import Event
from etholake.features import pair_features as pair
from etholake.features.pair_features import PairFeatures
from etholake.features.registry import ENCODERS
from etholake.models.config import Augmentation
from etholake.models.ensemble.model import average
from etholake.models.network_family import load_network
from etholake.models.network_model import NetworkModel
from etholake.simulate import simulate
from etholake.training.fit import fit

LABS, VIDEOS, SECONDS, DIRT = 4, 5, 150.0, 0.3
MEMBERS = 3  # of the ensemble, of different seeds
CHANGES = (
    "without masks", "without agent-centric input", "without common clock", "without augmentation",
    "without lab embedding", "without thresholds", "with an ensemble",
)  # fmt: skip


def main() -> None:
    options = parser(__doc__)
    options.add_argument("changes", nargs="*", help=f"of: {', '.join(CHANGES)}")
    options.add_argument("--work", type=Path, help="where results are kept (default: nowhere)")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--config", default="tiny")
    options.add_argument("--overrides", type=json.loads, default={}, help="fields of the configuration")
    given = options.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if given.quick else given.seeds
    chosen = given.changes or CHANGES[: 2 if given.quick else None]
    if wrong := set(chosen) - set(CHANGES):
        options.error(f"there is no {sorted(wrong)}; known: {', '.join(CHANGES)}")
    size = (2, 3, 30.0) if given.quick else (LABS, VIDEOS, SECONDS)
    fields = {**given.overrides, **({"epochs": 1, "warmup_epochs": 0} if given.quick else {})}
    with tempfile.TemporaryDirectory(prefix="etholake-ablation-") as temporary:
        work = given.work or Path(temporary)
        runs = [Run(work, seed, size, given.config, fields) for seed in range(seeds)]
        whole = [run.score("everything") for run in runs]
        show([_figure("simulated: everything", whole)], as_json=given.json)
        for name in chosen:
            change = [run.score(name) - score for run, score in zip(runs, whole, strict=True)]
            show([_figure(f"simulated: {name}", change)], as_json=given.json)
            sys.stdout.flush()


def _figure(name: str, values: list[float]) -> Figure:
    listed = ", ".join(f"{value:+.3f}" for value in values)
    return Figure(f"{name} ({listed})", float(np.mean(values)), "score")


class Run:
    """The simulated labs of one seed, and the scores of models on them."""

    def __init__(
        self, work: Path, seed: int, size: tuple[int, int, float], config: str, fields: Mapping[str, Any]
    ):
        self.seed, self.config, self.fields = seed, config, dict(fields)
        self.folder = work / f"{config}-{'x'.join(f'{n:g}' for n in size)}-seed{seed}"
        labs, videos, seconds = size
        self.raw = self.folder / "labs"
        simulate(self.raw, labs=labs, videos=videos, seconds=seconds, seed=seed, dirt=DIRT, test_videos=0)
        self.data = self._read()

    def _read(self, fps: float | None = None) -> TrainingData:
        """Return all labs; with `fps` as if their videos had so many frames per second."""
        names = sorted(lab.name for lab in (self.raw / "train_annotation").iterdir())
        labs = [read_lab(self.raw, name, fps) for name in names]
        actions = tuple(dict.fromkeys(action for data in labs for action in data.actions))
        videos = tuple(v for data in labs if len(data.videos) > 2 for v in data.videos)
        return TrainingData(videos, actions, f"{self.folder.name} {fps}")

    def score(self, name: str) -> float:
        """Return the official score on the judged videos, which is kept for later calls."""
        done = self.folder / f"{name.replace(' ', '-')}.json"
        run = json.dumps([self.fields, DIRT], sort_keys=True)
        if done.is_file() and json.loads(done.read_text(encoding="utf-8"))["run"] == run:
            return float(json.loads(done.read_text(encoding="utf-8"))["score"])
        began = time.monotonic()
        score = self._measure(name)
        done.write_text(json.dumps({"run": run, "score": score}), encoding="utf-8")
        seconds = time.monotonic() - began
        print(f"seed {self.seed}, {name}: {score:.3f} in {seconds:.0f} s", file=sys.stderr, flush=True)
        return score

    def _measure(self, name: str) -> float:
        data = self._read(MODEL_FPS) if name == "without common clock" else self.data
        parts = _parts(data)
        members = range(MEMBERS if name == "with an ensemble" else 1)
        models = [self._model(name, data, parts[0], member) for member in members]
        scores = [[average([m.predict(v.tracks) for m in models]) for v in part] for part in parts[1:]]
        fps = {v.tracks.video_id: v.tracks.fps for v in self.data.videos}
        deciding, judged = ([replace(p, fps=fps[p.video_id]) for one in part for p in one] for part in scores)
        asked = {v.tracks.video_id: frozenset(v.tracks.labeled_behaviors) for v in data.videos}
        decided = PostProcessing()
        if name != "without thresholds":
            decided = decisions.fit(deciding, [e for v in parts[1] for e in v.events], asked)
        predicted: list[Event] = []
        for v in parts[2]:
            own = [p for p in judged if p.video_id == v.tracks.video_id]
            predicted += decided.events(own, asked[v.tracks.video_id])
        labs = {v.tracks.video_id: v.tracks.lab_id for v in parts[2]}
        return metric.pooled([e for v in parts[2] for e in v.events], predicted, asked, labs).score

    def _model(self, name: str, data: TrainingData, train: Sequence[LabelledVideo], member: int) -> NetworkModel:
        """Return a trained member. What only decides or averages differently is trained once."""
        fields = dict(self.fields)
        if name == "without augmentation":
            fields["augmentation"] = asdict(Augmentation.none())
        if name == "without lab embedding":
            fields["hidden_lab_fraction"] = 1.0
        if name in _ENCODERS:
            fields["encoder"] = _ENCODERS[name]
        alike = "everything" if name in ("without thresholds", "with an ensemble") else name
        folder = self.folder / alike.replace(" ", "-") / str(member)
        marker, run = folder / "run.json", json.dumps(fields, sort_keys=True)
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == run):
            spans = tuple(whole_spans(train))
            rest = tuple(s for s in whole_spans(data.videos) if s not in spans)
            fit(data, folder, self.config, fields, split=Split(spans, (), rest), seed=self.seed * MEMBERS + member)
            marker.write_text(run, encoding="utf-8")
        model = load_network(folder)
        if name == "without lab embedding":  # training hid every lab; so does use
            with torch.no_grad():
                embedding = model.network.get_parameter("lab.weight")
                embedding[:] = embedding[0].clone()
        return model


def _parts(data: TrainingData) -> tuple[list[LabelledVideo], list[LabelledVideo], list[LabelledVideo]]:
    """Return the videos that train, that fit the decisions, and that are judged."""
    by_lab: dict[str, list[LabelledVideo]] = {}
    for video in data.videos:
        by_lab.setdefault(video.tracks.lab_id, []).append(video)
    labs = by_lab.values()
    return [v for lab in labs for v in lab[:-2]], [lab[-2] for lab in labs], [lab[-1] for lab in labs]


# --- other inputs -----------------------------------------------------------------------------------------
class _WithoutMasks(PairFeatures):
    """No feature says which parts are missing or interpolated."""

    name = "without_masks"

    def __call__(self, windows: Tracks | MouseTracks) -> Tensor:
        masks = torch.tensor([name.endswith("_observed") for name in pair.FEATURE_NAMES])
        return pair.pair_features(windows).masked_fill(masks, 0.0)


class _InTheArena(PairFeatures):
    """Coordinates, velocities and directions in the frame of the arena; distances and speeds do not change."""

    name = "in_the_arena"

    def __call__(self, windows: Tracks | MouseTracks) -> Tensor:
        along_x = torch.tensor([1.0, 0.0])[:, None, None]
        with _replaced(pair, "_heading", lambda xy: along_x.expand(2, *xy.shape[2:])):
            x = pair.pair_features(windows)
        pairs = windows if isinstance(windows, Tracks) else windows.by_pair()
        coordinates = pairs.xy_BRTK2.transpose(1, 2).flatten(2).nan_to_num(nan=0.0)
        x[..., : coordinates.shape[-1]] = coordinates
        return x


_ENCODERS = {
    "without masks": ENCODERS.register(_WithoutMasks()).name,
    "without agent-centric input": ENCODERS.register(_InTheArena()).name,
}


@contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


if __name__ == "__main__":
    main()
