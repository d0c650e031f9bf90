"""Read SLEAP's analysis files (`.analysis.h5`): dense tracks of one video.

The order of the dimensions stands in the attribute `dims` of newer files; older ones are (track, xy, node, frame).
`track_occupancy` is (frame, track) in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.dialect import own_name
from etholake.formats.hdf5 import attribute, node, open_hdf5, read, strings, text
from etholake.formats.pose.points import make_recording
from etholake.formats.reading import file_name, quiet, reading, video_stem

if TYPE_CHECKING:
    import h5py

__all__ = ["FORMAT", "SleapAnalysis", "analysis_video"]

ORDER = ("track", "xy", "node", "frame")  # of files without `dims`
WANTED = ("frame", "track", "node", "xy")


class SleapAnalysis(PoseFormat):
    """An analysis file of SLEAP."""

    name = "sleap_analysis"
    title = "SLEAP analysis h5"
    suffixes = (".h5", ".hdf5")

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has SLEAP's dense tracks."""
        with open_hdf5(path) as file:
            if all(node(file, name) is not None for name in ("tracks", "track_occupancy", "node_names")):
                return Detection(1.0, "it has the datasets 'tracks', 'track_occupancy' and 'node_names'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the tracks of the video."""
        with reading(path, self.title), open_hdf5(path) as file:
            xyz = _ordered(path, file, "tracks", ORDER, WANTED)
            N, A, P, D = xyz.shape
            parts, names = strings(file, "node_names"), strings(file, "track_names")
            if D != 2 or len(parts) != P or len(names) not in (0, A):
                raise DataError(
                    f"{path}: tracks of {A} animals, {P} nodes and {D} coordinates do not fit {len(names)} track "
                    f"names and {len(parts)} node names."
                )
            animals = names or tuple(f"track_{number}" for number in range(A))
            occupied = np.asarray(
                _ordered(path, file, "track_occupancy", ("frame", "track"), ("frame", "track")) != 0
            )
            likelihood = None
            if node(file, "point_scores") is not None:
                likelihood = _ordered(path, file, "point_scores", ("track", "node", "frame"), WANTED[:3])
            if occupied.shape != (N, A) or (likelihood is not None and likelihood.shape != (N, A, P)):
                raise DataError(f"{path}: 'track_occupancy' or 'point_scores' have other lengths than 'tracks'.")
            source = "".join(strings(file, "video_path")[:1]) if node(file, "video_path") is not None else ""
            remarks = (
                [] if names or A < 2 else [Remark("assumed", "the tracks have no names: they are numbered", path)]
            )
            yield make_recording(
                path,
                video_stem(source, path) if source else analysis_video(path),
                np.arange(N),
                xyz,
                animals,
                parts,
                likelihood=likelihood,
                missing={
                    "no instance in the frame": ~occupied[..., None] & ~np.isfinite(xyz).all(-1),
                },
                remarks=remarks,
                video=file_name(source) or None,
            )


def _ordered(
    path: Path, file: h5py.File, name: str, order: tuple[str, ...], wanted: tuple[str, ...]
) -> npt.NDArray[Any]:
    """Return a dataset with its dimensions in the wanted order."""
    array = read(file, name)
    dims = _dims(attribute(node(file, name), "dims")) or order
    if sorted(dims) != sorted(wanted) or array.ndim != len(dims):
        raise DataError(f"{path}: '{name}' {array.shape} has the dimensions {dims}, expected {sorted(wanted)}.")
    return array.transpose([dims.index(dim) for dim in wanted])


def _dims(value: Any) -> tuple[str, ...]:
    """Return the names in `dims`: a JSON list, or an array of texts."""
    if value is None:
        return ()
    if isinstance(value, np.ndarray) and value.size > 1:
        return tuple(text(item).rstrip("s") for item in value.reshape(-1))
    names = text(value)
    items = json.loads(names) if names.startswith("[") else names.split(",")
    return tuple(str(item).strip().rstrip("s") for item in items)


def analysis_video(path: Path) -> str:
    """Return the video's name from `<labels>.<number>_<video>.analysis.<suffix>`, else that of the file."""
    stem = re.sub(r"\.analysis$", "", own_name(path), flags=re.IGNORECASE)
    match = re.fullmatch(r".+\.\d{3}_(.+)", stem)
    return match[1] if match else stem or path.name


FORMAT = SleapAnalysis()
