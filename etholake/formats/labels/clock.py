"""Turn labels in seconds into labels in frames.

A time becomes the frame `round(time * fps)`, start and stop alike: BORIS writes the stop of a state that excludes
another 0.001 s before the other's start, so that rounding down would lose a frame at each such border.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from etholake.errors import DataError
from etholake.formats.base import Bout, LabelRecording, Remark, ScoredSpan

__all__ = ["MAX_FRAMES", "in_frames"]

MAX_FRAMES = 2**31 - 1  # the contract's int


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
            "frames a second has: write fps into the mapping."
        )

    def frame(time: float) -> float:
        if recording.time_unit == "second":
            time = (time + recording.offset_s) * float(rate or 0)
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
    return replace(
        recording,
        bouts=tuple(bouts),
        time_unit="frame",
        fps=rate,
        offset_s=0.0,
        scored=None if recording.scored is None else tuple(_span(span, frame) for span in recording.scored),
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
