"""Read LEAP's labels (mat): one animal, `positions` as (part, xy, labelled frame)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.pose.mat import read_mat, variable_names
from etholake.formats.pose.points import make_recording
from etholake.formats.reading import file_name, quiet, reading

__all__ = ["FORMAT", "Leap"]


class Leap(PoseFormat):
    """A label file of LEAP."""

    name = "leap_mat"
    title = "LEAP labels"
    suffixes = (".mat",)

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has the variables positions and skeleton."""
        if {"positions", "skeleton", "boxPath"} <= set(variable_names(path)):
            return Detection(1.0, "it has the variables 'positions', 'skeleton' and 'boxPath'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the labelled frames of the box file."""
        with reading(path, self.title):
            values = read_mat(path, ("positions", "skeleton", "boxPath"))
            positions, skeleton = values.get("positions"), values.get("skeleton")
            if not isinstance(positions, np.ndarray) or not isinstance(skeleton, dict):
                raise DataError(f"{path}: the variables 'positions' and 'skeleton' are no array and no struct.")
            nodes = skeleton.get("nodes")
            parts = [str(item) for item in nodes] if isinstance(nodes, list) else []
            if positions.ndim != 3 or positions.shape[:2] != (len(parts), 2):
                raise DataError(f"{path}: positions {positions.shape} do not fit the {len(parts)} nodes.")
            xyz = positions.transpose(2, 0, 1)[:, None]
            labelled = np.isfinite(xyz).any(axis=(1, 2, 3))
            box = file_name(str(values.get("boxPath") or ""))
            yield make_recording(
                path,
                box.rsplit(".", 1)[0] or path.stem,
                np.flatnonzero(labelled),
                xyz[labelled],
                ["animal"],
                parts,
                otherwise="not labelled",
                remarks=[
                    Remark("note", f"{int((~labelled).sum())} images without a label hold no points", path),
                    Remark("assumed", "the images of the box file are numbered as they lie in it, from 0", path),
                ],
                video=box or None,
            )


FORMAT = Leap()
