"""Unified tracks as files: the features job writes them once, every training maps them into memory.

A folder holds `features.json` (the version, and all of a video that is no array) and, for every video, the
arrays of `PoseTracks.mapped`: ``<video>/xy.npy`` and others. They are fresh for a training if
tables, code and part map are those that it would use itself (`version`); else it makes its own.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake.code_fingerprint import module_fingerprint
from etholake.contract import UNIFIED_PARTS, part_names, unified_part_sources
from etholake.dataset import measured_points, part_sources, pose_tracks, resampling
from etholake.dataset.pose_tracks import PoseTracks, read_mapped
from etholake.dataset.video_meta import VideoMeta
from etholake.digest import fingerprint

__all__ = ["INDEX", "Store", "load", "save", "version"]

INDEX = "features.json"
MAKERS = (part_names, measured_points, part_sources, pose_tracks, resampling)  # they decide what tracks hold


@dataclass(frozen=True)
class Store:
    """The tracks of a folder; `videos` are the entries of the index."""

    folder: Path
    videos: Mapping[int, Mapping[str, Any]]

    def tracks(self, meta: VideoMeta) -> PoseTracks:
        """Return the tracks of a video, memory-mapped, with the given metadata."""
        entry = self.videos[meta.video_id]
        place = self.folder / str(meta.video_id)
        xy, observed, own, z = read_mapped(place)
        return PoseTracks(
            meta,
            xy,
            observed,
            tuple(entry["mouse_ids"]),
            entry["first_frame"],
            entry["n_frames"],
            tuple(entry["notes"]),
            own_parts=tuple(entry["own_parts"]),
            own_TMJ2=own,
            z_TMK=z,
        )


def version(tables: str, part_map: str) -> str:
    """Return a digest of the tables' fingerprint, the part map, and the code that makes tracks of the tables."""
    code = [module_fingerprint(inspect.getsource(module).encode(), module.__name__) for module in MAKERS]
    return fingerprint(code, tables, UNIFIED_PARTS, sorted(unified_part_sources(part_map).items()))


def save(folder: Path, all_tracks: Iterable[PoseTracks], made_from: str) -> int:
    """Write tracks, one video in memory at a time, the index last; return how many.

    `made_from` is what `version` returns.
    """
    videos = {}
    for tracks in all_tracks:
        tracks.mapped(folder / str(tracks.video_id))
        videos[tracks.video_id] = {
            "mouse_ids": tracks.mouse_ids, "first_frame": tracks.first_frame, "n_frames": tracks.n_frames,
            "notes": tracks.notes, "own_parts": tracks.own_parts, "frames_30hz": len(tracks.xy_TMK2),
        }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).write_text(json.dumps({"version": made_from, "videos": videos}, indent=1), encoding="utf-8")
    return len(videos)


def load(folder: Path, made_from: str) -> Store | None:
    """Return the tracks of a folder; None if there are none, or they have another version."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if index.get("version") != made_from:
        return None
    return Store(folder, {int(video): entry for video, entry in index["videos"].items()})
