"""Read DeepLabCut's h5 files: the same tables as its csv files, under any key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions
from etholake.formats.hdf5 import CompressionError, open_hdf5
from etholake.formats.pose.deeplabcut_columns import index_columns, recordings
from etholake.formats.pose.pandas_hdf import HdfTable, last_level, read_table, table_keys
from etholake.formats.reading import quiet, reading

if TYPE_CHECKING:
    import h5py

__all__ = ["FORMAT", "DeepLabCutH5"]

LEVELS = {
    4: ("scorer", "individuals", "bodyparts", "coords"),
    3: ("scorer", "bodyparts", "coords"),
    2: ("bodyparts", "coords"),
}


class DeepLabCutH5(PoseFormat):
    """An h5 file of DeepLabCut."""

    name = "deeplabcut_h5"
    title = "DeepLabCut h5"
    suffixes = (".h5", ".hdf5", ".hdf")

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if a pandas table has columns of body parts and coordinates."""
        with open_hdf5(path) as file:
            keys = _track_keys(file)
            if not keys:
                return None
            return Detection(1.0, f"the pandas table {', '.join(keys[:5])} has columns x and y")

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield the tracks of a video, or the labelled images of each video folder.

        Of several tables each is a video of its own, whose name ends with the table's.
        """
        with reading(path, self.title), open_hdf5(path) as file:
            keys = _track_keys(file)
            if not keys:
                raise DataError(f"{path}: no table of it has columns x and y.")
            for key in keys:
                ending = f"_{key.replace('/', '_')}" if len(keys) > 1 else ""
                for recording in _recordings(path, read_table(file, key), options):
                    yield replace(recording, name=recording.name + ending)


def _track_keys(file: h5py.File) -> list[str]:
    """Return the keys of the tables that have columns x and y on the last of their levels.

    A table whose labels cannot be unpacked is among them, so that its reading says why.
    """
    keys = []
    for key in table_keys(file):
        try:
            is_wanted = {"x", "y"} <= set(last_level(file, key))
        except CompressionError:
            is_wanted = True
        except DataError:  # a table of another kind
            is_wanted = False
        if is_wanted:
            keys.append(key)
    return keys


def _recordings(path: Path, table: HdfTable, options: ReadOptions) -> Iterator[PoseRecording]:
    names = _levels(path, table)
    places = {name: names.index(name) for name in names}
    columns = [
        (
            column[places["individuals"]] if "individuals" in places else "",
            column[places["bodyparts"]],
            column[places["coords"]],
        )
        for column in table.columns
    ]
    scorer = table.columns[0][places["scorer"]] if "scorer" in places else ""
    where = index_columns(path, columns, options)
    yield from recordings(path, where, table.values, table.index, scorer)


def _levels(path: Path, table: HdfTable) -> tuple[str, ...]:
    depth = len(table.columns[0]) if table.columns else 0
    if depth not in LEVELS or any(len(column) != depth for column in table.columns):
        raise DataError(f"{path}: a DeepLabCut table has 2, 3 or 4 levels of columns, but this one has {depth}.")
    names = tuple({"bodypart": "bodyparts", "individual": "individuals"}.get(name, name) for name in table.levels)
    return names if {"bodyparts", "coords"} <= set(names) and len(names) == depth else LEVELS[depth]


FORMAT = DeepLabCutH5()
