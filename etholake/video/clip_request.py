"""Clips as a request to a model: one tar with the request about the tracks, and the windows of the video.

Members: ``request.parquet`` (what a model of tracks is sent), ``clips.json`` (set and recipe), then the windows as
they lie in a shard. Windows are decoded when a model reads them, from the bytes of the request.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable

from etholake.errors import DataError, UsageError
from etholake.video.recipe import ClipRecipe
from etholake.video.shards import put_member
from etholake.video.stored_clips import Shard, StoredClips, StoredWindow, Subject

__all__ = ["CLIP_REQUEST", "read", "write"]

CLIP_REQUEST = "application/x-tar"
TRACKS, CLIPS = "request.parquet", "clips.json"
_KEY = re.compile(r"-?\d+_(\d+)(?:-(\d+))?_(\d{8,10})")  # see `WindowIndex.key`


def write(
    tracks: bytes, clip_set: str, recipe: ClipRecipe, shards: Iterable[bytes], wanted: Callable[[str], bool]
) -> bytes:
    """Return a request.

    Parameters
    ----------
    tracks
        The request about the tracks, Parquet.
    shards
        Tar files of the video, one after the other.
    wanted
        Whether the window of a key is sent.
    """
    about = {"clip_set": clip_set, "recipe": recipe.as_dict()}
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        put_member(tar, TRACKS, tracks)
        put_member(tar, CLIPS, json.dumps(about).encode())
        for shard in shards:
            with tarfile.open(fileobj=io.BytesIO(shard)) as members:
                for member in members:
                    stream = members.extractfile(member)
                    if stream and wanted(member.name.rpartition(".")[0]):
                        put_member(tar, member.name, stream.read())
    return sink.getvalue()


def read(body: bytes) -> tuple[bytes, StoredClips]:
    """Return the request about the tracks, and the clips. Raises DataError for anything but such a request."""
    shard = Shard(body)
    members = shard.members
    if missing := [name for name in (TRACKS, CLIPS) if name not in members]:
        raise DataError(f"The tar lacks {', '.join(missing)}; expected {TRACKS}, {CLIPS} and the windows.")
    tracks, text = (_part(body, *members[name]) for name in (TRACKS, CLIPS))
    try:
        about = json.loads(text)
        clip_set, recipe = str(about["clip_set"]), ClipRecipe.from_dict(about["recipe"])
    except (ValueError, KeyError, TypeError, UsageError) as err:
        raise DataError(f"{CLIPS} of the request does not say how the clips were made: {err}.") from err
    windows: dict[Subject, list[StoredWindow]] = defaultdict(list)
    for name in members:
        key, _, suffix = name.rpartition(".")
        if suffix != "npz":
            continue
        named = _KEY.fullmatch(key)
        if named is None:
            raise DataError(f"The member {name} of the request is no window of a clip.")
        agent, first = int(named[1]), int(named[3])
        target = int(named[2]) if named[2] else None
        windows[agent, target].append(StoredWindow(first, shard, key))
        if target is not None:
            windows[target, agent].append(StoredWindow(first, shard, key, swapped=True))
    return tracks, StoredClips(clip_set, recipe, windows)


def _part(body: bytes, offset: int, size: int) -> bytes:
    return body[offset : offset + size]
