"""Synthetic labs whose behaviour can be read off by hand: mouse 1 chases mouse 2, or both rest apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from etholake.contract import ACTIONS, UNIFIED_PARTS
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.events.types import Event

LABELED = ((1, 1, "rest"), (1, 2, "attack"), (1, 2, "chase"))
BOUT = 40  # frames of a chase, then of a rest, in turn
BODY = {"nose": (4, 0), "ear_left": (3, 1), "ear_right": (3, -1), "neck": (2, 0),
        "body_center": (0, 0), "side_left": (0, 1), "side_right": (0, -1), "tail_base": (-4, 0)}  # fmt: skip
SMALL = {"window": 32, "step": 16, "width": 32, "convs": 2, "encoders": 1, "heads": 2, "epochs": 3,
         "warmup_epochs": 0.5, "batch": 16, "batches_per_epoch": 12, "lr": 3e-3, "dropout": 0.0}  # fmt: skip


def video(
    video_id: int, lab_id: str = "Lab", frames: int = 400, labeled_behaviors: Sequence[Any] = LABELED
) -> LabelledVideo:
    """Circles at 20 cm/s, mouse 1 behind mouse 2, while they chase; otherwise both sit still, 25 cm apart."""
    random = np.random.default_rng(video_id)
    chasing = (np.arange(frames) // BOUT) % 2 == 0
    angle = random.uniform(0, 6) + np.cumsum(np.where(chasing, 20 / 15 / 30, 0.0))
    lag = np.where(chasing, 0.4, 2.0)  # rad on a circle of radius 15 cm
    animals = []
    for behind in (lag, 0 * lag):
        at = angle - behind
        heading = at + np.pi / 2
        centre = 15 * np.stack([np.cos(at), np.sin(at)], axis=1)
        turn = np.stack([np.cos(heading), np.sin(heading), -np.sin(heading), np.cos(heading)], axis=1)
        body = np.array([BODY[part] for part in UNIFIED_PARTS]) @ turn.reshape(frames, 2, 2)
        animals.append(centre[:, None] + body)
    xy = (np.stack(animals, axis=1) + random.normal(0, 0.05, (frames, 2, 8, 2))).astype(np.float32)
    meta = VideoMeta(video_id, lab_id, 30.0, 10.0, labeled_behaviors=tuple(labeled_behaviors))
    tracks = PoseTracks(meta, xy, np.isfinite(xy[..., 0]), (1, 2), 0, frames)
    events = []
    for start in range(0, frames, BOUT):
        agent, target, action = (1, 2, "chase") if chasing[start] else (1, 1, "rest")
        events.append(Event(video_id, agent, target, action, start, min(start + BOUT, frames)))
    return LabelledVideo(tracks, tuple(events))


def training_data(videos: Sequence[LabelledVideo]) -> TrainingData:
    return TrainingData(tuple(videos), ACTIONS, "fingerprint")
