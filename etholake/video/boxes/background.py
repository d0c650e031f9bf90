"""Boxes without tracks and weights: what differs from the empty arena, as connected areas.

The arena is a running median of small gray pictures (each pixel steps by one gray level towards the frame, so that
half of the frames lie above and half below it). It is learnt from a sample of the whole video first, so that an
animal which sits still at the beginning is seen as well. Where an animal is, it learns slowly; an area in which
the arena has sharper edges than the frame is the place that an animal has left, and is learnt at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from etholake.video.boxes.base import SlotTracker
from etholake.video.decode import DecodedFrame

__all__ = ["BackgroundBoxes", "median_background"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
WORK_PX = 192  # longer side of the pictures that are compared
SAMPLE = 64  # frames of the sample
_STEP_EVERY = 4  # frames between two steps of the running median,
_STEP_UNDER_ANIMALS = 64  # and where an animal is
# An animal hides edges of the arena, say that of a wall: so many times as sharp is a place that was left.
_SHARPER = 2.0


def median_background(sample: Iterable[Pixels]) -> Pixels:
    """Return the median of gray pictures [h, w]."""
    median: Pixels = np.median(np.stack(list(sample)), axis=0).astype(np.uint8)
    return median


@dataclass
class BackgroundBoxes:
    """Areas that differ from the running median.

    Parameters
    ----------
    background
        uint8 [h, w]: the median of a sample, as `DecodedFrame.gray` makes pictures.
    max_animals
        Places for animals; they are numbered 1.. in the order of appearance.
    min_share, max_share
        Smallest and largest area of one animal, as a share of the picture.
    """

    background: Pixels
    max_animals: int
    min_share: float = 0.0008
    max_share: float = 0.35
    name: str = "background"
    animals: tuple[int, ...] = field(init=False)
    _slots: SlotTracker = field(init=False)
    _calls: int = 0
    _level: float = 255.0

    def __post_init__(self) -> None:
        self.animals = tuple(range(1, self.max_animals + 1))
        self._slots = SlotTracker(self.max_animals)

    def boxes(self, frame: DecodedFrame) -> Floats:
        """Return the boxes of a frame; NaN for places without an animal."""
        gray = frame.gray(WORK_PX)
        areas, animals = self._areas(gray)
        scale = max(frame.picture.width, frame.picture.height) / max(gray.shape)
        rows = self._slots.assign(areas)
        if self._calls % _STEP_EVERY == 0:
            step = (gray > self.background).astype(np.int16) - (gray < self.background)
            if self._calls % _STEP_UNDER_ANIMALS:
                step[animals] = 0
            self.background = np.clip(self.background + step, 0, 255).astype(np.uint8)
        self._calls += 1
        result = np.full((self.max_animals, 4), np.nan, np.float32)
        result[rows >= 0] = areas[rows[rows >= 0]] * np.float32(scale)
        return result

    def _areas(self, gray: Pixels) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return the boxes [N, 4] of animals in the small picture, the largest first, and their pixels [h, w].

        A place that an animal has left is no animal: the background takes over what the picture shows there.
        """
        from scipy import ndimage

        apart = np.abs(gray.astype(np.int16) - self.background)
        apart = ndimage.uniform_filter(apart, 3)
        if self._calls % _STEP_EVERY == 0:  # the noise of a picture changes slowly
            self._level = _threshold(apart)
        mask = apart > self._level
        mask = ndimage.binary_closing(mask, iterations=2)
        labels, count = ndimage.label(mask)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        wanted = (sizes >= self.min_share * gray.size) & (sizes <= self.max_share * gray.size)
        slices = ndimage.find_objects(labels)
        boxes, animals = [], np.zeros(gray.shape, np.bool_)
        for number in (number for number in np.argsort(-sizes) if wanted[number]):
            rows, columns = slices[number]
            around = tuple(slice(max(0, part.start - 2), part.stop + 2) for part in (rows, columns))
            own = ndimage.binary_dilation(labels[around] == number + 1)  # its outline is inside
            now, arena = gray[around], self.background[around]
            if _edges(arena, own) > _SHARPER * _edges(now, own):
                arena[own] = now[own]
            else:
                animals[around] |= own
                boxes.append((columns.start, rows.start, columns.stop, rows.stop))
        return np.array(boxes, np.float32).reshape(-1, 4), animals


def _edges(picture: Pixels, area: npt.NDArray[np.bool_]) -> float:
    """Return how much neighbouring pixels of an area differ, summed over it."""
    values = picture.astype(np.int16)
    across = np.abs(np.diff(values, axis=1))[area[:, 1:]].sum()
    return float(across + np.abs(np.diff(values, axis=0))[area[1:]].sum())


def _threshold(apart: npt.NDArray[np.int16]) -> float:
    """Return the difference above which a pixel is an animal: well over the noise of the picture, at least 12."""
    noise = float(np.median(apart))
    return max(12.0, 6.0 * noise, 0.35 * float(np.percentile(apart, 99.5)))
