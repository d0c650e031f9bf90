"""Decode a video once, from the first frame to the last: frames by their number, upright, RGB.

The number of a frame is its place in the order of presentation, counted from 0 over all packets, as `probe` counts
them: a frame that cannot be decoded leaves a gap and shifts no other. Decoders are C libraries and files may be
hostile: call this in a child process (`etholake.child_module`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.video import container_of

__all__ = ["DecodedFrame", "Decoder", "sample_gray"]

Pixels = npt.NDArray[np.uint8]
MAX_SIDE = 16_384  # of a frame, in pixels: a header may claim any size
_FIRST_FRAMES = 1000


@dataclass(frozen=True)
class DecodedFrame:
    """One frame, not yet converted: its number, and the library's own object.

    `reformatters` convert to colour and to small gray pictures; they are shared by all frames of a video, since
    each sets up its tables anew for another size.
    """

    number: int
    picture: Any
    rotation: int
    reformatters: tuple[Any, Any]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, upright."""
        width, height = int(self.picture.width), int(self.picture.height)
        return (height, width) if self.rotation % 180 else (width, height)

    def rgb(self) -> Pixels:
        """Return the pixels, uint8 [H, W, 3], upright."""
        return _turned(self.reformatters[0].reformat(self.picture, format="rgb24").to_ndarray(), self.rotation)

    def gray(self, width: int) -> Pixels:
        """Return a small gray picture, uint8 [h, w], upright, whose longer side is about `width` pixels."""
        share = min(1.0, width / max(self.picture.width, self.picture.height))
        size = {"width": max(2, round(self.picture.width * share)),
                "height": max(2, round(self.picture.height * share))}  # fmt: skip
        small = self.reformatters[1].reformat(self.picture, **size, format="gray")
        return _turned(small.to_ndarray(), self.rotation)


@dataclass
class Decoder:
    """The frames of one file. After the iteration, `unreadable` has the numbers of those that did not decode."""

    path: Path
    frames: int = 0
    fps: Fraction = Fraction(0)
    width: int = 0
    height: int = 0
    unreadable: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[DecodedFrame]:
        """Yield every frame that decodes, in the order of presentation.

        Raises
        ------
        DataError
            The file is no video, has no frame, or frames larger than `MAX_SIDE`.
        """
        with _opened(self.path) as file:
            stamps = _stamps(file)
        with _opened(self.path) as file:
            yield from self._decode(file, stamps)

    def _decode(self, file: Any, stamps: list[int]) -> Iterator[DecodedFrame]:
        stream = file.streams.video[0]
        stream.codec_context.thread_count = 1  # one video one task: tasks run beside each other
        self.frames = len(stamps)
        self.fps = Fraction(stream.average_rate or stream.guessed_rate or 0)
        number_of = {stamp: number for number, stamp in enumerate(stamps)}
        if len(number_of) < len(stamps):  # frames without times of their own: they are counted as they come
            number_of = {}
        expected, reformatters = 0, _reformatters()
        for picture in _pictures(file, stream):
            if max(picture.width, picture.height) > MAX_SIDE:
                raise DataError(f"{self.path}: frames of {picture.width} x {picture.height} px are too large.")
            rotation = int(picture.rotation or 0) % 360
            size = (picture.height, picture.width) if rotation % 180 else (picture.width, picture.height)
            if not self.width:
                self.width, self.height = size
            number = number_of.get(picture.pts, expected) if number_of else expected
            if number < expected:
                continue  # a damaged file repeats a time
            if size != (self.width, self.height):
                raise DataError(
                    f"{self.path}: frame {number} is {size[0]} x {size[1]} px, those before {self.width} x "
                    f"{self.height}. Convert it to a video of one size."
                )
            self.unreadable += range(expected, number)
            expected = number + 1
            yield DecodedFrame(number, picture, rotation, reformatters)
        if not expected:
            raise DataError(f"{self.path}: none of its frames can be decoded. Convert it to mp4 again.")
        self.unreadable += range(expected, self.frames)
        self.frames = max(self.frames, expected)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a video with the demuxer of its signature, never with one that FFmpeg guesses, and no other protocol.

    Raises DataError for a file that is none, and for whatever the library says within the block.
    """
    import av

    container = container_of(path)
    if container is None:
        raise DataError(f"{path}: has the signature of no mp4, mov, avi or mkv video. Convert it to mp4.")
    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(str(path), format=container, options={"protocol_whitelist": "file"}) as file:
            if not file.streams.video:
                cut_off = "" if file.streams.audio else ", and no sound either: was it cut off?"
                raise DataError(f"{path}: has no video stream{cut_off or '.'}")
            if file.streams.video[0].codec_context is None:
                raise DataError(
                    f"{path}: cannot be decoded: its codec is not known, or the file was cut off. Convert it to "
                    "mp4 (H.264)."
                )
            yield file
    except (av.FFmpegError, ValueError) as err:
        raise DataError(f"{path}: cannot be decoded ({' '.join(str(err).split())[:200]}).") from err


def sample_gray(path: Path, count: int, width: int) -> list[Pixels]:
    """Return about `count` small gray pictures [h, w] from all over a video, as `DecodedFrame.gray` makes them.

    Key frames only, since they decode alone; where there are too few (less than a quarter of `count`), frames
    that are evenly spaced over the first `_FIRST_FRAMES`, which are then decoded twice.
    """
    pictures: list[Pixels] = []
    reformatters = _reformatters()
    with _opened(path) as file:
        stream: Any = file.streams.video[0]
        keys = [packet.pts for packet in file.demux(stream) if packet.size and packet.is_keyframe]
        if len(keys) >= count // 4:
            stream.codec_context.skip_frame = "NONKEY"
            stream.codec_context.thread_count = 1
            for stamp in keys[:: -(-len(keys) // count)]:
                if stamp is not None:
                    file.seek(stamp, stream=stream)
                    picture: Any = next(_pictures(file, stream), None)
                    if picture is not None:
                        rotation = int(picture.rotation or 0) % 360
                        pictures.append(DecodedFrame(0, picture, rotation, reformatters).gray(width))
    if len(pictures) >= count // 4:
        return pictures
    decoder = Decoder(path)
    frames = iter(decoder)
    pictures = []
    for frame in frames:
        if frame.number % max(1, min(decoder.frames, _FIRST_FRAMES) // count) == 0:
            pictures.append(frame.gray(width))
        if frame.number >= _FIRST_FRAMES or len(pictures) > count:
            break
    return pictures


def _reformatters() -> tuple[Any, Any]:
    from av.video.reformatter import VideoReformatter

    return VideoReformatter(), VideoReformatter()


def _stamps(file: Any) -> list[int]:
    """Return the times of all packets of the first video stream, sorted; equal zeros where there are none."""
    packets = (packet for packet in file.demux(file.streams.video[0]) if packet.size)
    return sorted(packet.pts if packet.pts is not None else packet.dts or 0 for packet in packets)


def _pictures(file: Any, stream: Any) -> Iterator[Any]:
    """Yield what decodes; a damaged packet is passed over."""
    import av

    for packet in file.demux(stream):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _turned(pixels: Pixels, rotation: int) -> Pixels:
    """Return the picture turned by `rotation` degrees counter-clockwise, as players show it."""
    return np.ascontiguousarray(np.rot90(pixels, rotation // 90)) if rotation else pixels
