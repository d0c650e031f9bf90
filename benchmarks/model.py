"""Training against one resident batch, prediction against bare forward passes, and the endpoint over HTTP.

.venv/bin/python benchmarks/model.py [--quick] [--json] [--only training,prediction,serving] [--steady N]

Simulated labs; weights as initialised (speed does not depend on them). One torch thread, but for the endpoint,
which runs as it is deployed. What is compared takes turns, and every ratio is of medians. A quick run takes at
most 5 minutes, a full one about 15. The load average is printed on stderr: training makes the next batch in a
second thread, which wins nothing where no core is free. Ratios of processor time stand beside those by the clock:
other work on the machine stretches them less.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import model_serving
import numpy as np
import torch
from figures import Figure, parser, show
from recognisers import read_lab
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from etholake.contract import ACTIONS
from etholake.dataset.labelled import TrainingData
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.split import Span, Split
from etholake.dataset.video_meta import VideoMeta
from etholake.dataset.windows import Window
from etholake.features.pair_features import pair_features
from etholake.features.registry import window_encoder
from etholake.models.loss import batch_loss
from etholake.models.network_family import NetworkFamily
from etholake.models.network_model import NetworkModel, new_network
from etholake.models.registry import resolve
from etholake.models.scaler import RobustScaler
from etholake.models.scoring import BATCH
from etholake.simulate import simulate
from etholake.training import augment
from etholake.training.parallel import ALONE
from etholake.training.trainer import Drawn, Trainer
from etholake.training.windows import WindowSampler

PARTS = ("training", "prediction", "serving")
PREDICTED = ("tiny", "small", "cnn_lstm:tiny")  # a network each of many ticks, of few, and of other features
BARE_SECONDS = 300.0  # of the video whose prediction is compared with the bare forward passes


@dataclass(frozen=True)
class Sizes:
    """Number of repetitions, and length of the videos."""

    repeats: int = 5
    steps: int = 20  # of training, in a row
    minutes: float = 10.0  # of a video whose prediction is timed
    long_minutes: float = 120.0  # of the long one whose memory is measured
    requests: int = 600  # per number of clients
    steady: int = 10_000  # requests over which memory is watched


QUICK = Sizes(repeats=5, steps=3, minutes=1.0, long_minutes=60.0, requests=96, steady=500)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    options.add_argument(
        "--configs", default="tiny,small", help="of training; prediction and serving use the first"
    )
    options.add_argument("--steady", type=int, help="requests over which memory is watched (10,000; quick: 500)")
    given = options.parse_args()
    if wrong := set(given.only.split(",")) - set(PARTS):
        options.error(f"--only is some of {', '.join(PARTS)}, but got {', '.join(sorted(wrong))}")
    if os.environ.get("MEASURED_MINUTES"):
        predict_once(float(os.environ["MEASURED_MINUTES"]), given.configs.split(",")[0])
        return
    torch.set_num_threads(1)
    sizes, configs = QUICK if given.quick else Sizes(), given.configs.split(",")
    print(f"load average before: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="etholake-model-") as folder:
        if "training" in given.only:
            data = labs(Path(folder) / "labs")
            for config in configs:
                show(training(data, config, sizes), as_json=given.json)
        if "prediction" in given.only:
            for config in PREDICTED:
                show(against_bare(config, sizes), as_json=given.json)
            show([*prediction(configs[0], sizes), *memory(configs[0], sizes)], as_json=given.json)
        if "serving" in given.only:
            model = new_model(configs[0])
            tracks = video(mice=2, seconds=10)
            show(
                model_serving.figures(
                    model, tracks, Path(folder) / "model", sizes.requests, given.steady or sizes.steady
                ),
                as_json=given.json,
            )
    print(f"load average after: {os.getloadavg()[0]:.1f}", file=sys.stderr)


@dataclass(frozen=True)
class Times:
    """Seconds that a work took: by the clock, and of this process's processors, all threads together."""

    wall: float
    processor: float


def in_turns(works: Sequence[Callable[[], object]], repeats: int) -> list[Times]:
    """Return the median times of each, after one round that is not counted.

    A work may give `Times` that it took itself.
    """
    rounds = [[timed(work) for work in works] for _ in range(repeats + 1)][1:]
    return [
        Times(*(statistics.median(values) for values in zip(*map(astuple, times), strict=True)))
        for times in zip(*rounds, strict=True)
    ]


def timed(work: Callable[[], object]) -> Times:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return (
        result if isinstance(result, Times) else Times(time.perf_counter() - wall, time.process_time() - processor)
    )


# --- training ---------------------------------------------------------------------------------------------
def labs(folder: Path) -> TrainingData:
    """Return two simulated labs of three videos, curated in memory."""
    simulate(folder, labs=2, videos=3, seconds=120.0, seed=1, dirt=0.1)
    names = sorted(path.name for path in (folder / "train_tracking").iterdir())
    each = [read_lab(folder, name) for name in names]
    videos = tuple(dataclasses.replace(v) for data in each for v in data.videos)
    actions = {action for data in each for action in data.actions}
    return TrainingData(videos, (*ACTIONS, *sorted(actions - set(ACTIONS))), "simulated")


def training(data: TrainingData, name: str, sizes: Sizes) -> list[Figure]:
    """Time the loop with data, with and without its thread, against the same updates on one resident batch."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = trainer_of(data, name, device)
    trainer.network.train()
    resident = trainer._draw(0)
    single = single_step(trainer, resident)
    with_data, serial, bare = in_turns(
        [
            lambda: with_thread(trainer, sizes.steps),
            lambda: [trainer._step(trainer._draw(k)) for k in range(sizes.steps)],
            lambda: [single() for _ in range(sizes.steps)],
        ],
        sizes.repeats,
    )
    ratio, steps = bare.wall / with_data.wall, sizes.steps
    figures = [
        Figure(f"{name}: training with data / one resident batch", ratio, "x", ">= 0.9", ratio >= 0.9),
        Figure(
            f"{name}: … processor time of both threads", bare.processor / with_data.processor, "x", better="higher"
        ),
        Figure(f"{name}: … without the thread ahead", bare.wall / serial.wall, "x", better="higher"),
        Figure(f"{name}: … processor time of that", bare.processor / serial.processor, "x", better="higher"),
        Figure(f"{name}: steps per second, one resident batch", steps / bare.wall, "1/s"),
    ]
    figures += shares(trainer, bare.processor / steps, sizes.repeats)
    if device.type == "cuda":
        figures.append(utilisation(trainer, single, with_data.wall / steps))
    return figures


def network_family(name: str) -> tuple[NetworkFamily[Any], Any]:
    """Return the family of networks that a configuration's name means, and the configuration."""
    family, config = resolve(name)
    if not isinstance(family, NetworkFamily):
        raise SystemExit(f"{name} is no network.")
    return family, config


def trainer_of(data: TrainingData, name: str, device: torch.device) -> Trainer:
    """Return a trainer of all the videos, as `fit` makes one."""
    spans = tuple(Span(v.tracks.video_id, v.tracks.lab_id, 0, v.tracks.n_frames) for v in data.videos)
    labs = sorted({span.lab_id for span in spans})
    family, config = network_family(name)
    sampler = WindowSampler(data, spans, labs, config, 0)
    network = new_network(family, config, len(data.actions), len(labs))
    scaler = RobustScaler.fit(pair_features(sampler.sample_for_scaling().tracks).flatten(0, 1))
    model = NetworkModel(network, scaler, config, data.actions, tuple(labs), {})
    group = dataclasses.replace(ALONE, device=device)
    return Trainer(family, model, sampler, data.videos, Split(spans, (), ()), group, "benchmark", None)


def with_thread(trainer: Trainer, steps: int) -> Times:
    """Time steps of the running loop, in which as many batches are made as are learnt."""
    with ThreadPoolExecutor(1) as ahead:
        batches = trainer._batches(ahead)
        trainer._step(next(batches))
        return timed(lambda: [trainer._step(next(batches)) for _ in range(steps)])


def single_step(trainer: Trainer, resident: Drawn) -> Callable[[], float]:
    """Take one step on features in memory: forward, loss, backward, clipping and AdamW."""
    config, device, batch = trainer.config, trainer.group.device, resident.batch

    def step() -> float:
        trainer.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, trainer.amp, enabled=trainer.amp is not None):
            logits = trainer.forward(resident.x, batch.lab_B, batch.labeled_BC)
            loss = batch_loss(logits, batch, config, trainer.weight_C, resident.entries)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trainer.network.parameters(), config.clip)
        trainer.optimiser.step()
        return float(loss.detach())

    return step


def shares(trainer: Trainer, step: float, repeats: int) -> list[Figure]:
    """Return the processor time of making a batch, as a fraction of that of a resident step (`step` seconds)."""
    config, sampler = trainer.config, trainer.sampler
    drawn = sampler.draw(0, trainer.margin)
    random = torch.Generator().manual_seed(0)
    whole = augment.augment(drawn, config.augmentation, config.window, random)
    times = in_turns(
        [
            lambda: sampler.draw(0, trainer.margin),
            lambda: augment.augment(drawn, config.augmentation, config.window, random),
            lambda: trainer.model.scaler(pair_features(whole.tracks)),
            lambda: trainer.ema.update(trainer.network, 1),
        ],
        3 * repeats,
    )
    names = ("drawing windows", "augmentation", "features and scaling", "averaging weights (EMA)")
    return [
        Figure(f"{config.name}: {what}, share of a step", 100 * t.processor / step, "%", better="lower")
        for what, t in zip(names, times, strict=True)
    ]


def utilisation(trainer: Trainer, single: Callable[[], float], seconds: float) -> Figure:
    """Measure the model's floating-point operations per second, against those of a large product of matrices."""
    with FlopCounterMode(display=False) as counter:
        single()
    kind, n = trainer.amp or torch.float32, 8192
    a = torch.randn(n, n, device=trainer.group.device, dtype=kind)

    def product() -> None:
        (a @ a).sum().item()

    peak = 2 * n**3 / in_turns([product], 5)[0].wall
    rate = counter.get_total_flops() / seconds
    return Figure(f"{trainer.config.name}: model FLOP/s / a matrix product's", 100 * rate / peak, "%")


# --- prediction -------------------------------------------------------------------------------------------
def new_model(name: str) -> NetworkModel:
    """Return a model of one lab with random weights."""
    torch.manual_seed(0)
    family, config = network_family(name)
    network = new_network(family, config, len(ACTIONS), labs=1)
    features = len(window_encoder(config.encoder).names)
    scaler = RobustScaler(torch.zeros(features), torch.ones(features))
    return NetworkModel(network.eval(), scaler, config, ACTIONS, ("Lab",), {"Lab": ACTIONS})


def video(mice: int, seconds: float, pairs: Sequence[tuple[int, int]] = ()) -> PoseTracks:
    """Return mice that wander about; three actions are labeled in every pair, or in `pairs` only."""
    random = np.random.default_rng(mice)
    T = round(seconds * MODEL_FPS)
    body = random.normal(0, 2, (8, 2))
    walk = random.normal(0, 0.3, (T, mice, 1, 2)).cumsum(axis=0)
    xy = (walk + body + random.normal(0, 0.05, (T, mice, 8, 2))).astype(np.float32)
    ids = tuple(range(1, mice + 1))
    chosen = pairs or [(a, b) for a in ids for b in ids]
    names = {True: ("rear", "rest", "selfgroom"), False: ("attack", "chase", "sniff")}
    labeled_behaviors = tuple((a, b, action) for a, b in chosen for action in names[a == b])
    return PoseTracks(
        VideoMeta(1, "Lab", 30.0, 10.0, labeled_behaviors=labeled_behaviors),
        xy,
        np.isfinite(xy[..., 0]),
        ids,
        0,
        T,
    )


def against_bare(name: str, sizes: Sizes) -> list[Figure]:
    """Time the prediction of a video against its forward passes alone, on inputs that lie there."""
    model = new_model(name)
    tracks = video(2, BARE_SECONDS)
    inputs = inputs_of(model, tracks)
    whole, bare = in_turns([lambda: model.predict(tracks), lambda: forward(model, inputs)], sizes.repeats)
    ratio = whole.processor / bare.processor
    return [
        Figure(f"{name}: prediction / bare forward passes", whole.wall / bare.wall, "x", better="lower"),
        Figure(f"{name}: … processor time", ratio, "x", "<= 1.15", ratio <= 1.15),
    ]


def prediction(name: str, sizes: Sizes) -> list[Figure]:
    """Return whole videos of 2 and 4 mice; the pairs that nobody labeled."""
    model, seconds = new_model(name), 60 * sizes.minutes
    two, four = video(2, seconds), video(4, seconds)
    few = video(4, seconds, [(1, 2), (2, 1), (1, 1)])
    predict = [partial(model.predict, tracks) for tracks in (two, four, few)]
    of_two, of_four, of_few = in_turns(predict, sizes.repeats)
    computed = f"{len(predict[2]())} of 16 pairs"
    return [
        Figure(
            f"{name}: 4 mice, {computed} labeled / all 16",
            of_few.processor / of_four.processor,
            "x",
            better="lower",
        ),
        Figure(f"{name}: 2 mice, all 4 pairs: times real time", seconds / of_two.wall, "", better="higher"),
        Figure(f"{name}: 4 mice, all 16 pairs: times real time", seconds / of_four.wall, "", better="higher"),
    ]


def inputs_of(model: NetworkModel, tracks: PoseTracks) -> list[tuple[Any, torch.Tensor]]:
    """Return (scaled features, labeled actions) of every batch of windows that prediction needs.

    Batches are as full as they can be.
    """
    windows, labeled = [], []
    for start in model.window_starts(tracks):
        for (agent, target), actions in model.predicted_behaviors(tracks).items():
            windows.append(Window(tracks, tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target), start))
            labeled.append([float(action in actions) for action in model.actions])
    batches = [slice(first, first + BATCH["cpu"]) for first in range(0, len(windows), BATCH["cpu"])]
    W = model.config.window
    return [
        (model.inputs(model.encoder.gather_by_mouse(windows[some], W)), torch.tensor(labeled[some]))
        for some in batches
    ]


@torch.no_grad()
def forward(model: NetworkModel, inputs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for x, labeled in inputs:
        model.network(x, torch.ones(len(x), dtype=torch.long), labeled)


def memory(name: str, sizes: Sizes) -> list[Figure]:
    """Measure the peak resident memory of processes that predict a short and a long video."""
    short, long = (
        model_serving.peak_of(
            [sys.executable, __file__, "--configs", name],
            {"MEASURED_MINUTES": str(minutes), "OMP_NUM_THREADS": "1"},
        )
        for minutes in (10.0, sizes.long_minutes)
    )
    ratio = long / short
    return [
        Figure(f"{name}: peak memory, 10 minutes of 2 mice", short, "MB"),
        Figure(f"{name}: peak memory, {sizes.long_minutes:g} minutes / 10", ratio, "x", "<= 1.25", ratio <= 1.25),
    ]


def predict_once(minutes: float, name: str) -> None:
    """Run one process of `memory`, with memory-mapped tracks; print its peak resident memory in MB."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        new_model(name).predict(video(2, 60 * minutes, [(1, 2)]).mapped(Path(folder)))
    print(model_serving.status(os.getpid(), "VmHWM"))


if __name__ == "__main__":
    main()
