"""Look at a video file: frames per second, frames, size, codec, duration; compare its frames with a pose's.

Demuxers and decoders are large C libraries, and a file may be made to crash or to hang them: they run in a child
process (`video_child`) with limits of time and memory, which can take nothing but itself down.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from etholake import child_module
from etholake.contract import VIDEO_SUFFIXES
from etholake.errors import DataError

__all__ = ["CONTAINERS", "SUFFIXES", "FrameMap", "VideoInfo", "container_of", "frame_map", "probe"]

SUFFIXES = VIDEO_SUFFIXES
TIMEOUT_S = 120.0  # an hour of video takes about two seconds: packets are counted, not decoded
CONTAINERS = {"mov": "mp4 or mov", "avi": "avi", "matroska": "mkv or webm"}  # by the demuxer's name
_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


@dataclass(frozen=True)
class VideoInfo:
    """Content of a video file.

    Parameters
    ----------
    fps
        Frames per second as an exact fraction (30000/1001); the average if the rate varies.
    frames
        Number of frames, counted from the file's packets.
    declared_frames
        Number of frames that the container's header tells, None if it tells none.
    width, height
        Size in pixels as stored; `rotation` (degrees, counter-clockwise) is to be applied to it when shown.
    duration_s
        Time from the first frame to the end of the last one.
    start_s
        Time of the first frame.
    variable_rate
        Whether frames are unevenly spaced in time, beyond the rounding of the container's clock.
    pixel_format
        FFmpeg's name of how a pixel is stored: yuv420p, yuv420p10le (10 bits), gray, ….
    bits
        Bits a channel, of the channel that has most.
    keyframe_distance
        The most frames from one key frame to the next, or to the end: what a jump into the video may decode.
    """

    path: Path
    container: str
    codec: str
    fps: Fraction
    frames: int
    declared_frames: int | None
    width: int
    height: int
    rotation: int
    duration_s: float
    start_s: float
    variable_rate: bool
    bytes: int
    pixel_format: str = ""
    keyframe_distance: int = 0
    bits: int = 8

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height as players, OpenCV and with it DeepLabCut show the video."""
        return (self.height, self.width) if self.rotation % 180 else (self.width, self.height)


def container_of(path: Path) -> str | None:
    """Return the demuxer's name of a file from its first bytes, None if it is no video that is read here.

    The demuxer is chosen here and not by FFmpeg, which would take a text file for a playlist and open what it
    lists.
    """
    if not path.is_file():  # a named pipe would block its reader for ever
        return None
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    if head[4:8] in _ATOMS:
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    return "matroska" if head[:4] == b"\x1a\x45\xdf\xa3" else None


def probe(path: Path, timeout_s: float = TIMEOUT_S) -> VideoInfo:
    """Return what a video file holds; nothing is decoded but the first frame.

    Raises
    ------
    DataError
        If the file is no mp4, avi, mov or mkv, has no video, is damaged, or takes longer than `timeout_s`.
    """
    if not path.is_file():
        raise DataError(f"{path}: is no file. Name a video.")
    container = container_of(path)
    if container is None:
        raise DataError(
            f"{path}: is no mp4, mov, avi or mkv video: it has the signature of none. Convert it to mp4."
        )
    command = child_module.command("etholake.formats.video_child", container, str(path.resolve()))
    try:
        child = subprocess.run(
            command,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            text=True,
            errors="replace",
            env=child_module.environment(),
        )
    except subprocess.TimeoutExpired as err:
        raise DataError(
            f"{path}: was not read within {timeout_s:g} s. The file is damaged, or the disk is slow."
        ) from err
    try:
        answer = json.loads(child.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        end = f"signal {-child.returncode}" if child.returncode < 0 else f"status {child.returncode}"
        raise DataError(f"{path}: the video library ended with {end} on this file. The file is damaged.") from None
    if "error" in answer:
        raise DataError(
            f"{path}: cannot be read as {CONTAINERS[container]}: {answer['error']}. Convert it to mp4."
        )
    answer["fps"] = Fraction(*answer["fps"])
    return VideoInfo(path=path, container=container, bytes=path.stat().st_size, **answer)


@dataclass(frozen=True)
class FrameMap:
    """Relation of a pose's frame numbers to those of its video. Nothing is ever trimmed because of it.

    `kind` is "equal" (the same number of frames, or pose frames that all exist in the video), "off-by-one" (the
    lengths differ by one, as tools count differently), "offset" (they differ by more, or pose frames lie beyond
    the video's end) or "unknown" (the video's length is not known). `difference` is pose frames minus video
    frames.
    """

    kind: Literal["equal", "off-by-one", "offset", "unknown"]
    video_frames: int | None
    pose_frames: int
    difference: int | None
    text: str


def frame_map(video_frames: int | None, frames: npt.NDArray[np.int64]) -> FrameMap:
    """Return the map between a video of so many frames and a pose's frame numbers [N].

    A pose that has gaps or starts late is compared by its last frame number only.
    """
    length = int(frames[-1]) + 1 if len(frames) else 0
    if video_frames is None:
        return FrameMap("unknown", None, length, None, f"{length} pose frames; the video's length is not known")
    difference = length - video_frames
    counts = f"{length} pose frames, {video_frames} video frames"
    if len(frames) < length and difference <= 0:
        text = f"{len(frames)} pose frames between {frames[0]} and {frames[-1]}, {video_frames} video frames"
        return FrameMap("equal", video_frames, length, difference, text)
    if difference == 0:
        return FrameMap("equal", video_frames, length, 0, counts)
    if abs(difference) == 1:
        which = "pose" if difference > 0 else "video"
        return FrameMap("off-by-one", video_frames, length, difference, f"{counts}: the {which} is one longer")
    return FrameMap("offset", video_frames, length, difference, f"{counts}: they differ by {abs(difference)}")
