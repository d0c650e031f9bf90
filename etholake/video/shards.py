"""Clip windows in tar files: written in one pass, read one after the other (streams) or by name (files).

A window is two members that follow each other: ``<key>.npz`` with everything but the pixels, and its pixels as
``<key>.jpg``, ``<key>.png`` (its frames below and beside each other in one picture) or ``<key>.npy``. Nothing is
pickled, and nothing is unpacked to a path.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.video.windows import ClipWindow, WindowIndex

__all__ = [
    "MAX_MEMBER_BYTES",
    "SHARD_BYTES",
    "ShardWriter",
    "add_window",
    "decode_window",
    "put_member",
    "read_shard",
    "swapped",
]

SHARD_BYTES = (
    128 << 20
)  # a shard is closed when it is larger: large reads, and still some tens of shards to shuffle
MAX_MEMBER_BYTES = 1 << 30
_STRIP_PX = 16_384  # height of a picture of frames, at most
_SUFFIX = {"jpeg": ".jpg", "png": ".png", "raw": ".npy"}
Pixels = npt.NDArray[np.uint8]


@dataclass
class ShardWriter:
    """Write windows into ``shard-00000.tar``, … below a folder; `shards` lists what is complete.

    `on_shard` is called with each complete file, so that it can be uploaded and removed.
    """

    folder: Path
    encoding: str = "jpeg"
    quality: int = 92
    shard_bytes: int = SHARD_BYTES
    on_shard: Callable[[Path], None] | None = None
    shards: list[str] = field(default_factory=list)
    _tar: tarfile.TarFile | None = None

    def add(self, window: ClipWindow) -> str:
        """Append a window; return the name of its shard."""
        if self._tar is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.shards.append(f"shard-{len(self.shards):05d}.tar")
            self._tar = tarfile.open(self.folder / self.shards[-1], "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        add_window(self._tar, window, self.encoding, self.quality)
        name = self.shards[-1]
        if self._tar.offset >= self.shard_bytes:
            self.close()
        return name

    def close(self) -> None:
        """Complete the open shard, if there is one."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None
            if self.on_shard:
                self.on_shard(self.folder / self.shards[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        elif self._tar is not None:
            self._tar.close()


def add_window(tar: tarfile.TarFile, window: ClipWindow, encoding: str, quality: int) -> None:
    """Append the two members of a window."""
    put_member(tar, f"{window.index.key}.npz", _arrays(window))
    put_member(tar, window.index.key + _SUFFIX[encoding], _pixels(window, encoding, quality))


def read_shard(source: Path | IO[bytes]) -> Iterator[ClipWindow]:
    """Yield the windows of a shard in their order, from a file or from a stream that cannot seek.

    Raises
    ------
    DataError
        The shard is damaged or cut short.
    """
    name = str(source) if isinstance(source, Path) else "shard"
    try:
        how: dict[str, Any] = {"name": source} if isinstance(source, Path) else {"fileobj": source}
        with tarfile.open(mode="r|", **how) as tar:
            arrays: bytes | None = None
            key = ""
            for member in tar:
                if member.size > MAX_MEMBER_BYTES or not member.isfile():
                    raise ValueError(f"member {member.name} is no window")
                stream = tar.extractfile(member)
                content = stream.read() if stream else b""
                stem, _, suffix = member.name.rpartition(".")
                if suffix == "npz":
                    arrays, key = content, stem
                elif arrays is not None and stem == key:
                    yield _window(arrays, content, suffix)
                    arrays = None
                else:
                    raise ValueError(f"member {member.name} stands alone")
            if arrays is not None:
                raise ValueError(f"window {key} has no pixels")
    except (tarfile.TarError, zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, EOFError) as err:
        raise DataError(f"{name}: is no whole shard of clips ({err}). Prepare the clips again.") from err


def decode_window(arrays: bytes, pixels: bytes, suffix: str, shard: str) -> ClipWindow:
    """Return the window of two members: its ``.npz``, and its pixels with their suffix (jpg, png, npy).

    Raises DataError, which names the shard, if they are damaged.
    """
    try:
        return _window(arrays, pixels, suffix)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, EOFError) as err:
        raise DataError(f"{shard}: holds a damaged window ({err}). Prepare the clips again.") from err


def swapped(window: ClipWindow) -> ClipWindow:
    """Return the window of a pair as its target sees it: agent and target, and their key points, change places."""
    assert window.index.target_id is not None
    half = len(window.parts) // 2
    order = [*range(half, 2 * half), *range(half)]
    index = replace(window.index, agent_id=window.index.target_id, target_id=window.index.agent_id)
    return replace(window, index=index, keypoints=np.ascontiguousarray(window.keypoints[:, order]))


def put_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Append a file of this name and content."""
    info = tarfile.TarInfo(name)  # owner, mode and time are fixed: equal windows give equal bytes
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _arrays(window: ClipWindow) -> bytes:
    """Return an `.npz` of everything but the pixels; without the time of writing, which `np.savez` puts in."""
    head = np.array(json.dumps({"index": asdict(window.index), "parts": window.parts}))
    arrays = {name: getattr(window, name) for name in ("keypoints", "bbox_xyxy", "crop_xyxy")} | {"head": head}
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return sink.getvalue()


def _window(arrays: bytes, pixels: bytes, suffix: str) -> ClipWindow:
    with np.load(io.BytesIO(arrays), allow_pickle=False) as file:
        head = json.loads(str(file["head"]))
        index = WindowIndex(**{f.name: head["index"][f.name] for f in fields(WindowIndex)})
        named = {name: file[name] for name in ("keypoints", "bbox_xyxy", "crop_xyxy")}
    length = index.last_frame - index.first_frame + 1
    frames = _frames(pixels, suffix, length, index.crop_size)
    return ClipWindow(index, frames, parts=tuple(head["parts"]), **named)


def _pixels(window: ClipWindow, encoding: str, quality: int) -> bytes:
    sink = io.BytesIO()
    if encoding == "raw":
        np.save(sink, window.frames)
        return sink.getvalue()
    from PIL import Image

    image = Image.fromarray(_strips(window.frames))
    if encoding == "jpeg":
        image.save(sink, "JPEG", quality=quality, subsampling=0)  # so that blocks never join two frames
    else:
        image.save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def _frames(content: bytes, suffix: str, length: int, size: int) -> Pixels:
    if suffix == "npy":
        raw: Pixels = np.load(io.BytesIO(content), allow_pickle=False)
        return raw
    from PIL import Image

    rows, columns = _layout(length, size)
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
        if image.size != (columns * size, rows * size):
            raise ValueError(f"a picture of {image.size} px, expected {(columns * size, rows * size)}")
        picture = np.asarray(image.convert("RGB"))
    tiles = picture.reshape(rows, size, columns, size, 3).transpose(2, 0, 1, 3, 4).reshape(-1, size, size, 3)
    return np.ascontiguousarray(tiles[:length])


def _layout(length: int, size: int) -> tuple[int, int]:
    """Return (rows, columns) of a picture of frames: one column, more only where it would be too high."""
    rows = min(length, max(1, _STRIP_PX // size))
    return rows, -(-length // rows)


def _strips(frames: Pixels) -> Pixels:
    """Return the frames [T, H, H, 3] below each other, column by column; missing tiles are black."""
    length, size = frames.shape[:2]
    rows, columns = _layout(length, size)
    if columns == 1:
        return frames.reshape(length * size, size, 3)
    tiles = np.zeros((columns * rows, size, size, 3), np.uint8)
    tiles[:length] = frames
    return np.ascontiguousarray(
        tiles.reshape(columns, rows, size, size, 3)
        .transpose(1, 2, 0, 3, 4)
        .reshape(rows * size, columns * size, 3)
    )
