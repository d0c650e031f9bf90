"""Put the bouts of a video on sheets: the middle frame of each, around its animals, with label and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.video.boxes.pose import boxes_of
from etholake.video.decode import DecodedFrame, Decoder
from etholake.video.draw import labelled, write_png
from etholake.video.overlay import OverlayEvent, annotate, resized
from etholake.video.prepare import VideoTracks

__all__ = ["write_bout_sheets"]

MAX_PAGES, PER_PAGE, COLUMNS = 20, 30, 5
_TILE_PX = 256
_BORDER = 0.5  # around the animals, as a share of the longer side of their box
_LEAST_SHARE = 0.25  # of the picture's shorter side that a tile shows at least: the surroundings tell where it is


def write_bout_sheets(
    video: Path, out: Path, events: Sequence[OverlayEvent], tracks: VideoTracks | None = None
) -> tuple[int, list[str]]:
    """Write PNG pages of up to `PER_PAGE` bouts, ordered by action and start; return bouts and pages written.

    The first page is `out`, the next ones are named ``<out>-2.png`` and so on, `MAX_PAGES` at most: of more bouts
    evenly spaced ones are taken. Pages of an earlier sheet are removed first. Events behind the end of the video
    are left out. The video is decoded once, as far as its last bout.

    Raises
    ------
    DataError
        The video cannot be decoded.
    """
    names = [out if number == 1 else out.with_stem(f"{out.stem}-{number}") for number in range(1, MAX_PAGES + 1)]
    for path in names:
        path.unlink(missing_ok=True)
    ordered = sorted(events, key=lambda event: (event.action, event.start, event.text))
    chosen = ordered[:: max(1, -(-len(ordered) // (MAX_PAGES * PER_PAGE)))]
    by_middle: dict[int, list[OverlayEvent]] = {}
    for event in chosen:
        by_middle.setdefault(max(event.start, (event.start + event.stop - 1) // 2), []).append(event)
    tiles: dict[OverlayEvent, npt.NDArray[np.uint8]] = {}
    last = max(by_middle, default=-1)
    decoder = Decoder(video)
    for frame in decoder if by_middle else ():
        if frame.number > last:
            break
        for event in by_middle.get(frame.number, ()):
            tiles[event] = _tile(frame, event, tracks, float(decoder.fps))
    shown = [tiles[event] for event in chosen if event in tiles]
    pages = [shown[at : at + PER_PAGE] for at in range(0, len(shown), PER_PAGE)]
    for path, page in zip(names, pages, strict=False):
        write_png(path, _page(page))
    return len(shown), [str(path) for path in names[: len(pages)]]


def _page(tiles: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    columns = min(COLUMNS, len(tiles))
    padded = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % columns)]
    rows = [np.concatenate(padded[at : at + columns], axis=1) for at in range(0, len(padded), columns)]
    return np.concatenate(rows)


def _tile(
    frame: DecodedFrame, event: OverlayEvent, tracks: VideoTracks | None, fps: float
) -> npt.NDArray[np.uint8]:
    """Return a square picture of the event's animals, below a line with the event's words and time."""
    picture = frame.rgb()
    x0, y0, side = _square(picture.shape[:2], _box(frame.number, event, tracks))
    part = picture[max(0, y0) : y0 + side, max(0, x0) : x0 + side]
    square = np.zeros((side, side, 3), np.uint8)
    top, left = max(0, -y0), max(0, -x0)
    square[top : top + part.shape[0], left : left + part.shape[1]] = part
    tile = resized(square, _TILE_PX, _TILE_PX)
    annotate(tile, frame.number, _TILE_PX / side, [], tracks, origin=(x0, y0))
    seconds = f"  {event.start / fps:.1f} s, {(event.stop - event.start) / fps:.2f} s long" if fps else ""
    return labelled(tile, event.text + seconds)


def _box(number: int, event: OverlayEvent, tracks: VideoTracks | None) -> npt.NDArray[np.float32] | None:
    """Return the box [4] around agent and target in that frame, None if neither was found."""
    if tracks is None or number >= len(tracks.keypoints_TMK3):
        return None
    boxes = boxes_of(np.asarray(tracks.keypoints_TMK3[number], np.float32))
    own = [box for animal, box in zip(tracks.animals, boxes, strict=True) if animal in event.animals]
    seen = [box for box in own if np.isfinite(box).all()]
    if not seen:
        return None
    box_B4 = np.array(seen)
    return np.concatenate([box_B4[:, :2].min(axis=0), box_B4[:, 2:].max(axis=0)])


def _square(shape: tuple[int, ...], box: npt.NDArray[np.float32] | None) -> tuple[int, int, int]:
    """Return (left, top, side) in pixels: the square around the box with its border, or the whole picture."""
    height, width = shape
    longest = max(height, width)
    if box is None:
        return (width - longest) // 2, (height - longest) // 2, longest
    extent = float(max(box[2] - box[0], box[3] - box[1]))
    side = round(min(longest, max(extent * (1 + 2 * _BORDER), min(height, width) * _LEAST_SHARE)))
    return round(float(box[0] + box[2]) / 2 - side / 2), round(float(box[1] + box[3]) / 2 - side / 2), side
