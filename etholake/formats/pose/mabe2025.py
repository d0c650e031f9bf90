"""Read the tracks of MABe 2025: Parquet with a row a point (video_frame, mouse_id, bodypart, x, y).

Rows may be missing and in any order. Etholake's own raw layout adds `z` and `likelihood`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.parquet as pq

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions
from etholake.formats.pose.points import make_recording
from etholake.formats.reading import quiet, reading
from etholake.storage import read_rows

__all__ = ["FORMAT", "Mabe2025"]

COLUMNS = ("video_frame", "mouse_id", "bodypart", "x", "y")
OPTIONAL = ("z", "likelihood")
MAX_CELLS = 1 << 30


class Mabe2025(PoseFormat):
    """A tracking file of MABe 2025."""

    name = "mabe2025_parquet"
    title = "MABe 2025 tracks"
    suffixes = (".parquet",)

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the columns are those of the competition's tracks."""
        if set(COLUMNS) <= set(pq.read_schema(path).names):
            return Detection(1.0, f"its columns are {', '.join(COLUMNS)}")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the tracks of the video, whose name is that of the file."""
        with reading(path, self.title):
            schema = pq.read_schema(path).names
            lacking = [name for name in COLUMNS if name not in schema]
            if lacking:
                raise DataError(f"{path}: lacks the columns {', '.join(lacking)}.")
            extra = [name for name in OPTIONAL if name in schema]
            table = read_rows(path, [*COLUMNS, *extra]).combine_chunks()
            if any(table.column(name).null_count for name in COLUMNS[:3]):
                raise DataError(f"{path}: a row has no video_frame, mouse_id or bodypart.")
            frame = table.column("video_frame").to_numpy()
            if len(frame) and (frame.dtype.kind not in "iu" or frame.min() < 0):
                raise DataError(f"{path}: video_frame holds values that are no frame numbers from 0.")
            mice, animal = _codes(table.column("mouse_id"), ordered=True)
            parts, part = _codes(table.column("bodypart"), ordered=False)
            frames, at = np.unique(frame.astype(np.int64), return_inverse=True)
            shape = (len(frames), len(mice), len(parts))
            if int(np.prod(shape, dtype=object)) * 3 > MAX_CELLS:
                raise DataError(f"{path}: {shape} frames, animals and parts are more than one recording can hold.")
            flat = np.ravel_multi_index((at, animal, part), shape) if len(frame) else at
            present = np.bincount(flat, minlength=int(np.prod(shape)))
            if len(present) and present.max() > 1:
                raise DataError(f"{path}: {int((present > 1).sum())} points have several rows.")
            axes = ["x", "y", *(["z"] if "z" in extra else [])]
            xyz = np.full((len(present), len(axes)), np.nan, np.float32)
            for number, axis in enumerate(axes):
                xyz[flat, number] = table.column(axis).to_numpy(zero_copy_only=False)
            likelihood = None
            if "likelihood" in extra:
                likelihood = np.full(len(present), np.nan, np.float32)
                likelihood[flat] = table.column("likelihood").to_numpy(zero_copy_only=False)
            yield make_recording(
                path,
                path.stem,
                frames,
                xyz.reshape(*shape, len(axes)),
                mice,
                parts,
                likelihood=likelihood.reshape(shape) if likelihood is not None else None,
                missing={"no row": (present == 0).reshape(shape)},
            )


def _codes(column: pa.ChunkedArray, *, ordered: bool) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the names and the code of each row; in the order of the values, else of their first row."""
    coded = pa.types.is_dictionary(column.type)
    encoded = (column if coded else pac.dictionary_encode(column)).combine_chunks() if column.num_chunks else None
    if encoded is None or not len(column):
        return [], np.empty(0, np.int64)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().chunk(0)
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
    if ordered:
        order = sorted(range(len(names)), key=lambda at: names[at])
        rank = np.empty(len(names), np.int64)
        rank[order] = np.arange(len(names))
        names, codes = [names[at] for at in order], rank[codes]
    return [str(name) for name in names], codes


FORMAT = Mabe2025()
