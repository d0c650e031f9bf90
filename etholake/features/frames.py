"""Pixels as the input of a network: crops of the animal, or of the pair, and its key points in the crop.

Nothing is computed or scaled here: a video network normalises its frames itself. The frames are those of the video
that are nearest to 30 Hz.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.clip_batch import ClipBatch
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.windows import MouseTracks, Tracks, Window, gather, gather_by_mouse
from etholake.errors import DataError
from etholake.features.encoder import WindowEncoder
from etholake.video.stored_clips import CropFrames, Subject

__all__ = ["AGENT_FRAMES", "PAIR_FRAMES", "PAWS", "PAW_FRAMES", "FrameEncoder"]


class FrameEncoder(WindowEncoder):
    """Crops of the agent alone, or (`joint`) of agent and target where the behavior has a target.

    `parts` are the agent's key points that a window brings, where they are tracked. A joint crop looks the same
    for both directions of a pair: only key points tell agent and target apart.
    """

    names = ()
    version = 1
    reads_clips = True

    def __init__(self, name: str, *, joint: bool, parts: Sequence[str] = UNIFIED_PARTS) -> None:
        self.name, self.joint, self.parts = name, joint, tuple(parts)

    def gather(self, windows: Sequence[Window], length: int) -> Tracks:
        """Copy tracks and crops of windows out of their videos. Raises DataError for a video without clips."""
        return replace(gather(windows, length), clips=self._clips(windows, length))

    def gather_by_mouse(self, windows: Sequence[Window], length: int) -> MouseTracks:
        """Copy tracks and crops as `gather`."""
        return replace(gather_by_mouse(windows, length), clips=self._clips(windows, length))

    def __call__(self, windows: Tracks | MouseTracks) -> ClipBatch:
        """Return the crops of the windows."""
        assert windows.clips is not None
        return windows.clips

    def notes(self, tracks: PoseTracks, pairs: Iterable[tuple[int, int]]) -> list[str]:
        """Return a sentence for each animal or pair that some frames do not show."""
        notes = []
        for subject in dict.fromkeys(self._subject(*pair) for pair in pairs):
            assert tracks.clips is not None
            frames = np.arange(tracks.first_frame, tracks.first_frame + tracks.n_frames)
            if missing := int((~tracks.clips.seen(subject, frames)).sum()):
                named = " and ".join(f"mouse{animal}" for animal in subject if animal is not None)
                notes.append(f"no picture of {named} in {missing} of {len(frames)} frames: not predicted there")
        return notes

    def description(self) -> dict[str, Any]:
        """Return name, version, the key points, and whether crops are joint."""
        return {**super().description(), "parts": list(self.parts), "joint": self.joint}

    def _clips(self, windows: Sequence[Window], length: int) -> ClipBatch:
        crops = [self._crops(window, length) for window in windows]
        pixels, points, seen = (
            torch.from_numpy(np.stack([getattr(crop, name) for crop in crops]))
            for name in ("pixels", "keypoints", "seen")
        )
        return ClipBatch(pixels, points, seen, MODEL_FPS, self.parts)

    def _crops(self, window: Window, length: int) -> CropFrames:
        tracks = window.tracks
        if tracks.clips is None:
            raise DataError(f"Video {tracks.video_id} has no clips, and this model reads pixels.")
        subject = self._subject(*(tracks.mouse_ids[at] for at in (window.agent, window.target)))
        return tracks.clips.crops(subject, window.frame_numbers(length), self.parts)

    def _subject(self, agent_id: int, target_id: int) -> Subject:
        return agent_id, target_id if self.joint and agent_id != target_id else None


PAWS = ("mouth", "left_fore_paw", "right_fore_paw", "left_hind_paw", "right_hind_paw", "tail_base")  # from below
AGENT_FRAMES = FrameEncoder("frames", joint=False)
PAIR_FRAMES = FrameEncoder("joint_frames", joint=True)
PAW_FRAMES = FrameEncoder("paw_frames", joint=False, parts=PAWS)
