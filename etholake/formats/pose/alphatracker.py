"""Read AlphaTracker's annotation json: images with a box an animal, each followed by its points.

Points have no names in the file: they are numbered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.dialect import decoded_head
from etholake.formats.pose.calms21 import load_json
from etholake.formats.pose.points import make_recording
from etholake.formats.reading import reading

__all__ = ["FORMAT", "AlphaTracker"]

HEAD = re.compile(r'\s*\[\s*\{\s*"(annotations|class|filename)"\s*:')


class AlphaTracker(PoseFormat):
    """An annotation file of AlphaTracker (Sloth's json)."""

    name = "alphatracker_json"
    title = "AlphaTracker json"
    suffixes = (".json",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file is a list of images with boxes and points."""
        head = decoded_head(path, 1 << 16)
        if HEAD.match(head) and re.search(r'"class"\s*:\s*"(Face|point)"', head):
            return Detection(1.0, "it is a list of images with the classes 'Face' and 'point'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the labelled images as frames."""
        with reading(path, self.title):
            images = load_json(path)
            frames: dict[int, list[list[tuple[float, float]]]] = {}
            for number, image in enumerate(images):
                digits = re.search(r"(\d{1,15})\.\w+$", str(image["filename"]))
                frame = int(digits[1]) if digits else number
                if frame in frames:
                    raise DataError(f"{path}: two images have the frame number {frame}.")
                frames[frame] = _instances(path, image)
            lengths = {len(points) for instances in frames.values() for points in instances}
            if len(lengths) != 1:
                raise DataError(f"{path}: animals have different numbers of points: {sorted(lengths)}.")
            A, P = max(map(len, frames.values())), lengths.pop()
            order = sorted(frames)
            xyz = np.full((len(order), A, P, 2), np.nan, np.float32)
            for row, frame in enumerate(order):
                for animal, points in enumerate(frames[frame]):
                    xyz[row, animal] = points
            yield make_recording(
                path,
                path.stem,
                np.array(order),
                xyz,
                [f"instance{number + 1}" for number in range(A)],
                [f"point{number + 1}" for number in range(P)],
                otherwise="no instance in the frame",
                remarks=[
                    Remark("assumed", "the numbers in the images' names are the frames' numbers, from 0", path),
                    Remark(
                        "assumed", "the order of the boxes in an image is the animal, points are numbered", path
                    ),
                ],
            )


def _instances(path: Path, image: Mapping[str, Any]) -> list[list[tuple[float, float]]]:
    """Return the points of each animal of an image: those after its box."""
    instances: list[list[tuple[float, float]]] = []
    for item in image["annotations"]:
        if item["class"] == "Face":
            instances.append([])
        elif item["class"] == "point" and instances:
            instances[-1].append((float(item["x"]), float(item["y"])))
        else:
            raise DataError(f"{path}: '{image['filename']}' has a point before the box of its animal.")
    return instances


FORMAT = AlphaTracker()
