"""Take a set of clips out of the lake: a manifest and one `.npz` a window, and a sheet of crops to look at."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from etholake.errors import DataError, UsageError, suggestion
from etholake.lake import Lake
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.state import open_lake
from etholake.video.draw import contact_sheet, write_png
from etholake.video.shards import read_shard, swapped
from etholake.video.windows import ClipWindow, WindowIndex, save_window

__all__ = ["export", "sheet"]

MANIFEST = "manifest.csv"
SHEET_WINDOWS = 24


def export(settings: Settings, clip_set: str, out: Path, videos: Sequence[int] | None = None) -> StageResult:
    """Write ``manifest.csv`` (one row a window) and ``windows/<name>.npz`` into a folder.

    Raises
    ------
    UsageError
        There is no such set of clips; the message names those that there are.
    DataError
        The set has no window of these videos, or a shard is damaged.
    """
    lake = open_lake(settings)
    columns = [field.name for field in fields(WindowIndex)]
    count = 0
    (out / "windows").mkdir(parents=True, exist_ok=True)
    partial = out / f".{MANIFEST}.partial"
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["file", *columns, "has_pose", "action", "action_share", "parts"])
        writer.writeheader()
        for row, window in _windows(lake, clip_set, videos):
            name = f"windows/{window.index.key}.npz"
            save_window(out / name, window)
            more = {name: row[name] for name in ("has_pose", "action", "action_share")}
            writer.writerow(asdict(window.index) | more | {"file": name, "parts": " ".join(window.parts)})
            count += 1
    if not count:
        raise DataError(f"The set of clips '{clip_set}' has no window of these videos.")
    partial.replace(out / MANIFEST)
    return StageResult("clips", "done", f"{count} windows in {out}", {"windows": count, "folder": str(out)})


def sheet(settings: Settings, clip_set: str, out: Path, videos: Sequence[int] | None = None) -> StageResult:
    """Write a PNG of windows from all over the set, key points over their crops; errors as `export`."""
    lake = open_lake(settings)
    rows = [row for _, row in _rows(lake, clip_set, videos)]
    step = max(1, len(rows) // SHEET_WINDOWS)
    wanted = {(row["shard"], row["member"], row["swapped"]) for row in rows[::step][:SHEET_WINDOWS]}
    chosen, captions = [], []
    for row, window in _windows(lake, clip_set, videos):
        if (row["shard"], row["member"], row["swapped"]) in wanted:
            chosen.append(window)
            animals = "" if row["target_id"] is None else f">{row['target_id']}"
            captions.append(
                f"{row['video_id']} {row['agent_id']}{animals} {row['action'] or ''} f{row['first_frame']}"
            )
    if not chosen:
        raise DataError(f"The set of clips '{clip_set}' has no window of these videos.")
    write_png(out, contact_sheet(chosen, captions=captions))
    return StageResult(
        "clips", "done", f"{len(chosen)} windows on {out}", {"windows": len(chosen), "file": str(out)}
    )


def _rows(
    lake: Lake, clip_set: str, videos: Sequence[int] | None
) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Yield (partition, row) of a set. Raises UsageError if it is not there."""
    partitions = lake.partitions("clips")
    sets = sorted({keys["clip_set"] for keys in partitions})
    if clip_set not in sets:
        raise UsageError(f"There is no set of clips '{clip_set}'. {suggestion(clip_set, sets)}")
    for keys in partitions:
        if keys["clip_set"] == clip_set:
            for row in lake.read("clips", keys).to_pylist():
                if videos is None or row["video_id"] in videos:
                    yield keys, row


def _windows(
    lake: Lake, clip_set: str, videos: Sequence[int] | None
) -> Iterator[tuple[dict[str, Any], ClipWindow]]:
    """Yield (row, window), shard by shard; one shard is on this disk at a time."""
    by_shard: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for _, row in _rows(lake, clip_set, videos):
        by_shard.setdefault(row["shard"], {}).setdefault(row["member"], []).append(row)
    with tempfile.TemporaryDirectory(prefix="etholake-clips-") as folder:
        for key, members in sorted(by_shard.items()):
            path = Path(folder) / "shard.tar"
            lake.s3.download_file(lake.bucket, key, str(path))
            for window in read_shard(path):
                for row in members.get(window.index.key, ()):
                    yield row, swapped(window) if row["swapped"] else window
