"""Remember the boxes of a video's animals while its windows pass, for pictures and measures after a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from etholake.video.prepare import VideoTracks
from etholake.video.windows import ClipWindow

__all__ = ["BOX_PARTS", "BoxLog"]

BOX_PARTS = ("box_upper_left", "box_lower_right")  # the points that stand for an animal without tracks


class BoxLog:
    """The boxes of the animals ``1 … animals`` on `frames` frames: 16 bytes an animal and frame.

    Windows of pairs are passed over: their boxes are those of two animals.
    """

    def __init__(self, frames: int, animals: int) -> None:
        self._boxes_TM4 = np.full((frames, animals, 4), np.nan, np.float32)

    def watched(self, windows: Iterable[ClipWindow]) -> Iterator[ClipWindow]:
        """Yield the windows as they come, after their boxes have been kept."""
        for window in windows:
            index = window.index
            if index.target_id is None and index.agent_id <= self._boxes_TM4.shape[1]:
                own_T4 = self._boxes_TM4[index.first_frame : index.last_frame + 1, index.agent_id - 1]
                own_T4[:] = window.bbox_xyxy[: len(own_T4)]
            yield window

    def tracks(self) -> VideoTracks | None:
        """Return two corners of each box as key points; None if no animal was found."""
        if not np.isfinite(self._boxes_TM4).any():
            return None
        frames, animals, _ = self._boxes_TM4.shape
        corners_TM22 = self._boxes_TM4.reshape(frames, animals, 2, 2)
        confidence = np.isfinite(corners_TM22[..., :1]).astype(np.float32)
        points = np.concatenate([corners_TM22, confidence], axis=-1)
        return VideoTracks(points, tuple(range(1, animals + 1)), BOX_PARTS)
