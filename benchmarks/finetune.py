"""Five labelled videos of a new lab: fine-tuned from a model of other labs, against trained from scratch.

.venv/bin/python benchmarks/finetune.py [--data DIR] [--lab LAB] [--seeds 3] [--epochs 4] [--quick] [--json]

The base is trained on four simulated labs; the new simulated lab has other parts, 10 frames/s, and an action of
its own. With --data, a folder in the MABe layout, a real lab is learnt from the same simulated base, too. Both
ways have the same configuration, the same five videos (of which some validate and fit the thresholds) and the
same steps. Printed: official score on the other videos of the lab, per seed; a seed draws its own five. The
network is small (32 wide), so that the whole takes minutes of one core; the figures of simulated labs say what
the code does, and nothing about mice.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from figures import Figure, parser, show
from recognisers import read_lab

from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import choose
from etholake.models.network_family import load_network
from etholake.models.network_model import NetworkModel
from etholake.simulate import simulate
from etholake.training.fit import annotated, fit
from etholake.training.validation import HeldOut

LABS, NEW = 5, 3  # the rig at place 3 has four parts and 10 frames/s
RENAMED, OWN = "dig", "burrow"
LABELLED = 5
SIZES = {"width": 32, "batch": 32, "batches_per_epoch": 25, "warmup_epochs": 0.5}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder in the MABe layout with a real lab")
    options.add_argument("--lab", default="BlossomSocial")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--epochs", type=int, default=4, help="of 25 steps, for both ways (default: 4)")
    given = options.parse_args()
    torch.set_num_threads(1)
    seeds, epochs = (1, 1) if given.quick else (given.seeds, given.epochs)
    with tempfile.TemporaryDirectory(prefix="etholake-finetune-") as temporary:
        work = Path(temporary)
        simulate(work / "labs", labs=LABS, videos=6 if given.quick else 10, seconds=60.0, seed=1)
        names = sorted((path.name for path in (work / "labs/train_tracking").iterdir()), key=_place(work))
        labs = [read_lab(work / "labs", name.removeprefix("lab_id=")) for name in names]
        base = train_base(labs[:NEW] + labs[NEW + 1 :], work / "base", 1 if given.quick else 12)
        worlds = {"simulated": renamed(labs[NEW])}
        if given.data:
            worlds[given.lab] = read_lab(given.data, given.lab)
        for name, data in worlds.items():
            show(compare(name, data, base, seeds, epochs, work / name), as_json=given.json)


def _place(work: Path):  # type: ignore[no-untyped-def]
    """Return the order of the labs as simulated: by their first video in train.csv."""
    text = (work / "labs/train.csv").read_text(encoding="utf-8")
    return lambda name: text.index(f"\n{name.removeprefix('lab_id=')},")


def train_base(labs: list[TrainingData], folder: Path, epochs: int) -> NetworkModel:
    """Return one model of all labs but the new one."""
    began = time.monotonic()
    videos = sorted((v for lab in labs for v in lab.videos), key=lambda v: v.tracks.video_id)
    data = dataclasses.replace(labs[0], videos=tuple(videos), fingerprint="simulated labs")
    report = fit(data, folder, "tiny", {**SIZES, "epochs": epochs})
    score = (report["validation"] or {}).get("score", float("nan"))
    print(f"base: validation score {score:.3f}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return load_network(folder)


def renamed(data: TrainingData) -> TrainingData:
    """Return the lab with an action of its own: what others call dig is burrow here."""

    def own(action: str) -> str:
        return OWN if action == RENAMED else action

    videos = []
    for video in data.videos:
        labeled_behaviors = tuple(
            (agent, target, own(action)) for agent, target, action in video.tracks.labeled_behaviors
        )
        tracks = dataclasses.replace(
            video.tracks, meta=dataclasses.replace(video.tracks.meta, labeled_behaviors=labeled_behaviors)
        )
        events = tuple(dataclasses.replace(event, action=own(event.action)) for event in video.events)
        videos.append(LabelledVideo(tracks, events))
    return dataclasses.replace(data, videos=tuple(videos), actions=(*data.actions, OWN))


def compare(
    name: str, data: TrainingData, base: NetworkModel, seeds: int, epochs: int, folder: Path
) -> list[Figure]:
    """Return the scores of both ways on the videos that were not labelled, per seed, and their mean difference."""
    figures, gains = [], []
    ids = [video.tracks.video_id for video in data.videos]
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(ids))
        test = [ids[i] for i in order[LABELLED:]]
        split = choose([annotated(video) for video in data.videos], test)
        scores = {}
        for way, start in (("fine-tuned", base), ("from scratch", None)):
            place = folder / f"{way}-{seed}"
            fit(data, place, "tiny", {**SIZES, "epochs": epochs}, split=split, seed=seed, base=start)
            model = load_network(place)
            report = HeldOut.of(model, data.videos, split.test).score(model.post_processing)
            assert report is not None  # every video is annotated
            scores[way] = report.score
            figures.append(Figure(f"{name}: {way}, seed {seed}", report.score, "score"))
            print(f"{name} seed {seed} {way}: {report.score:.3f}", file=sys.stderr, flush=True)
        gains.append(scores["fine-tuned"] - scores["from scratch"])
    figures.append(Figure(f"{name}: mean gain", mean(gains), "score", "> 0", mean(gains) > 0))
    figures.append(Figure(f"{name}: smallest gain", min(gains), "score"))
    return figures


if __name__ == "__main__":
    main()
