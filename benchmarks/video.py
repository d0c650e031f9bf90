"""Measure video: rendering, clip preparation against bare decoding and resizing, memory of a worker, the loader.

.venv/bin/python benchmarks/video.py [--quick] [--json] [--size 512] [--video FILE]

All of it runs in this process and with one thread; times are CPU seconds, the least of the repeats, so that other
work on the machine does not count. The yardstick decodes the same file with PyAV and resizes every frame to the
size of a crop, as PyAV's documentation shows it; with one reformatter for all frames it is faster (second line).
--video takes a file of your own (boxes: background).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
from av.video.reformatter import VideoReformatter
from figures import Figure, parser, show

from etholake.simulate import Filming, simulate
from etholake.video.loader import ClipLoader
from etholake.video.recipe import ClipRecipe
from etholake.video.task import ClipTask, prepare, run_here

CROP = 112


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
                "pose, 2 animals": ClipTask(video, 1, "SimLab", pose, folder / "out", path, animals, parts),
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
            goal = name == "pose, 2 animals"
            bound = ("<= 1.3", ratio <= 1.3) if goal else (None, None)
            figures.append(Figure(f"clips ({name}) / decode and resize", ratio, "x", *bound))
        task = tasks["background, 2 animals"]
        report = prepare(replace(task, out=folder / "apart"))
        figures.append(Figure("memory of a worker", report.peak_mb, "MB", "<= 1000", report.peak_mb <= 1000))
        shards = [folder / "apart" / name for name in report.shards]
        count = 0
        began = time.process_time()
        for _ in ClipLoader(shards, workers=0):
            count += 1
        figures.append(Figure("loader, one process", count / (time.process_time() - began), "windows/s"))
    show(figures, as_json=given.json)


if __name__ == "__main__":
    main()
