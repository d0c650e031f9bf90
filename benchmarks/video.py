"""Measure video: rendering, clips, memory of a worker, the loader, training and prediction against their floors.

.venv/bin/python benchmarks/video.py [--quick] [--json] [--size 512] [--video FILE]

Rendering, clips and loader run in this process and with one thread; times are CPU seconds, the least of the
repeats, so that other work on the machine does not count. The yardstick decodes the same file with PyAV and
resizes every frame to the size of a crop, as PyAV's documentation shows it; with one reformatter for all
frames it is faster (second line). Training (which draws the next batches beside the step) and prediction (which
decodes in a child process) are compared twice, the least of the repeats each: by wall time, for which they need
an idle second core, and by CPU time, whatever else runs. By CPU time the loop has one core for drawing and steps
together, and prediction takes as long as the busier of its two processes, so that the start of the child is left
out. The network is `cnn3d:tiny` in one thread; the floors are steps on one batch that stays in memory, and the
slower of decoding the file and of the network on windows in memory.
--video takes a file of your own (boxes: background).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import torch
from av.video.reformatter import VideoReformatter
from figures import Figure, parser, show
from recognisers import read_lab
from video_families import with_clips

from etholake.contract import ACTIONS
from etholake.dataset.labelled import LabelledVideo, TrainingData, whole_spans
from etholake.dataset.split import Split
from etholake.models.clip_input import ClipInput
from etholake.models.network_family import NetworkFamily
from etholake.models.network_model import NetworkModel, new_network
from etholake.models.registry import resolve
from etholake.models.scaler import RobustScaler
from etholake.simulate import Filming, simulate
from etholake.stages.serving.predict_video import predict_video
from etholake.training.parallel import ALONE
from etholake.training.trainer import Trainer
from etholake.training.windows import WindowSampler
from etholake.video.loader import ClipLoader
from etholake.video.recipe import ClipRecipe
from etholake.video.task import ClipTask, prepare, run_here

CROP = 112
GOAL = "pose, 2 animals"


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def bare(path: Path, shared: bool = False) -> int:
    """Decode a video and resize its frames, with PyAV alone; `shared`: with one reformatter for all of them."""
    count, reformatter = 0, VideoReformatter()
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in file.decode(stream):
            owner = reformatter.reformat if shared else type(frame).reformat
            owner(frame, CROP, CROP, format="rgb24").to_ndarray()
            count += 1
    return count


def tracks_of(data: Path, video: Path, folder: Path) -> tuple[Path, tuple[int, ...], tuple[str, ...]]:
    """Write the simulated tracks of a video as a task wants them."""
    rows = pq.read_table(data / "train_tracking" / video.parent.name / f"{video.stem}.parquet").to_pandas()
    animals, parts = sorted(rows.mouse_id.unique()), sorted(rows.bodypart.unique())
    points = np.full((rows.video_frame.max() + 1, len(animals), len(parts), 3), np.nan, np.float32)
    at = (rows.video_frame, rows.mouse_id.map(animals.index), rows.bodypart.map(parts.index))
    points[at] = np.stack([rows.x, rows.y, np.ones(len(rows))], axis=1)
    np.save(folder / "tracks.npy", points)
    return folder / "tracks.npy", tuple(int(a) for a in animals), tuple(parts)


def rendering(folder: Path, seconds: float) -> Figure:
    began = time.process_time()
    simulate(folder / "film", labs=1, videos=1, seconds=seconds, test_videos=0, dirt=0, filming=Filming(256))
    rate = seconds * 30 / (time.process_time() - began)
    return Figure("simulate --video, 256 px, two mice", rate, "frames/s a core", ">= 150", rate >= 150)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", type=int, default=512, help="longer side of the simulated video")
    options.add_argument("--video", type=Path, help="a video of your own")
    given = options.parse_args()
    seconds, repeats = (10.0, 2) if given.quick else (40.0, 3)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        figures.append(rendering(folder, seconds))
        base = ClipRecipe(boxes="background", crop_size=CROP, length=16, stride=16)
        if given.video:
            video, tasks = given.video, {}
        else:
            data = folder / "labs"
            filming = Filming(given.size, "gray-above")
            simulate(data, labs=1, videos=1, seconds=seconds, test_videos=0, dirt=0, filming=filming)
            video = next((data / "videos").rglob("*.mp4"))
            path, animals, parts = tracks_of(data, video, folder)
            pose = replace(base, boxes="pose")
            tasks = {
                GOAL: ClipTask(video, 1, "SimLab", pose, folder / "out", path, animals, parts),
                "pose, 2 animals and pair": ClipTask(
                    video, 1, "SimLab", replace(pose, subjects="both"), folder / "out", path, animals, parts
                ),
            }
        tasks["background, 2 animals"] = ClipTask(video, 1, "SimLab", base, folder / "out")
        frames = bare(video)
        floor = cpu_seconds(lambda: bare(video), repeats)
        figures.append(Figure("PyAV: decode and resize", frames / floor, "frames/s"))
        shared = cpu_seconds(lambda: bare(video, shared=True), repeats)
        figures.append(Figure("PyAV: decode and resize, one reformatter", frames / shared, "frames/s"))
        for name, task in tasks.items():

            def work(task: ClipTask = task) -> None:
                shutil.rmtree(task.out, ignore_errors=True)
                run_here(task)

            ratio = cpu_seconds(work, repeats) / floor
            goal = name == GOAL
            target, met = ("<= 1.3", ratio <= 1.3) if goal else (None, None)
            title = f"clips ({name}) / decode and resize"
            figures.append(Figure(title, ratio, "x", target, met, better="lower"))
        task = tasks["background, 2 animals"]
        report = prepare(replace(task, out=folder / "apart"))
        figures.append(Figure("memory of a worker", report.peak_mb, "MB", "<= 1000", report.peak_mb <= 1000))
        shards = [folder / "apart" / name for name in report.shards]
        count = 0
        began = time.process_time()
        for _ in ClipLoader(shards, workers=0):
            count += 1
        figures.append(Figure("loader, one process", count / (time.process_time() - began), "windows/s"))
        if not given.video:
            made = with_clips(
                data, folder / "lab", read_lab(data, video.parent.name).videos[0], tasks[GOAL].recipe
            )
            torch.set_num_threads(1)
            figures += [*training_loop(made, repeats), *prediction(made, data, video, repeats)]
    show(figures, as_json=given.json)


def training_loop(video: LabelledVideo, repeats: int, steps: int = 6) -> list[Figure]:
    """Return how fast the training loop is, in steps on a batch that stays in memory: by wall and by CPU time."""
    model, family, sampler, split = _network(video)
    trainer = Trainer(family, model, sampler, (video,), split, ALONE, "benchmark", None)
    trainer._begin_epoch()
    with ThreadPoolExecutor(trainer.drawing_threads()) as ahead:
        batches = trainer._batches(ahead)
        resident = next(batches)

        def loop() -> None:
            for _ in range(steps):
                trainer._step(next(batches))

        def floor() -> None:
            for _ in range(steps):
                trainer._step(resident)

        floor()  # warm
        floors, loops = zip(*[(_times(floor), _times(loop)) for _ in range(repeats)], strict=True)
    wall, cpu = (_least(floors, kind) / _least(loops, kind) for kind in ("wall", "own"))
    return [
        Figure("training loop / resident batches, wall", wall, "x", ">= 0.9", wall >= 0.9),
        Figure("training loop / resident batches, CPU of one core", cpu, "x", ">= 0.9", cpu >= 0.9),
    ]


def prediction(video: LabelledVideo, data: Path, film: Path, repeats: int) -> list[Figure]:
    """Return how fast a file is predicted, in the slower of decoding it and of the network on resident windows."""
    model, _, sampler, _ = _network(video)
    tracks, network = video.tracks, model.network.eval()
    points = data / "train_tracking" / film.parent.name / f"{film.stem}.parquet"
    row = {
        "lab_id": tracks.lab_id, "video_id": tracks.video_id, "pix_per_cm_approx": tracks.meta.pix_per_cm,
        "behaviors_labeled": [f"mouse{a},self,rear" for a in tracks.mouse_ids],
    }  # fmt: skip
    windows = len(model.window_starts(tracks)) * len(tracks.mouse_ids)
    batch = sampler.draw(0, 0)
    clips = model.inputs(batch.tracks)

    def forward() -> None:
        with torch.no_grad():
            for first in range(0, windows, len(batch)):
                part = slice(0, min(len(batch), windows - first))
                network(clips[part], batch.lab_B[part], batch.labeled_BC[part])

    assert model.clips is not None
    clip_input = model.clips

    def whole() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            predict_video(model, clip_input, film, row, Path(scratch), tracks=points)

    decoded, computed, predicted = zip(
        *[(_times(lambda: bare(film, shared=True)), _times(forward), _times(whole)) for _ in range(repeats)],
        strict=True,
    )
    wall = max(_least(decoded, "wall"), _least(computed, "wall")) / _least(predicted, "wall")
    slower = max(_least(decoded, "own"), _least(computed, "own"))
    cpu = slower / max(_least(predicted, "own"), _least(predicted, "children"))
    return [
        Figure("prediction of a file / the slower of its parts, wall", wall, "x", ">= 0.8", wall >= 0.8),
        Figure("prediction of a file / the slower of its parts, CPU", cpu, "x", ">= 0.8", cpu >= 0.8),
    ]


def _network(video: LabelledVideo) -> tuple[NetworkModel, NetworkFamily[Any], WindowSampler, Split]:
    """Return an untrained network, and what the training loop needs beside it."""
    torch.manual_seed(0)
    family, config = resolve("cnn3d:tiny")
    assert isinstance(family, NetworkFamily)
    data = TrainingData((video,), ACTIONS, "benchmark")
    split = Split(tuple(whole_spans(data.videos)), (), ())
    labs = (video.tracks.lab_id,)
    sampler = WindowSampler(data, split.train, labs, config, seed=0)
    clips = ClipInput.of(data.videos)
    network = new_network(family, config, len(ACTIONS), 1, clips)
    model = NetworkModel(network, RobustScaler.none(), config, ACTIONS, labs, {labs[0]: ACTIONS}, clips=clips)
    return model, family, sampler, split


def _times(work: Callable[[], object]) -> dict[str, float]:
    """Return the seconds that work takes: by the clock, and of the CPU in this process and in its children."""
    before, began = os.times(), time.monotonic()
    work()
    wall, after = time.monotonic() - began, os.times()
    children = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": wall, "own": after.user + after.system - before.user - before.system, "children": children}


def _least(times: Sequence[dict[str, float]], kind: str) -> float:
    return min(seconds[kind] for seconds in times)


if __name__ == "__main__":
    main()
