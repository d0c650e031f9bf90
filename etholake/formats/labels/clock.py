"""Turn labels in seconds into labels in frames.

A time becomes the frame `round(time * fps)`, start and stop alike: BORIS writes the stop of a state that excludes
another 0.001 s before the other's start, so that rounding down would lose a frame at each such border.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Bout, LabelRecording, Remark, ScoredSpan

__all__ = ["MAX_FRAMES", "in_frames", "sample_rate"]

MAX_FRAMES = 2**31 - 1  # the contract's int
_CLOCK_ERROR_S = 0.0011  # half a millisecond at either end, and binary rounding


def in_frames(recording: LabelRecording, fps: float | None = None) -> LabelRecording:
    """Return the recording with `time_unit` "frame": whole frame numbers from 0, half-open.

    Parameters
    ----------
    recording
        Labels in frames or seconds; `offset_s` is added to the latter.
    fps
        Frames per second of the video. Default: those of the recording.

    Returns
    -------
    LabelRecording
        Bouts that hold no frame (shorter than half a frame, or before the video) are left out with a remark; a
        bout without an end stops at `frame_count`.

    Raises
    ------
    DataError
        The labels are in seconds and nobody knows the fps; a bout lasts until the end of a video of unknown
        length; a time lies beyond the frame numbers that a table can hold.
    """
    rate = fps or recording.fps
    if recording.time_unit == "second" and not rate:
        raise DataError(
            f"The labels of '{recording.name}' are in seconds, and neither the file nor its video says how many "
            "frames a second has: give --fps, or fps in mapping.toml."
        )

    def frame(time: float) -> float:
        if recording.time_unit == "second":
            time = (time + recording.offset_s) * float(rate or 0)
        if time == -math.inf:
            return 0
        if math.isinf(time):
            if recording.frame_count is None:
                raise DataError(
                    f"A bout of '{recording.name}' lasts until the video's end, whose frame is unknown: give the "
                    "video, or leave such bouts out (--unpaired drop)."
                )
            return recording.frame_count
        if not abs(time) <= MAX_FRAMES:
            raise DataError(
                f"A time of '{recording.name}' is frame {time:g}; no video has more than {MAX_FRAMES}."
            )
        return round(time)

    bouts, empty = [], []
    for bout in recording.bouts:
        start = frame(bout.start)
        stop = start + 1 if bout.point else frame(bout.stop)
        if (start := max(start, 0)) < stop:
            bouts.append(replace(bout, start=start, stop=stop, point=False))
        else:
            empty.append(_empty(bout, recording))
    last = recording.observed[1]
    return replace(
        recording,
        bouts=tuple(bouts),
        time_unit="frame",
        fps=rate,
        offset_s=0.0,
        observed=(max(frame(recording.observed[0]), 0), None if last is None else frame(last)),
        scored=None if recording.scored is None else tuple(_span(span, frame) for span in recording.scored),
        unknown=tuple(_span(span, frame) for span in recording.unknown),
        remarks=(*recording.remarks, *empty),
    )


def _span(span: ScoredSpan, frame: Callable[[float], float]) -> ScoredSpan:
    return replace(span, start=max(frame(span.start), 0), stop=None if span.stop is None else frame(span.stop))


def _empty(bout: Bout, recording: LabelRecording) -> Remark:
    return Remark(
        "left-out",
        f"'{bout.action}' from {bout.start:g} to {bout.stop:g} {recording.time_unit}s of "
        f"'{recording.name}' covers "
        "no frame of the video",
        line=bout.line,
    )


def sample_rate(path: Path, times: npt.NDArray[np.float64]) -> float:
    """Return the samples per second of a clock that is rounded to milliseconds; samples may be missing.

    Raises DataError if the times do not increase, start before 0 or are unevenly spaced.
    """
    steps = np.diff(times)
    if len(times) < 2 or not (steps > 0).all() or times[0] < 0:
        raise DataError(f"{path}: expected at least two samples with increasing times from 0 on.")
    step = float(np.median(steps))
    span = times[-1] - times[0]
    raw = max(round(span / step), 1) / span  # of a clock without gaps: exact to 1 ms over its whole span
    for rate in (float(round(raw)), round(raw * 1.001) / 1.001, round(raw, 2), round(raw, 3), raw):
        if rate > 0 and np.abs(times - np.rint(times * rate) / rate).max() <= _CLOCK_ERROR_S:
            return rate
    raise DataError(
        f"{path}: the samples are not evenly spaced (median step {step:g} s), so that they have no frame rate."
    )
