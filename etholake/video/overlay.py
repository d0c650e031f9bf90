"""Write a video with what is known of it drawn over: skeletons, boxes, labels with their confidence.

The video is decoded once; memory does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError, UsageError
from etholake.events.types import Event
from etholake.video.boxes.pose import boxes_of
from etholake.video.crops import in_view
from etholake.video.decode import Decoder
from etholake.video.draw import COLOURS, draw_points
from etholake.video.encode import video_writer
from etholake.video.prepare import VideoTracks

__all__ = ["OverlayEvent", "OverlayOptions", "annotate", "resized", "write_overlay"]

Pixels = npt.NDArray[np.uint8]
SKELETON = (
    ("nose", "head"), ("nose", "neck"), ("head", "neck"), ("ear_left", "ear_right"), ("neck", "body_center"),
    ("body_center", "tail_base"), ("neck", "tail_base"), ("tail_base", "tail_midpoint"),
    ("tail_midpoint", "tail_tip"), ("hip_left", "hip_right"), ("lateral_left", "lateral_right"),
)  # fmt: skip
"""Lines between parts; those whose parts a video has are drawn."""


@dataclass(frozen=True)
class OverlayEvent:
    """An event to name: frames ``start <= f < stop``; `confidence` None for a person's label."""

    start: int
    stop: int
    agent_id: int
    target_id: int
    action: str
    confidence: float | None = None

    @classmethod
    def of(cls, event: Event) -> OverlayEvent:
        """Return a predicted event as it is shown."""
        return cls(
            event.start_frame, event.stop_frame, event.agent_id, event.target_id, event.action, event.confidence
        )

    @property
    def animals(self) -> tuple[int, int]:
        """The numbers of agent and target."""
        return self.agent_id, self.target_id

    @property
    def text(self) -> str:
        """The words in the picture."""
        whom = f"{self.agent_id}" if self.agent_id == self.target_id else f"{self.agent_id}>{self.target_id}"
        return f"{whom} {self.action}" + ("" if self.confidence is None else f" {self.confidence:.2f}")


@dataclass(frozen=True)
class OverlayOptions:
    """The options of an overlay.

    `speed` 4 shows every fourth frame at the video's own rate; `only_bouts` leaves out frames without an event,
    but for `margin` frames around each; `longer_side` shrinks large pictures.
    """

    speed: int = 1
    only_bouts: bool = False
    margin: int = 15
    longer_side: int = 960

    def __post_init__(self) -> None:
        """Raise UsageError for values out of range."""
        if not (1 <= self.speed <= 1000 and self.margin >= 0 and 64 <= self.longer_side <= 4096):
            raise UsageError(
                "An overlay needs a speed of 1 to 1000, a margin of 0 or more frames and a longer side of 64 to "
                f"4096 px, but got {self}."
            )


def write_overlay(
    video: Path,
    out: Path,
    events: Sequence[OverlayEvent],
    tracks: VideoTracks | None = None,
    options: OverlayOptions | None = None,
) -> int:
    """Write the overlay as mp4; return the number of frames written.

    Raises
    ------
    DataError
        The video cannot be decoded, or only bouts were asked for and there is none.
    """
    options = options or OverlayOptions()
    wanted = _wanted(events, options) if options.only_bouts else None
    if wanted is not None and not wanted:
        raise DataError(f"{video}: has no event to show; leave out the choice of bouts only.")
    decoder = Decoder(video)
    frames = iter(decoder)
    first = next(frames)
    scale = min(1.0, options.longer_side / max(decoder.width, decoder.height))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (decoder.width, decoder.height))
    fps = float(decoder.fps) or 25.0
    ordered = sorted(events, key=lambda event: event.start)
    open_events: list[OverlayEvent] = []
    position = 0
    with video_writer(out, fps, width, height, title=f"overlay of {video.name}") as writer:
        for frame in chain([first], frames):
            if wanted is not None and not _within(frame.number, wanted):
                if not wanted:
                    break  # the last bout is over
                continue
            if frame.number % options.speed:
                continue
            while position < len(ordered) and ordered[position].start <= frame.number:
                open_events.append(ordered[position])
                position += 1
            open_events = [event for event in open_events if event.stop > frame.number]
            picture = resized(frame.rgb(), width, height)
            annotate(picture, frame.number, scale, open_events, tracks)
            writer.write(picture)
    return writer.frames


def _wanted(events: Sequence[OverlayEvent], options: OverlayOptions) -> list[tuple[int, int]]:
    """Return the stretches (start, stop) to show: events with their margin, joined, in order."""
    spans: list[tuple[int, int]] = []
    for event in sorted(events, key=lambda event: event.start):
        start, stop = max(0, event.start - options.margin), event.stop + options.margin
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
        else:
            spans.append((start, stop))
    return spans


def _within(frame: int, spans: list[tuple[int, int]]) -> bool:
    """Return whether a frame lies in one of the spans; those that have passed are dropped."""
    while spans and spans[0][1] <= frame:
        spans.pop(0)
    return bool(spans) and spans[0][0] <= frame


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    """Return a picture of that size that may be drawn on."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def annotate(
    picture: Pixels,
    number: int,
    scale: float,
    events: Sequence[OverlayEvent],
    tracks: VideoTracks | None,
    origin: tuple[float, float] = (0, 0),
) -> None:
    """Draw skeletons and boxes at their animals, and the events in the upper left corner; in place.

    The picture's upper left corner is the point `origin` (x, y) of the frame, whose pixels it shows `scale` times
    as large.
    """
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    busy = {animal for event in events for animal in event.animals}
    animals: tuple[int, ...] = ()
    points_MK3 = np.zeros((0, 0, 3), np.float32)
    if tracks is not None and number < len(tracks.keypoints_TMK3):
        animals = tracks.animals
        points_MK3 = np.array(tracks.keypoints_TMK3[number], np.float32)
        points_MK3[..., :2] = (points_MK3[..., :2] - np.array(origin, np.float32)) * np.float32(scale)
        column = {part: at for at, part in enumerate(tracks.parts)}
        for animal, points, box in zip(animals, points_MK3, boxes_of(points_MK3), strict=True):
            colour = COLOURS[(animal - 1) % len(COLOURS)]
            for one, other in SKELETON:
                if one in column and other in column:
                    line = points[[column[one], column[other]], :2]
                    if np.isfinite(line).all():
                        pen.line([tuple(map(float, line[0])), tuple(map(float, line[1]))], fill=colour)
            if np.isfinite(box).all() and in_view(box, image.size):
                pen.rectangle([float(v) for v in box], outline=colour, width=2 if animal in busy else 1)
                pen.text((float(box[0]), max(0.0, float(box[1]) - 12)), str(animal), fill=colour)
    lines = [(picture.shape[0] - 15, f"frame {number}", (255, 255, 255))]
    lines += [
        (3 + 14 * row, event.text, COLOURS[(event.agent_id - 1) % len(COLOURS)])
        for row, event in enumerate(events[:8])
    ]
    for top, text, colour in lines:  # on black, because the picture may be as light as the words
        pen.rectangle([3, top, 9 + pen.textlength(text), top + 12], fill=(0, 0, 0))
        pen.text((6, top), text, fill=colour)
    picture[:] = np.asarray(image)
    for animal, points in zip(animals, points_MK3, strict=True):
        draw_points(picture, points, COLOURS[(animal - 1) % len(COLOURS)], 1)
