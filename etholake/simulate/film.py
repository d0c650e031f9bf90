"""Film a simulated video: the mp4 in `videos/`; boxes, points and events without noise in `truth/`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.formats.layout import tracking_path
from etholake.simulate import layout
from etholake.simulate.camera import Camera
from etholake.simulate.motion import SimulatedEvent
from etholake.simulate.render import PARTS, boxes, render
from etholake.video.encode import video_writer

__all__ = ["BOX_COLUMNS", "Filming", "film"]

BOX_COLUMNS = ("frame", "animal", "x0", "y0", "x1", "y1", "confidence")


@dataclass(frozen=True)
class Filming:
    """Size of the picture's longer side in pixels, and the camera: one of `CAMERAS`, or `mixed` (one a lab)."""

    size: int = 256
    camera: str = "mixed"


def film(
    out: Path,
    lab: str,
    video_id: int,
    pixels_TMP2: npt.NDArray[np.float32],
    events: Sequence[SimulatedEvent],
    camera: Camera,
    fps: float,
    random: np.random.Generator,
) -> None:
    """Write one video and its truth. `pixels_TMP2` are the parts `render.PARTS` in pixels, without noise."""
    truth = out / "truth"
    everywhere = np.ones(pixels_TMP2.shape[:3], bool)
    layout.write_tracking(tracking_path(truth, "all", lab, video_id), pixels_TMP2, everywhere, PARTS)
    _write_boxes(truth / "boxes" / lab / f"{video_id}.csv", boxes(pixels_TMP2))
    layout.write_annotation(truth / "all_annotation" / lab / f"{video_id}.parquet", events)
    with video_writer(
        out / "videos" / lab / f"{video_id}.mp4",
        fps,
        camera.width_px,
        camera.height_px,
        preset="superfast",
        keyframe_every=camera.keyframe_every,
        title=f"SIMULATED by etholake simulate: {lab} {video_id}",
    ) as writer:
        for frame in render(pixels_TMP2, camera, random):
            writer.write(frame)


def _write_boxes(path: Path, boxes_TM4: npt.NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(BOX_COLUMNS)
        for frame, boxes_M4 in enumerate(boxes_TM4):
            writer.writerows(
                [frame, animal + 1, *(f"{value:.2f}" for value in box), 1] for animal, box in enumerate(boxes_M4)
            )
