"""Read SBeA's three-dimensional tracks (mat): `coords3d` is (frame, animal · part · xyz), `name3d` the names.

The layout is that of SBeA's published code; no file of it was at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.pose.mat import read_mat, variable_names
from etholake.formats.pose.points import make_recording
from etholake.formats.reading import quiet, reading

__all__ = ["FORMAT", "PARTS", "Sbea"]

PARTS = (
    "nose", "left_ear", "right_ear", "neck", "left_front_limb", "right_front_limb", "left_hind_limb",
    "right_hind_limb", "left_front_claw", "right_front_claw", "left_hind_claw", "right_hind_claw", "back",
    "root_tail", "mid_tail", "tip_tail",
)  # fmt: skip


class Sbea(PoseFormat):
    """A file of three-dimensional tracks of SBeA."""

    name = "sbea_mat"
    title = "SBeA 3D"
    suffixes = (".mat",)

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has the variable coords3d."""
        return Detection(1.0, "it has the variable 'coords3d'") if "coords3d" in variable_names(path) else None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the tracks of the recording."""
        with reading(path, self.title):
            values = read_mat(path, ("coords3d", "name3d"))
            coordinates = values.get("coords3d")
            if (
                not isinstance(coordinates, np.ndarray)
                or coordinates.ndim != 2
                or coordinates.dtype.kind not in "iuf"
            ):
                raise DataError(f"{path}: 'coords3d' is no table of numbers.")
            width = 3 * len(PARTS)
            A = coordinates.shape[1] // width
            if coordinates.shape[1] != A * width or not A:
                raise DataError(
                    f"{path}: 'coords3d' has {coordinates.shape[1]} columns, expected {width} (16 parts, x, y, z) "
                    "for each animal."
                )
            names = values.get("name3d")
            names = [names] if isinstance(names, str) else names or []
            animals = [str(name).strip(" \0") for name in names] if len(names) == A else []
            yield make_recording(
                path,
                re.sub(r"-(id3d|raw3d|rot3d)$", "", path.stem),
                np.arange(len(coordinates)),
                coordinates.reshape(len(coordinates), A, len(PARTS), 3),
                animals or [f"animal{number + 1}" for number in range(A)],
                PARTS,
                remarks=[
                    Remark("assumed", "millimetres, and the 16 body parts of the published order", path),
                    *(
                        []
                        if animals
                        else [Remark("assumed", "the animals have no names: they are numbered", path)]
                    ),
                ],
                unit="mm",
            )


FORMAT = Sbea()
