"""Crops of single frames out of stored clip windows: any stretch of an animal, however its clips were cut.

`prepare_clips` writes windows of a fixed length; a model reads windows of its own, at its own frame rate. A frame
is looked up in the window that holds it, and a window is one picture in a tar file, read at its place.

Shape letters: T frames that are asked for, H = W = `crop_size` pixels, K key points.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.video.recipe import ClipRecipe
from etholake.video.shards import MAX_MEMBER_BYTES, decode_window, swapped
from etholake.video.windows import ClipWindow, unified_keypoints

__all__ = ["CropFrames", "FrameSource", "Shard", "StoredClips", "StoredWindow", "Subject", "empty_crops"]

Subject = tuple[int, int | None]  # agent and target; None for one animal
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CropFrames:
    """Crops of T frames.

    Attributes
    ----------
    pixels
        uint8 [T, H, W, 3], RGB; black where nothing was cropped.
    keypoints
        float32 [T, K, 3]: x and y in pixels of the crop (NaN where missing), confidence 0..1.
    seen
        bool [T], true where there is a crop.
    """

    pixels: npt.NDArray[np.uint8]
    keypoints: npt.NDArray[np.float32]
    seen: npt.NDArray[np.bool_]

    def fill(self, numbers: Ints, window: ClipWindow, parts: Sequence[str]) -> None:
        """Copy the frames of a window that are among `numbers` [T]."""
        at = numbers - window.index.first_frame
        inside = (at >= 0) & (at < len(window.frames))
        self.pixels[inside] = window.frames[at[inside]]
        self.keypoints[inside] = unified_keypoints(window, parts)[at[inside]]
        self.seen[inside] = True


def empty_crops(frames: int, crop_size: int, keypoints: int) -> CropFrames:
    """Return crops of frames in which nothing was seen."""
    points = np.full((frames, keypoints, 3), np.nan, np.float32)
    points[..., 2] = 0
    return CropFrames(np.zeros((frames, crop_size, crop_size, 3), np.uint8), points, np.zeros(frames, np.bool_))


class FrameSource(Protocol):
    """The crops of one video."""

    @property
    def clip_set(self) -> str:
        """The name of the set of clips."""

    @property
    def recipe(self) -> ClipRecipe:
        """The recipe of its clips."""

    def crops(self, subject: Subject, numbers: Ints, parts: Sequence[str]) -> CropFrames:
        """Return the crops of frames of the video [T], ascending, with the key points of `parts`.

        A part is a unified part or a lab's own (see `windows.unified_keypoints`).
        """

    def seen(self, subject: Subject, numbers: Ints) -> npt.NDArray[np.bool_]:
        """Return of which frames [T], ascending, there is a crop."""


class Shard:
    """One tar file of clips (a path, or its bytes), whose windows are read by name."""

    def __init__(self, source: Path | bytes) -> None:
        self.source = source

    @cached_property
    def members(self) -> Mapping[str, tuple[int, int]]:
        """{member: (offset, bytes)}; the pixels of a window have its name and another suffix."""
        try:
            with self._open() as file, tarfile.open(fileobj=file, mode="r:") as tar:
                return {m.name: (m.offset_data, m.size) for m in tar if m.isfile() and m.size <= MAX_MEMBER_BYTES}
        except (OSError, tarfile.TarError) as err:
            raise DataError(f"{self}: is no whole shard of clips ({err}). Prepare the clips again.") from err

    def window(self, key: str) -> ClipWindow:
        """Return the window of a key (`WindowIndex.key`). Raises DataError if the shard does not hold it whole."""
        pixels = next((key + end for end in (".jpg", ".png", ".npy") if key + end in self.members), None)
        if pixels is None or f"{key}.npz" not in self.members:
            raise DataError(f"{self}: lacks the window {key}. Prepare the clips again.")
        with self._open() as file:
            arrays, content = (self._read(file, name) for name in (f"{key}.npz", pixels))
        return decode_window(arrays, content, pixels.rpartition(".")[2], str(self))

    def _open(self) -> io.BufferedIOBase:
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")

    def _read(self, file: io.BufferedIOBase, member: str) -> bytes:
        offset, size = self.members[member]
        file.seek(offset)
        return file.read(size)

    def __str__(self) -> str:
        return "The clips of the request" if isinstance(self.source, bytes) else str(self.source)


@dataclass(frozen=True)
class StoredWindow:
    """The place of a window: frames, shard and key, and whether agent and target change places."""

    first_frame: int
    shard: Shard
    key: str
    swapped: bool = False


class StoredClips:
    """The crops of one video in shards (see `FrameSource`).

    Parameters
    ----------
    windows
        The windows of each subject, in any order.
    read
        How a window is read; a caller that reads the same windows again passes one with a cache.
    """

    def __init__(
        self,
        clip_set: str,
        recipe: ClipRecipe,
        windows: Mapping[Subject, Iterable[StoredWindow]],
        read: Callable[[Shard, str], ClipWindow] = Shard.window,
    ) -> None:
        self.clip_set, self.recipe, self._read = clip_set, recipe, read
        self._windows = {
            subject: sorted(places, key=lambda w: w.first_frame) for subject, places in windows.items()
        }
        self._firsts = {s: np.array([w.first_frame for w in places]) for s, places in self._windows.items()}

    def crops(self, subject: Subject, numbers: Ints, parts: Sequence[str]) -> CropFrames:
        """Return the crops of frames of the video [T], with the key points of `parts`."""
        crops = empty_crops(len(numbers), self.recipe.crop_size, len(parts))
        chosen = self._chosen(subject, numbers)
        for number in np.unique(chosen[chosen >= 0]).tolist():
            place = self._windows[subject][number]
            window = self._read(place.shard, place.key)
            if window.index.crop_size != self.recipe.crop_size:
                raise DataError(
                    f"The window {place.key} has crops of {window.index.crop_size} px, and its set is of "
                    f"{self.recipe.crop_size} px. Prepare the clips again."
                )
            crops.fill(numbers, swapped(window) if place.swapped else window, parts)
        return crops

    def seen(self, subject: Subject, numbers: Ints) -> npt.NDArray[np.bool_]:
        """Return of which frames [T] there is a crop."""
        return self._chosen(subject, numbers) >= 0

    def _chosen(self, subject: Subject, numbers: Ints) -> Ints:
        """Return the window that holds each frame [T], -1 for none.

        It is the last that begins before the frame, or none does: all windows have one length.
        """
        firsts = self._firsts.get(subject, np.empty(0, np.int64))
        chosen = np.searchsorted(firsts, numbers, "right") - 1
        begins = np.append(firsts, 0)[chosen]  # of -1 the appended one
        holds = (chosen >= 0) & (numbers < begins + self.recipe.length)
        return np.where(holds, chosen, -1)
