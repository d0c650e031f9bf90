"""Define a clip window: what `prepare_clips` writes and what every video model reads.

T frames of one window, H = W = `crop_size` pixels, K key points. A crop is square; its pixels are those of the
frame between `crop_xyxy`, resized. A point (x, y) of the frame lies in the crop at
``(x - crop_x0) * crop_size / (crop_x1 - crop_x0)``. Frames count from 0 on the video's own clock.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.contract import UNIFIED_PART_SOURCES
from etholake.errors import ContractError, DataError, raise_collected

__all__ = [
    "TARGET_PREFIX",
    "ClipWindow",
    "WindowIndex",
    "load_window",
    "save_window",
    "to_crop",
    "unified_keypoints",
]

TARGET_PREFIX = "target_"  # before the parts of the second animal of a pair, which follow those of the first
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WindowIndex:
    """One row of the table `clips`: where a window comes from and how it was cropped.

    `target_id` is None for a window of one animal. A window with a target shows both animals in one joint crop.
    `last_frame` is the last frame of the window (inclusive). `crop_size` (pixels of the written crop) and
    `pad_ratio` (border around a box, as a share of its longer side) are part of a model and must be the same at
    inference. `box_source` is pose, background, onnx, ultralytics or file. `frames_missing` counts the frames in
    which the animal was not found: their boxes are NaN, and their crop is that of the last box.
    """

    video_id: int
    lab_id: str
    agent_id: int
    target_id: int | None
    first_frame: int
    last_frame: int
    fps: float
    crop_size: int
    pad_ratio: float
    box_source: str
    frames_missing: int = 0

    @property
    def key(self) -> str:
        """The name of the window: unique within a set of clips, safe as a file name."""
        animals = f"{self.agent_id}" if self.target_id is None else f"{self.agent_id}-{self.target_id}"
        return f"{self.video_id}_{animals}_{self.first_frame:08d}"


@dataclass(frozen=True)
class ClipWindow:
    """One window with its pixels.

    Attributes
    ----------
    frames
        uint8 [T, H, W, 3], RGB; a gray video has three equal channels.
    keypoints
        float32 [T, K, 3]: x and y in pixels of the crop, confidence 0..1; x and y are NaN where a point is missing
        (its confidence is then 0). A point may lie outside the crop. K = 0 for a video without pose.
    bbox_xyxy
        float32 [T, 4]: the animal's box (of a pair: around both) in pixels of the frame, NaN if it was not found.
    crop_xyxy
        float32 [T, 4]: the square that was cut out, in pixels of the frame; it may reach over the frame's edge.
    parts
        K names of body parts as the lab tracks them; those of a target begin with `TARGET_PREFIX`.
    """

    index: WindowIndex
    frames: npt.NDArray[np.uint8]
    keypoints: Floats
    bbox_xyxy: Floats
    crop_xyxy: Floats
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ContractError that names every array of another shape or type than the contract's."""
        length, size = self.index.last_frame - self.index.first_frame + 1, self.index.crop_size
        expected: Mapping[str, tuple[Any, tuple[int, ...]]] = {
            "frames": (np.uint8, (length, size, size, 3)),
            "keypoints": (np.float32, (length, len(self.parts), 3)),
            "bbox_xyxy": (np.float32, (length, 4)),
            "crop_xyxy": (np.float32, (length, 4)),
        }
        problems = [
            f"{name} must be {np.dtype(dtype)} {list(shape)}, but is {array.dtype} {list(array.shape)}"
            for name, (dtype, shape) in expected.items()
            if (array := getattr(self, name)).dtype != dtype or array.shape != shape
        ]
        raise_collected(ContractError, f"Window {self.index.key} does not keep to the contract", problems)

    @property
    def has_pose(self) -> bool:
        """True if any key point of the window was seen."""
        return bool(np.isfinite(self.keypoints[..., :2]).any())


def to_crop(points: Floats, crop_xyxy: Floats, crop_size: int) -> Floats:
    """Return points [T, K, 2] of the frame as points of the crop, in pixels; `crop_xyxy` is [T, 4]. NaN stays."""
    side = (crop_xyxy[:, 2] - crop_xyxy[:, 0])[:, None, None]
    scaled: Floats = ((points - crop_xyxy[:, None, :2]) * np.float32(crop_size) / side).astype(np.float32)
    return scaled


def unified_keypoints(
    window: ClipWindow, names: Sequence[str], sources: Mapping[str, tuple[str, ...]] = UNIFIED_PART_SOURCES
) -> Floats:
    """Return key points [T, len(names), 3] in the order that a model wants, whatever parts the lab tracks.

    A name is a part of the lab or a unified part (`etholake.contract.UNIFIED_PARTS`), of the target with
    `TARGET_PREFIX`. The first source of a unified part that the window has is taken; none gives NaN, confidence 0.
    """
    chosen = np.full((len(window.frames), len(names), 3), np.nan, dtype=np.float32)
    chosen[..., 2] = 0
    column = {part: number for number, part in enumerate(window.parts)}
    for number, name in enumerate(names):
        prefix = TARGET_PREFIX if name.startswith(TARGET_PREFIX) else ""
        part = name.removeprefix(prefix)
        at = next((column[prefix + s] for s in (part, *sources.get(part, ())) if prefix + s in column), None)
        if at is not None:
            chosen[:, number] = window.keypoints[:, at]
    return chosen


def save_window(path: Path, window: ClipWindow) -> None:
    """Write a window as one `.npz` without pickle: the arrays, `parts`, `keypoints_raw` and the index as JSON.

    `keypoints_raw` [T, K, 3] are the key points in pixels of the frame.
    """
    raw = window.keypoints.copy()
    side = (window.crop_xyxy[:, 2] - window.crop_xyxy[:, 0])[:, None, None]
    raw[..., :2] = raw[..., :2] * side / window.index.crop_size + window.crop_xyxy[:, None, :2]
    np.savez_compressed(
        path,
        frames=window.frames,
        keypoints=window.keypoints,
        keypoints_raw=raw,
        bbox_xyxy=window.bbox_xyxy,
        crop_xyxy=window.crop_xyxy,
        parts=np.array(window.parts, dtype=np.str_),
        index=np.array(json.dumps(asdict(window.index))),
    )


def load_window(path: Path) -> ClipWindow:
    """Read a window that `save_window` wrote.

    Raises
    ------
    DataError
        The file is damaged or lacks an array or a value of the index.
    ContractError
        An array has another shape or type than its index says.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = json.loads(str(file["index"]))
            index = WindowIndex(**{field.name: values[field.name] for field in fields(WindowIndex)})
            arrays = {name: file[name] for name in ("frames", "keypoints", "bbox_xyxy", "crop_xyxy")}
            parts = tuple(str(part) for part in file["parts"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as err:
        raise DataError(f"{path}: is no whole clip window ({err}). Prepare the clips again.") from err
    return ClipWindow(index, parts=parts, **arrays)
