"""Prepare the clips of one video in a child process: a decoder that crashes or hangs takes only itself down.

The child is ``python -m etholake.video.task TASK.json``; it writes shards and ``report.json`` into a folder.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etholake import child_module
from etholake.errors import DataError, EtholakeError
from etholake.video.prepare import ClipMaker, FrameBalance, VideoTracks, box_source
from etholake.video.recipe import ClipRecipe
from etholake.video.shards import SHARD_BYTES, ShardWriter

__all__ = ["ClipReport", "ClipTask", "clip_maker", "limit_child", "prepare", "run_here"]

MEMORY_BYTES = 6 << 30  # address space; the resident part stays below 1 GB (benchmarks/video.py)
CPU_S_LEAST = 600
CPU_S_PER_MB = 60  # of a file: 4K in H.265 decodes at some 2 MB of file a minute at worst
REPORT = "report.json"


@dataclass(frozen=True)
class ClipTask:
    """One video to prepare. `tracks` is an `.npy` of key points [T, M, K, 3]; `out` gets the shards."""

    video: Path
    video_id: int
    lab_id: str
    recipe: ClipRecipe
    out: Path
    tracks: Path | None = None
    animals: tuple[int, ...] = ()
    parts: tuple[str, ...] = ()
    boxes_file: Path | None = None
    shard_bytes: int = SHARD_BYTES

    def as_dict(self) -> dict[str, Any]:
        """Return the task as JSON has it."""
        paths = {name: str(path) if (path := getattr(self, name)) else None for name in _PATHS}
        return asdict(self) | paths

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClipTask:
        """Return the task that `as_dict` described."""
        paths = {name: Path(values[name]) if values[name] else None for name in _PATHS}
        more: dict[str, Any] = {"recipe": ClipRecipe.from_dict(values["recipe"])}
        more |= {name: tuple(values[name]) for name in ("animals", "parts")}
        return cls(**{**values, **paths, **more})


_PATHS = ("video", "out", "tracks", "boxes_file")


@dataclass(frozen=True)
class ClipReport:
    """Result of one video.

    `windows` are the rows of the index: those of `WindowIndex`, and ``shard``, ``member``, ``has_pose``, ``crop``
    (of the middle frame). `frames` is the number of frames of the video.
    """

    frames: int
    shards: tuple[str, ...]
    balances: tuple[FrameBalance, ...]
    windows: tuple[dict[str, Any], ...]
    peak_mb: float = 0.0

    @property
    def is_even(self) -> bool:
        """True if frames in = frames used + frames reported for every subject."""
        return all(balance.is_even for balance in self.balances)


def clip_maker(task: ClipTask) -> ClipMaker:
    """Return what makes the windows. Raises DataError if the video, its tracks or its boxes cannot be used."""
    tracks = None
    if task.tracks is not None:
        keypoints = np.load(task.tracks, mmap_mode="r", allow_pickle=False)
        tracks = VideoTracks(keypoints, task.animals, task.parts)
    source = box_source(task.video, task.recipe, tracks, task.boxes_file)
    return ClipMaker(task.video, task.video_id, task.lab_id, task.recipe, source, tracks)


def run_here(task: ClipTask) -> ClipReport:
    """Prepare the clips in this process. Raises DataError if the video, its tracks or its boxes cannot be used."""
    maker = clip_maker(task)
    rows: list[dict[str, Any]] = []
    recipe = task.recipe
    with ShardWriter(task.out, recipe.encoding, recipe.quality, task.shard_bytes) as writer:
        for window in maker:
            shard = writer.add(window)
            middle = window.crop_xyxy[len(window.crop_xyxy) // 2]
            rows.append(
                asdict(window.index)
                | {
                    "shard": shard,
                    "member": window.index.key,
                    "has_pose": window.has_pose,
                    "crop": [round(float(value), 2) for value in middle],
                    "parts": list(window.parts),
                }
            )
    return ClipReport(maker.decoder.frames, tuple(writer.shards), tuple(maker.balances), tuple(rows))


def prepare(task: ClipTask, timeout_s: float | None = None) -> ClipReport:
    """Prepare the clips of a video in a child process with limits of memory and time.

    Raises
    ------
    DataError
        The video, its tracks or its boxes cannot be used, or the decoder crashed or took longer than it may; what
        the child had written is then of no use.
    """
    task.out.mkdir(parents=True, exist_ok=True)
    order = task.out / "task.json"
    order.write_text(json.dumps(task.as_dict()), encoding="utf-8")
    limit = timeout_s or _limit_s(task)
    try:
        child = subprocess.run(
            child_module.command("etholake.video.task", str(order)), capture_output=True, timeout=limit,
            check=False, text=True, errors="replace", env=child_module.environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired as err:
        raise DataError(f"{task.video}: was not prepared within {limit:g} s. The file is damaged.") from err
    try:
        answer = json.loads((task.out / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        end = f"signal {-child.returncode}" if child.returncode < 0 else f"status {child.returncode}"
        last = (child.stderr.strip().splitlines() or [""])[-1][:200]
        raise DataError(
            f"{task.video}: the video library ended with {end} on this file{f' ({last})' if last else ''}. "
            "The file is damaged, or needs more memory than a task may take."
        ) from None
    if "error" in answer:
        raise DataError(answer["error"])
    balances = tuple(FrameBalance(**balance) for balance in answer["balances"])
    return ClipReport(
        answer["frames"], tuple(answer["shards"]), balances, tuple(answer["windows"]), answer["peak_mb"]
    )


def _limit_s(task: ClipTask) -> float:
    return CPU_S_LEAST + CPU_S_PER_MB * task.video.stat().st_size / 1e6


def limit_child(task: ClipTask) -> None:
    """Bound the memory and the time of this process, which decodes the video of a task."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(_limit_s(task)), int(_limit_s(task))))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(argv: list[str]) -> int:
    """Run the task of a file; leave ``report.json`` in its folder: the report, or {"error": sentence}."""
    task = ClipTask.from_dict(json.loads(Path(argv[1]).read_text(encoding="utf-8")))
    limit_child(task)
    try:
        report = run_here(task)
        answer: dict[str, Any] = asdict(report) | {"peak_mb": round(_peak_mb(), 1)}
    except EtholakeError as err:
        answer = {"error": str(err)}
    except MemoryError:
        answer = {"error": f"{task.video}: needs more than {MEMORY_BYTES >> 30} GiB of memory."}
    partial = task.out / f"{REPORT}.partial"
    partial.write_text(json.dumps(answer), encoding="utf-8")
    partial.replace(task.out / REPORT)
    return 0


def _peak_mb() -> float:
    """Return the most memory that this process had, in MB; 0 where the system does not tell.

    `getrusage` would count what the parent had when it forked.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
