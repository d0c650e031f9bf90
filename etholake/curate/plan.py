"""What the curation jobs have to do: units of work, their fingerprints, and a balanced distribution. Pure.

A unit makes one file of a generation. What stands in which file depends on the inputs alone, never on the
number of workers, so two runs give the same files.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etholake.curate.metadata import Video
from etholake.curate.rawzone import RawObject
from etholake.stages import fingerprint

__all__ = ["Unit", "balance", "inputs_fingerprint", "units"]

# Raw bytes that go into one curated file: few files for labs with thousands of clips, one for a long video.
BYTES_PER_FILE = 32 * 1024 * 1024


@dataclass(frozen=True)
class Unit:
    """Some raw files of one (split, lab), and the name of the one curated file that they become."""

    split: str
    lab_id: str
    target: str  # key in the bucket
    files: tuple[RawObject, ...]
    videos: Mapping[int, Video]

    @property
    def size(self) -> int:
        """Raw bytes to read."""
        return sum(raw.size for raw in self.files)


def inputs_fingerprint(files: Sequence[RawObject], videos: Mapping[int, Video], *parts: Any) -> str:
    """Fingerprint of a partition: its raw files (keys and ETags), its lab's metadata, and further parts."""
    named = sorted((raw.key, raw.etag) for raw in files)
    return fingerprint(named, [videos[video_id].as_json() for video_id in sorted(videos)], *parts)


def units(
    files: Sequence[RawObject], videos: Mapping[int, Video], prefix: str, bytes_per_file: int = BYTES_PER_FILE
) -> list[Unit]:
    """Cut the raw files of one partition, in the order of videos, into units of about `bytes_per_file`."""
    groups: list[list[RawObject]] = []
    filled = 0
    for raw in sorted(files, key=lambda r: (r.video_id is None, r.video_id or 0, r.key)):
        if not groups or filled + raw.size > bytes_per_file:
            groups.append([])
            filled = 0
        groups[-1].append(raw)
        filled += raw.size
    return [
        Unit(
            group[0].split,
            group[0].lab_id,
            f"{prefix}part-{number:05d}.parquet",
            tuple(group),
            {v: videos[v] for raw in group if (v := raw.video_id) is not None and v in videos},
        )
        for number, group in enumerate(groups)
    ]


def balance(work: Sequence[Unit], tasks: int) -> list[list[Unit]]:
    """Distribute units to at most `tasks` tasks of about equal size: the largest first, to the emptiest task."""
    heap = [(0, number) for number in range(max(1, min(tasks, len(work))))]
    groups: list[list[Unit]] = [[] for _ in heap]
    for unit in sorted(work, key=lambda u: (-u.size, u.target)):
        filled, number = heapq.heappop(heap)
        groups[number].append(unit)
        heapq.heappush(heap, (filled + unit.size, number))
    return [group for group in groups if group]
