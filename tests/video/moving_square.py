"""Videos that tests can check by hand: a white square walks over a gray floor, one pixel to the right a frame."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SIDE = 12


def picture(
    number: int, width: int = 96, height: int = 64, squares: tuple[tuple[int, int], ...] = ((10, 20),)
) -> Any:
    """Squares of SIDE px; the i-th begins at (x, y) and walks to the right."""
    frame = np.full((height, width, 3), 90, np.uint8)
    for x, y in squares:
        frame[y : y + SIDE, x + number : x + number + SIDE] = 235
    return frame


def write(
    path: Path,
    frames: int = 40,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    size: tuple[int, int] = (96, 64),
    squares: tuple[tuple[int, int], ...] = ((10, 20),),
    times_ms: list[int] | None = None,
    gop: int = 12,
    container: str | None = None,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.gop_size = gop
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size, squares), format="rgb24")
            frame = frame.reformat(format=pixels)
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))
    return path


def turned(path: Path) -> Path:
    """Set the rotation of an mp4's track header to a quarter turn, as a phone does."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def unknown_codec(path: Path) -> Path:
    """Name a codec in an mp4 that no library knows."""
    path.write_bytes(write(path).read_bytes().replace(b"avc1", b"xyz1"))
    return path
