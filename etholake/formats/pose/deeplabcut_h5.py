"""Read DeepLabCut's h5 files: the same tables as its csv files, under any key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etholake.errors import DataError, suggestion
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions
from etholake.formats.hdf5 import open_hdf5
from etholake.formats.pose.deeplabcut_columns import index_columns, recordings
from etholake.formats.pose.pandas_hdf import HdfTable, last_level, read_table, table_keys
from etholake.formats.reading import quiet, reading

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
            keys = [key for key in table_keys(file) if {"x", "y"} <= set(last_level(file, key))]
            if not keys:
                return None
            return Detection(1.0, f"the pandas table {', '.join(keys[:5])} has columns x and y")

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield the tracks of a video, or the labelled images of each video folder."""
        with reading(path, self.title), open_hdf5(path) as file:
            table = read_table(file, _key(path, table_keys(file), options.key))
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


def _key(path: Path, keys: list[str], wanted: str | None) -> str:
    if wanted is not None and wanted.strip("/") in keys:
        return wanted.strip("/")
    if wanted is not None:
        raise DataError(f"{path}: has no table '{wanted}'. {suggestion(wanted, keys)}")
    if len(keys) != 1:
        listing = ", ".join(keys) or "none"
        raise DataError(f"{path}: expected one table, but got {len(keys)}: {listing}. Name one of them as `key`.")
    return keys[0]


def _levels(path: Path, table: HdfTable) -> tuple[str, ...]:
    depth = len(table.columns[0]) if table.columns else 0
    if depth not in LEVELS or any(len(column) != depth for column in table.columns):
        raise DataError(f"{path}: a DeepLabCut table has 2, 3 or 4 levels of columns, but this one has {depth}.")
    names = tuple({"bodypart": "bodyparts", "individual": "individuals"}.get(name, name) for name in table.levels)
    return names if {"bodyparts", "coords"} <= set(names) and len(names) == depth else LEVELS[depth]


FORMAT = DeepLabCutH5()
