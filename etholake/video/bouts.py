"""Put the bouts of a video on one sheet: three frames of each, with its label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.video.decode import Decoder
from etholake.video.draw import labelled, write_png
from etholake.video.overlay import OverlayEvent, annotate, resized
from etholake.video.prepare import VideoTracks

__all__ = ["write_bout_sheet"]

MAX_BOUTS = 30
_TILE_PX = 192


def write_bout_sheet(
    video: Path, out: Path, events: Sequence[OverlayEvent], tracks: VideoTracks | None = None
) -> int:
    """Write a PNG with first, middle and last frame of up to `MAX_BOUTS` bouts; return how many are on it.

    Of more bouts evenly spaced ones are taken. The video is decoded once.

    Raises
    ------
    DataError
        The video cannot be decoded, or no bout lies within it.
    """
    ordered = sorted(events, key=lambda event: (event.start, event.text))
    chosen = ordered[:: max(1, -(-len(ordered) // MAX_BOUTS))]
    frames_of = [(e.start, (e.start + e.stop - 1) // 2, max(e.start, e.stop - 1)) for e in chosen]
    wanted = {number for numbers in frames_of for number in numbers}
    pictures: dict[int, npt.NDArray[np.uint8]] = {}
    decoder = Decoder(video)
    for frame in decoder:
        if frame.number in wanted:
            scale = _TILE_PX / max(decoder.width, decoder.height)
            size = (max(1, round(decoder.width * scale)), max(1, round(decoder.height * scale)))
            picture = resized(frame.rgb(), *size)
            annotate(picture, frame.number, scale, [], tracks)
            pictures[frame.number] = picture
            if len(pictures) == len(wanted):
                break
    tiles = [
        labelled(np.concatenate([pictures[number] for number in numbers], axis=1), event.text)
        for event, numbers in zip(chosen, frames_of, strict=True)
        if all(number in pictures for number in numbers)
    ]
    if not tiles:
        raise DataError(f"{video.name}: has no bout to show: none of its {len(events)} events lies within it.")
    columns = 2 if len(tiles) > 1 else 1
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[at : at + columns], axis=1) for at in range(0, len(tiles), columns)]
    write_png(out, np.concatenate(rows))
    return len(chosen)
