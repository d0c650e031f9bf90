"""Boxes from a file: csv or json, one row a box: frame, animal, x0, y0, x1, y1 and, optionally, confidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.contract import number_of, whole_number_of
from etholake.csv_rows import open_rows
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
    rows = _rows(path)
    boxes: dict[tuple[int, int], list[float]] = {}
    problems = []
    for number, row in enumerate(rows):
        try:
            frame, animal, box, confidence = _box(row)
        except ValueError as err:
            problems.append(f"row {number + 1}: {err}")
            continue
        if confidence < min_confidence:
            continue
        if (frame, animal) in boxes:
            problems.append(f"row {number + 1}: an earlier row has the box of animal {animal} in frame {frame}")
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


def _rows(path: Path) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a file of boxes. Raises DataError if it is none."""
    if path.suffix.lower() != ".json":
        with open_rows(path, "a table of boxes", COLUMNS) as rows:
            return list(rows)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
            raise ValueError("expected a list of objects")
    except (OSError, ValueError, RecursionError) as err:
        raise DataError(f"{path}: is no table of boxes ({err}). Expected csv or json with {COLUMNS}.") from err
    return content


def _box(row: Mapping[str, Any]) -> tuple[int, int, list[float], float]:
    """Return frame, animal, corners and confidence (1 where there is none) of a row. Raises ValueError."""
    frame, animal = (whole_number_of(row.get(name)) for name in ("frame", "animal"))
    corners = [number_of(row.get(name)) for name in COLUMNS[2:]]
    box = [corner for corner in corners if corner is not None]
    given = row.get("confidence")
    confidence = 1.0 if given in (None, "") else number_of(given)
    if frame is None or animal is None or len(box) < len(corners) or confidence is None:
        raise ValueError(f"expected numbers, and whole ones for frame and animal, but got {dict(row)}")
    if not 0 <= frame < 2**31 or not 0 < animal < 128 or box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError("expected x0 < x1, y0 < y1, frame >= 0 and animal 1..127")
    return frame, animal, box, confidence
