"""Clips as files: what the features job writes once and every training maps into memory.

A folder with `features.json` (what the clips are made of, and of every video what is no array) and per video the
arrays of `PoseTracks.mapped`: ``<video>/xy.npy``, ``<video>/seen.npy``. They are fresh for a training if tables,
code and part map are those that it would use itself (`version`); else it makes its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etholake.code_fingerprint import module_fingerprint
from etholake.contract import UNIFIED_PARTS, unified_part_sources
from etholake.dataset import pose_tracks as made_by
from etholake.dataset.pose_tracks import PoseTracks, VideoMeta
from etholake.digest import fingerprint

__all__ = ["INDEX", "Store", "load", "save", "version"]

INDEX = "features.json"


@dataclass(frozen=True)
class Store:
    """Clips of a folder: by video what `save` wrote of it."""

    folder: Path
    videos: Mapping[int, Mapping[str, Any]]

    def clip(self, meta: VideoMeta) -> PoseTracks:
        """The clip of a video, memory-mapped; `meta` is the caller's."""
        kept = self.videos[meta.video_id]
        place = self.folder / str(meta.video_id)
        xy, seen = (np.load(place / f"{name}.npy", mmap_mode="r") for name in ("xy", "seen"))
        return PoseTracks(
            meta, xy, seen, tuple(kept["mouse_ids"]), kept["first_frame"], kept["n_frames"], tuple(kept["notes"])
        )


def version(tables: str, part_map: str) -> str:
    """Return a digest of the tables' fingerprint, the part map, and the code that makes a clip."""
    code = module_fingerprint(Path(made_by.__file__).read_bytes(), "etholake/dataset/pose_tracks.py")
    return fingerprint(code, tables, UNIFIED_PARTS, sorted(unified_part_sources(part_map).items()))


def save(folder: Path, clips: Iterable[PoseTracks], made_of: str) -> int:
    """Write clips, one in memory at a time, the index last; returns how many. `made_of` is a `version`."""
    videos = {}
    for clip in clips:
        clip.mapped(folder / str(clip.video_id))
        videos[clip.video_id] = {
            "mouse_ids": clip.mouse_ids, "first_frame": clip.first_frame, "n_frames": clip.n_frames,
            "notes": clip.notes, "ticks": len(clip.xy_TMK2),
        }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).write_text(json.dumps({"version": made_of, "videos": videos}, indent=1), encoding="utf-8")
    return len(videos)


def load(folder: Path, made_of: str) -> Store | None:
    """The clips of a folder; None if there are none, or they are made of something else."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if index.get("version") != made_of:
        return None
    return Store(folder, {int(video): kept for video, kept in index["videos"].items()})
