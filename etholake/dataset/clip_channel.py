"""The crops of videos from the channels of a training job: shards of a set of clips, and its rows of the lake."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from etholake.contract import CLIP_ZONE
from etholake.errors import ContractError, DataError
from etholake.generations import POINTER
from etholake.video.recipe import ClipRecipe
from etholake.video.stored_clips import Shard, StoredClips, StoredWindow, Subject
from etholake.video.windows import ClipWindow

__all__ = ["CLIPS", "CLIP_INDEX", "INDEX_COLUMNS", "load_clips", "stored_clips"]

CLIPS, CLIP_INDEX = "clips", "clip_index"  # channels: the shards of a set, and its partitions of table `clips`
INDEX_COLUMNS = ("video_id", "agent_id", "target_id", "first_frame", "shard", "member", "swapped")
_READ_AGAIN = 64  # decoded windows in memory: those that the next overlapping window of a model reads again


def load_clips(folders: Mapping[str, Path], wanted: Collection[int]) -> dict[int, StoredClips]:
    """Return the clips of some videos, by video; {} without the channels.

    Raises
    ------
    ContractError
        One of the two channels is missing.
    DataError
        The labs' clips were made by different recipes.
    """
    if missing := [name for name in (CLIPS, CLIP_INDEX) if name not in folders]:
        if len(missing) == 1:
            raise ContractError(f"Clips need the channels {CLIPS} and {CLIP_INDEX}; missing: {missing[0]}.")
        return {}
    import pyarrow.dataset as ds

    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    recipes: dict[str, dict[str, Any]] = {}
    for pointer in sorted(folders[CLIP_INDEX].rglob(POINTER)):
        content = json.loads(pointer.read_text(encoding="utf-8"))
        recipes[pointer.parent.name] = content["report"]["recipe"]
        for file in sorted((pointer.parent / content["generation"]).glob("*.parquet")):
            table = ds.dataset(file).to_table(list(INDEX_COLUMNS), ds.field("video_id").isin(list(wanted)))
            for row in table.to_pylist():
                rows[row["video_id"]].append(row)
    if not recipes:
        return {}
    first, *others = recipes.values()
    if any(other != first for other in others):
        raise DataError(
            f"The clips of {', '.join(recipes)} were made by different recipes: make them again as one set."
        )
    shards = _Shards(folders[CLIPS])
    recipe, read = ClipRecipe.from_dict(first), lru_cache(maxsize=_READ_AGAIN)(Shard.window)
    return {video: stored_clips(recipe, own, shards, read) for video, own in rows.items()}


def stored_clips(
    recipe: ClipRecipe,
    rows: Iterable[Mapping[str, Any]],
    shards: Mapping[str, Shard],
    read: Callable[[Shard, str], ClipWindow] = Shard.window,
) -> StoredClips:
    """Return the clips of a video from its rows of table `clips` (`INDEX_COLUMNS`); `shards` are by their key."""
    windows: dict[Subject, list[StoredWindow]] = defaultdict(list)
    clip_set = ""
    for row in rows:
        clip_set = row["shard"].split("/")[1]
        place = StoredWindow(row["first_frame"], shards[row["shard"]], row["member"], row["swapped"])
        windows[row["agent_id"], row["target_id"]].append(place)
    return StoredClips(clip_set, recipe, windows, read)


class _Shards(dict[str, Shard]):
    """The shards of a folder, which is a copy of ``clip-zone/<set>/``, by their key in the bucket."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, key: str) -> Shard:
        zone, _, rest = key.split("/", 2)
        if zone != CLIP_ZONE:
            raise ContractError(f"{key} is no shard of the {CLIP_ZONE}.")
        self[key] = Shard(self._folder / rest)
        return self[key]
