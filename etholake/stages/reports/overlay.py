"""Stage overlay: a video of the lake with skeletons, boxes and events drawn over, and sheets of its bouts.

Frames are decoded in a child process with limits of memory and time, which can take nothing else down.
"""

from __future__ import annotations

import multiprocessing as mp
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from etholake.contract import RAW_ZONE
from etholake.errors import DataError, UsageError
from etholake.lake import Lake
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.reports.pixel_tracks import curated_splits, pixel_tracks
from etholake.stages.state import open_lake
from etholake.video.bouts import write_bout_sheets
from etholake.video.overlay import OverlayEvent, OverlayOptions, write_overlay

__all__ = ["apart", "run"]

Answer = TypeVar("Answer")
MEMORY_BYTES = 6 << 30


def run(
    settings: Settings,
    video_id: int,
    out: Path | None,
    sheet: Path | None = None,
    run_id: str | None = None,
    options: OverlayOptions | None = None,
) -> StageResult:
    """Write the overlay video `out` and the sheets of bouts `sheet`, of the annotation or of a run's predictions.

    Raises
    ------
    UsageError
        The raw zone has no such video, or there is no such run.
    DataError
        The video cannot be decoded, or has no event to show.
    """
    lake = open_lake(settings)
    key = _raw_key(lake, video_id)
    lab_id = key.split("/")[2].removeprefix("lab_id=")
    events = _events(lake, lab_id, video_id, run_id)
    tracks = pixel_tracks(curated_splits(settings, lake), video_id)
    details: dict[str, Any] = {"video_id": video_id, "events": len(events), "run_id": run_id}
    with tempfile.TemporaryDirectory(prefix="etholake-overlay-") as folder:
        path = Path(folder) / key.rpartition("/")[2]
        lake.s3.download_file(lake.bucket, key, str(path))
        if out is not None:
            details["frames"] = apart(path, write_overlay, path, out, events, tracks, options)
            details["video"] = str(out)
        if sheet is not None:
            details["bouts"], details["sheets"] = apart(path, write_bout_sheets, path, sheet, events, tracks)
            if not details["bouts"]:
                raise DataError(f"{path.name}: none of its {len(events)} events lies within the video.")
    written = " and ".join([str(out)] * bool(out) + details.get("sheets", []))
    return StageResult("overlay", "done", f"video {video_id} with {len(events)} events in {written}", details)


def _raw_key(lake: Lake, video_id: int) -> str:
    for item in lake.objects(f"{RAW_ZONE}/videos/"):
        if item["Key"].rpartition("/")[2].rpartition(".")[0] == str(video_id):
            return str(item["Key"])
    raise UsageError(
        f"The raw zone has no file of video {video_id}: put it into videos/<lab>/ and run `make ingest`."
    )


def _events(lake: Lake, lab_id: str, video_id: int, run_id: str | None) -> list[OverlayEvent]:
    if run_id is None:
        rows = lake.read("annotations_enriched", {"lab_id": lab_id}).to_pylist()
    elif {"run_id": run_id} in lake.partitions("predictions"):
        rows = lake.read("predictions", {"run_id": run_id}).to_pylist()
    else:
        raise UsageError(f"There are no predictions of a run '{run_id}'.")
    return [
        OverlayEvent(
            row["start_frame"], row["stop_frame"], row["agent_id"], row["target_id"], row["action"],
            row.get("confidence"),
        )
        for row in rows
        if row["video_id"] == video_id
    ]  # fmt: skip


def apart(path: Path, work: Callable[..., Answer], *arguments: Any) -> Answer:
    """Run `work` on the video `path` in a child process with a limit of memory; return what it returns.

    Raises DataError if the child crashes, and whatever `work` raises.
    """
    context = mp.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_limit) as pool:
        try:
            return pool.submit(work, *arguments).result()
        except BrokenProcessPool as err:
            raise DataError(f"{path.name}: the video library crashed on this file. The file is damaged.") from err


def _limit() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
