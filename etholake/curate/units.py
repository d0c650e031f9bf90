"""Plan the curation jobs: units of work, reusable files of the last state, a balanced distribution. Pure.

A unit makes one file of a generation. What stands in which file depends on the inputs and on the state before,
never on the number of workers. A file whose every input is as it was is taken over (copied within the bucket);
only the rest is curated: adding a video to a lab of thousands costs one video, not the lab.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etholake.curate.metadata import VideoRecord
from etholake.curate.rawzone import RawObject
from etholake.digest import fingerprint

__all__ = ["Unit", "balance", "file_digests", "inputs_fingerprint", "reusable", "units", "waves"]

# Raw bytes that go into one curated file: few files for labs with thousands of clips, one for a long video.
BYTES_PER_FILE = 32 * 1024 * 1024
# Raw bytes that are curated between two commits: what a killed job can lose.
BYTES_PER_WAVE = 8 * 1024**3


@dataclass(frozen=True)
class Unit:
    """Raw files of one (split, lab), and the one curated file that they become.

    `digests` say for each raw file (by key) what it was, with its metadata, the code and the settings.
    """

    split: str
    lab_id: str
    target: str  # key in the bucket
    files: tuple[RawObject, ...]
    videos: Mapping[int, VideoRecord]
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the number of raw bytes to read."""
        return sum(raw.size for raw in self.files)

    @property
    def name(self) -> str:
        """Return the name of the curated file."""
        return self.target.rpartition("/")[2]


def file_digests(files: Iterable[RawObject], videos: Mapping[int, VideoRecord], *parts: Any) -> dict[str, str]:
    """Return {key: digest of the raw file, its metadata, and further parts (code, settings)}."""
    digests_by_key = {}
    for raw in files:
        video = videos.get(raw.video_id) if raw.video_id is not None else None
        digests_by_key[raw.key] = fingerprint(raw.key, raw.etag, video.as_json() if video else None, *parts)
    return digests_by_key


def inputs_fingerprint(files: Sequence[RawObject], videos: Mapping[int, VideoRecord], *parts: Any) -> str:
    """Return the fingerprint of a partition: raw files (keys and ETags), the lab's metadata, further parts."""
    named = sorted((raw.key, raw.etag) for raw in files)
    return fingerprint(named, [videos[video_id].as_json() for video_id in sorted(videos)], *parts)


def reusable(before: Mapping[str, Mapping[str, str]], digests: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """Return the curated files that can stay: those whose raw files all exist and are unchanged.

    Parameters
    ----------
    before
        {name of the curated file: {raw key: digest}} of the last state.
    digests
        `file_digests` of the partition now.
    """
    return {
        name: inputs
        for name, inputs in before.items()
        if inputs and all(digests.get(key) == digest for key, digest in inputs.items())
    }


def units(
    files: Sequence[RawObject],
    videos: Mapping[int, VideoRecord],
    prefix: str,
    digests: Mapping[str, str] | None = None,
    bytes_per_file: int = BYTES_PER_FILE,
) -> list[Unit]:
    """Cut the raw files of one partition, in the order of videos, into units of about `bytes_per_file`.

    A unit's file is named by what goes into it, so that files of several states never share a name.
    """
    digests = digests or {}
    groups: list[list[RawObject]] = []
    filled = 0
    for raw in sorted(files, key=lambda r: (r.video_id is None, r.video_id or 0, r.key)):
        if not groups or filled + raw.size > bytes_per_file:
            groups.append([])
            filled = 0
        groups[-1].append(raw)
        filled += raw.size
    made = []
    for group in groups:
        own = {raw.key: digests.get(raw.key, raw.etag) for raw in group}
        named = {v: videos[v] for raw in group if (v := raw.video_id) is not None and v in videos}
        target = f"{prefix}part-{fingerprint(own)}.parquet"
        made.append(Unit(group[0].split, group[0].lab_id, target, tuple(group), named, own))
    return made


def balance(work: Sequence[Unit], tasks: int) -> list[list[Unit]]:
    """Distribute units to at most `tasks` tasks of about equal size: the largest first, to the emptiest task."""
    heap = [(0, number) for number in range(max(1, min(tasks, len(work))))]
    groups: list[list[Unit]] = [[] for _ in heap]
    for unit in sorted(work, key=lambda u: (-u.size, u.target)):
        filled, number = heapq.heappop(heap)
        groups[number].append(unit)
        heapq.heappush(heap, (filled + unit.size, number))
    return [group for group in groups if group]


def waves(sizes: Sequence[int], bytes_per_wave: int = BYTES_PER_WAVE) -> list[range]:
    """Cut a sequence of sizes into runs of about `bytes_per_wave`: the positions of each run."""
    cuts, filled = [0], 0
    for position, size in enumerate(sizes):
        if filled and filled + size > bytes_per_wave:
            cuts.append(position)
            filled = 0
        filled += size
    return [range(*ends) for ends in zip(cuts, [*cuts[1:], len(sizes)], strict=True)] if sizes else []
