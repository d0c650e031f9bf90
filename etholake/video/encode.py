"""Write mp4 files: H.264 through PyAV, deterministic, each file atomically."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError

__all__ = ["FrameWriter", "video_writer"]


class FrameWriter:
    """An open video file; `write` takes one frame after the other."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container, self._stream = container, stream
        self.frames = 0

    def write(self, frame: npt.NDArray[np.uint8]) -> None:
        """Append a frame: uint8 [H, W] gray or [H, W, 3] RGB, of the size of the file."""
        import av

        picture = av.VideoFrame.from_ndarray(frame, format="gray" if frame.ndim == 2 else "rgb24")
        picture.pts = self.frames
        self.frames += 1
        self._container.mux(self._stream.encode(picture))


@contextlib.contextmanager
def video_writer(
    path: Path,
    fps: float,
    width: int,
    height: int,
    *,
    crf: int = 23,
    preset: str = "veryfast",
    keyframe_every: int = 250,
    title: str = "",
) -> Iterator[FrameWriter]:
    """Open an mp4 for writing within the block; it appears under its name when the block has ended well.

    Parameters
    ----------
    fps
        Frames per second; kept exactly for the usual rates (30000/1001) up to six digits.
    width, height
        In pixels; both even, since H.264's colour planes have half the resolution.
    crf
        Quality of x264: 18 is nearly lossless, 23 usual, 30 visibly compressed.
    keyframe_every
        Frames between key frames at most.
    title
        Text for the file's metadata.

    Raises
    ------
    DataError
        A side is odd or not positive.
    """
    import av

    if width < 2 or height < 2 or width % 2 or height % 2:
        raise DataError(f"{path}: a video must have even sides of 2 px or more, but got {width} x {height}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    rate = Fraction(fps).limit_denominator(1_000_000)
    try:
        with av.open(str(partial), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
            container.metadata.update({"title": title} if title else {})
            # One thread: the bytes then do not depend on the machine.
            options = {"crf": str(crf), "preset": preset, "threads": "1"}
            stream: Any = container.add_stream("libx264", rate=rate, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.gop_size = keyframe_every
            stream.time_base = stream.codec_context.time_base = 1 / rate
            writer = FrameWriter(container, stream)
            yield writer
            container.mux(stream.encode(None))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
