"""Measure what pre-training is worth: pre-trained against from scratch, at 5, 20 and 100 % of the labels.

.venv/bin/python benchmarks/transfer.py --data DIR --model DIR [--lab LAB] [--seeds 3] [--overrides JSON] [--quick]
    [--work FILE] [--json]

DIR of --data is a folder in the MABe layout; --model is what `etholake pretrain` or `benchmarks/imputation.py
--model` made. The last third of the lab's videos (in the order of their numbers) is the test; of every other
video only the given fraction of its frames, in one piece, has labels. All runs have the same configuration, steps
and windows. Printed is the mean average precision on the test, before any threshold: its mean and its range over
the seeds. The pre-trained model has seen the *tracks* of the test videos, if it was pre-trained on them, but none
of their labels. --work keeps the figure of every run (a JSON line each), so that a killed benchmark goes on.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import Figure, parser, show
from recognisers import read_lab

from etholake.dataset.labelled import LabelledVideo, TrainingData, whole_spans
from etholake.dataset.split import Span, Split
from etholake.evaluation.probabilities import judge
from etholake.models.archive import load_model
from etholake.models.base import Model
from etholake.models.network_family import load_network
from etholake.training.fit import fit
from etholake.training.validation import HeldOut

FRACTIONS = (0.05, 0.2, 1.0)
WAYS = ("from scratch", "pre-trained, all weights", "pre-trained, trunk frozen")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder in the MABe layout")
    options.add_argument("--model", type=Path, required=True, help="a pre-trained model")
    options.add_argument("--lab", default="BlossomSocial")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--overrides", type=json.loads, default={}, help="fields of the configuration")
    options.add_argument("--work", type=Path, help="file of figures that are measured already")
    given = options.parse_args()
    torch.set_num_threads(1)
    data, base = read_lab(given.data, given.lab), load_network(given.model)
    videos = sorted(data.videos, key=lambda v: v.tracks.video_id)
    n_test = max(1, len(videos) // 3)
    learning, test = videos[:-n_test], whole_spans(videos[-n_test:])
    fields = {**vars(base.config), **given.overrides, "augmentation": base.config.augmentation}
    if given.quick:
        fields |= {"epochs": 1, "batches_per_epoch": 2}
        test = [replace(span, stop_frame=span.start_frame + 600) for span in test]
    changes = {name: fields[name] for name in ("epochs", "batches_per_epoch", "batch", "lr", "warmup_epochs")}
    measured = Measured(given.work)
    for fraction in FRACTIONS[-1:] if given.quick else FRACTIONS:
        for way in WAYS:
            values = []
            for seed in range(1 if given.quick else given.seeds):
                run = f"{fraction:.0%} {way}, seed {seed}"
                if run not in measured.values:
                    spans = tuple(_part(video, fraction, seed) for video in learning)
                    model = _trained(data, way, base, changes, Split(spans, (), ()), seed)
                    measured.add(run, _precision(model, data, test))
                values.append(measured.values[run])
                print(f"{run}: {values[-1]:.3f}", file=sys.stderr, flush=True)
            name = f"{fraction:.0%} of the labels, {way}"
            figures = [Figure(f"{name}: mean AP", float(np.mean(values)), "AP")]
            figures += [
                Figure(f"{name}: {kind}", float(f(values)), "AP") for kind, f in (("lowest", min), ("best", max))
            ]
            show(figures, as_json=given.json)


class Measured:
    """The figures of runs by name, kept in a file of JSON lines where one is given."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file and file.is_file() else []
        self.values: dict[str, float] = dict(json.loads(line) for line in lines)

    def add(self, run: str, value: float) -> None:
        """Keep the figure of a run."""
        self.values[run] = value
        if self.file:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps([run, value]) + "\n")


def _part(video: LabelledVideo, fraction: float, seed: int) -> Span:
    """Return one piece of a video: another one for every seed."""
    tracks = video.tracks
    frames = max(1, round(fraction * tracks.n_frames))
    random = np.random.default_rng([seed, tracks.video_id])
    start = tracks.first_frame + int(random.integers(tracks.n_frames - frames + 1))
    return Span(tracks.video_id, tracks.lab_id, start, start + frames)


def _trained(data: TrainingData, way: str, base: Any, changes: dict[str, Any], split: Split, seed: int) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        name = f"{base.family}:{base.config.name}"
        if way == WAYS[0]:
            fit(data, Path(folder), name, {**changes, **base.config.sizes()}, split=split, seed=seed)
        else:
            tuning = "frozen" if way == WAYS[2] else "full"
            fit(data, Path(folder), "", {**changes, "tuning": tuning}, split=split, seed=seed, base=base)
        return load_model(Path(folder))


def _precision(model: Model, data: TrainingData, test: list[Span]) -> float:
    held_out = HeldOut.of(model, data.videos, test)
    judged = judge(held_out.pairs, held_out.truth, held_out.labeled_by_video)
    return float(np.mean([p.average_precision for p in judged.values() if p.average_precision is not None]))


if __name__ == "__main__":
    main()
