"""Boxes from a file: csv or json, one row a box: frame, animal, x0, y0, x1, y1 and, optionally, confidence."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError, raise_collected
from etholake.video.decode import DecodedFrame

__all__ = ["TableBoxes", "read_boxes"]

Floats = npt.NDArray[np.float32]
COLUMNS = ("frame", "animal", "x0", "y0", "x1", "y1")
_SHOWN = 5


@dataclass(frozen=True)
class TableBoxes:
    """Boxes [T, M, 4] in pixels of the frame, NaN where the file has none."""

    boxes_TM4: Floats
    animals: tuple[int, ...]
    name: str = "file"

    def boxes(self, frame: DecodedFrame) -> Floats:
        """Return the boxes of a frame; NaN beyond the file's last frame."""
        if frame.number >= len(self.boxes_TM4):
            return np.full((len(self.animals), 4), np.nan, np.float32)
        row: Floats = self.boxes_TM4[frame.number]
        return row


def read_boxes(path: Path, min_confidence: float = 0.0) -> TableBoxes:
    """Read a file of boxes; boxes below `min_confidence` count as missing.

    Raises
    ------
    DataError
        The file cannot be read, lacks a column, or has rows that are no boxes (they are named).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows: Iterable[Mapping[str, Any]]
        rows = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("expected a list of objects")
    except (OSError, ValueError, csv.Error) as err:
        raise DataError(f"{path}: is no table of boxes ({err}). Expected csv or json with {COLUMNS}.") from err
    if rows and (missing := [name for name in COLUMNS if name not in rows[0]]):
        raise DataError(f"{path}: lacks the columns {missing}; it has {sorted(rows[0])}.")
    boxes: dict[tuple[int, int], list[float]] = {}
    problems = []
    for number, row in enumerate(rows):
        try:
            frame, animal = int(row["frame"]), int(row["animal"])
            box = [float(row[name]) for name in COLUMNS[2:]]
            confidence = float(row.get("confidence") or 1)
            whole = all(math.isfinite(value) for value in box) and box[0] < box[2] and box[1] < box[3]
            if not whole or frame < 0 or not 0 < animal < 128 or frame >= 2**31:
                raise ValueError("expected x0 < x1, y0 < y1, frame >= 0 and animal 1..127")
        except (KeyError, TypeError, ValueError) as err:
            problems.append(f"row {number + 1}: {err}")
            continue
        if confidence >= min_confidence:
            boxes[frame, animal] = box
    if len(problems) > _SHOWN:
        problems = [*problems[:_SHOWN], f"… and {len(problems) - _SHOWN} more"]
    raise_collected(DataError, f"{path} has rows that are no boxes", problems)
    animals = tuple(sorted({animal for _, animal in boxes}))
    frames = max((frame for frame, _ in boxes), default=-1) + 1
    if frames * max(len(animals), 1) > 200_000_000:
        raise DataError(f"{path}: names frame {frames - 1}; no video is that long. Correct its frame numbers.")
    array = np.full((frames, len(animals), 4), np.nan, np.float32)
    for (frame, animal), box in boxes.items():
        array[frame, animals.index(animal)] = box
    return TableBoxes(array, animals)
