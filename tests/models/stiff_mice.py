"""Stiff mice that walk as one says, and labelled videos in which one chases the other or rests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.events.types import Event

LABELED = ((1, 1, "rest"), (1, 2, "chase"), (2, 1, "chase"))
BOUT = 60  # frames
BODY = {"nose": (4, 0), "ear_left": (3, 1), "ear_right": (3, -1), "neck": (2, 0), "body_center": (0, 0),
        "side_left": (0, 1), "side_right": (0, -1), "tail_base": (-4, 0)}  # fmt: skip


def body(centre_T2: NDArray[np.float64], heading_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """The parts of a stiff mouse [T, K, 2]."""
    parts = np.array([BODY[part] for part in UNIFIED_PARTS])
    c, s = np.cos(heading_T), np.sin(heading_T)
    turn = np.stack([np.stack([c, s], axis=1), np.stack([-s, c], axis=1)], axis=1)
    return centre_T2[:, None] + parts @ turn


def tracks_of(
    *mice: NDArray[np.float64], video: int = 1, lab: str = "north", fps: float = 30.0, frames: int = 0
) -> PoseTracks:
    xy = np.stack(mice, axis=1).astype(np.float32)
    meta = VideoMeta(video, lab, fps, 10.0, labeled_behaviors=LABELED)
    return PoseTracks(meta, xy, np.isfinite(xy[..., 0]), tuple(range(1, len(mice) + 1)), 0, frames or len(xy))


def video(number: int, lab: str = "north", n: int = 1200) -> LabelledVideo:
    """In turn mouse 1 runs 10 cm behind mouse 2 on a circle, or rests while mouse 2 runs alone."""
    random = np.random.default_rng(number)
    chasing = (np.arange(n) // BOUT) % 2 == 0
    angle = random.uniform(0, 6) + np.arange(n) * 0.04
    lag = np.where(chasing, 0.6, 0.0)
    still = angle[np.maximum.accumulate(np.where(chasing, np.arange(n), 0))] - 0.6
    animals = []
    for at in (np.where(chasing, angle - lag, still), angle):
        centre = 15 * np.stack([np.cos(at), np.sin(at)], axis=1)
        animals.append(body(centre, at + np.pi / 2) + random.normal(0, 0.05, (n, len(UNIFIED_PARTS), 2)))
    animals[0][random.random((n, len(UNIFIED_PARTS))) < 0.1] = np.nan
    events = [
        Event(number, 1, 2 if chasing[s] else 1, "chase" if chasing[s] else "rest", s, min(s + BOUT, n))
        for s in range(0, n, BOUT)
    ]
    return LabelledVideo(tracks_of(*animals, video=number, lab=lab), tuple(events))
