"""Read movement's netCDF files: a dataset of poses that xarray wrote.

netCDF 4 is HDF5, so it is read with h5py. Dimensions are named in the singular or plural (`keypoint`,
`keypoints`); the unit of time stands in the attribute `time_unit`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.hdf5 import attribute, node, open_hdf5, read, strings, text
from etholake.formats.pose.points import make_recording
from etholake.formats.reading import file_name, quiet, reading

if TYPE_CHECKING:
    import h5py

__all__ = ["FORMAT", "Movement"]

WANTED = ("time", "individual", "keypoint", "space")
CLASSIC = b"CDF"


class Movement(PoseFormat):
    """A netCDF file of movement."""

    name = "movement_netcdf"
    title = "movement netCDF"
    suffixes = (".nc", ".nc4", ".netcdf")

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has positions over time, individuals and keypoints."""
        with path.open("rb") as stream:
            if stream.read(3) == CLASSIC:
                return Detection(0.5, "it is a netCDF file of the classic format")
        with open_hdf5(path) as file:
            if node(file, "position") is not None and {"time", "individual", "keypoint"} <= set(
                _dims(file, "position")
            ):
                return Detection(1.0, "it has the variable 'position' over time, individuals and keypoints")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the tracks of the file."""
        with path.open("rb") as stream:
            if stream.read(3) == CLASSIC:
                raise DataError(
                    f"{path}: is a netCDF file of the classic format, which is not read. "
                    'Save it with `ds.to_netcdf(path, engine="h5netcdf")`.'
                )
        with reading(path, self.title), open_hdf5(path) as file:
            dims = _dims(file, "position")
            xyz = _ordered(path, file, "position", WANTED)
            names = {}
            for dim in ("individual", "keypoint", "space"):
                scale = next((name for name in (f"{dim}s", dim) if node(file, name) is not None), None)
                names[dim] = strings(file, scale) if scale else ()
            if "space" in dims and names["space"] not in (("x", "y"), ("x", "y", "z")):
                raise DataError(f"{path}: the axes of 'space' are {names['space']}, expected x, y or x, y, z.")
            likelihood = None
            if node(file, "confidence") is not None:
                likelihood = _ordered(path, file, "confidence", WANTED[:3])
            frames, fps, remarks = _clock(path, file, len(xyz))
            source = text(attribute(file, "source_file") or "")
            yield make_recording(
                path,
                path.stem,
                frames,
                xyz,
                names["individual"] or tuple(f"id_{number}" for number in range(xyz.shape[1])),
                names["keypoint"] or tuple(f"keypoint_{number}" for number in range(xyz.shape[2])),
                likelihood=likelihood,
                remarks=[
                    *remarks,
                    *([Remark("note", f"made by movement from {file_name(source)}", path)] if source else []),
                ],
                fps=fps,
            )


def _dims(file: h5py.File, name: str) -> tuple[str, ...]:
    """Return the dimensions' names of a variable, in the singular."""
    dataset = node(file, name)
    names = []
    for dim in dataset.dims:  # type: ignore[union-attr]
        scale = dim[0].name.rsplit("/", 1)[-1] if len(dim) else dim.label
        names.append(scale.removesuffix("s") if scale not in ("space",) else scale)
    return tuple(names)


def _ordered(path: Path, file: h5py.File, name: str, wanted: tuple[str, ...]) -> npt.NDArray[Any]:
    array, dims = read(file, name), _dims(file, name)
    if sorted(dims) != sorted(wanted):
        raise DataError(f"{path}: '{name}' has the dimensions {dims}, expected {wanted}.")
    return array.transpose([dims.index(dim) for dim in wanted])


def _clock(path: Path, file: h5py.File, count: int) -> tuple[npt.NDArray[np.int64], float | None, list[Remark]]:
    """Return frame numbers and frames per second: `time` is in frames or, with `fps`, in seconds."""
    times = (
        read(file, "time").astype(np.float64) if node(file, "time") is not None else np.arange(count, dtype=float)
    )
    if times.shape != (count,) or not np.isfinite(times).all():
        raise DataError(f"{path}: 'time' {times.shape} does not fit {count} frames.")
    fps = attribute(file, "fps")
    rate = float(np.asarray(fps).reshape(-1)[0]) if fps is not None and str(fps) != "None" else float("nan")
    if text(attribute(file, "time_unit") or "frames") != "seconds":
        return np.rint(times).astype(np.int64), rate if rate > 0 and math.isfinite(rate) else None, []
    if rate > 0 and math.isfinite(rate):
        return np.rint(times * rate).astype(np.int64), rate, []
    steps = np.diff(times)
    if not len(steps) or steps.min() <= 0:
        raise DataError(f"{path}: has seconds but no 'fps', and its times do not increase.")
    rate = float((count - 1) / (times[-1] - times[0]))
    note = Remark("assumed", f"there is no 'fps': {rate:.3f} frames a second follow from the times", path)
    return np.rint((times - times[0]) * rate).astype(np.int64), rate, [note]


FORMAT = Movement()
