"""A Parquet file of a few kB may unpack to any number of rows: readers of a person's files take what fits."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake import storage
from etholake.curate import work
from etholake.curate.quarantine import BadFileError
from etholake.curate.rawzone import RawObject
from etholake.curate.units import Unit
from etholake.errors import DataError
from etholake.formats.base import ReadOptions
from etholake.formats.pose.mabe2025 import FORMAT


def write(path: Path, rows: int, name: str = "nose") -> Path:
    part = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([name]))
    numbers = pa.array(range(rows), pa.int32())
    ones = pa.array([1] * rows, pa.int8())
    columns = {"video_frame": numbers, "mouse_id": ones, "bodypart": part, "x": ones.cast(pa.float32())}
    pq.write_table(pa.table({**columns, "y": columns["x"]}), path)
    return path


def test_values_are_counted_before_they_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "1.parquet", 100)
    assert storage.read_rows(path, ["x", "bodypart"], 100).num_rows == 100
    with pytest.raises(DataError, match="has 100 values in the column 'x', but at most 99 are read"):
        storage.read_rows(path, ["x"], 99)
    pq.write_table(pa.table({"x": pa.array([[1] * 1000])}), path)  # one row
    with pytest.raises(DataError, match=r"has 1,000 values in the column 'x.list.element'"):
        storage.read_rows(path, None, 99)


def test_a_name_of_a_megabyte_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has a text of 1,000,000 bytes in the column 'bodypart'"):
        storage.read_rows(write(tmp_path / "1.parquet", 9, "n" * 1_000_000))


def test_the_import_and_the_curation_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bucket").mkdir()
    path = write(tmp_path / "bucket" / "1.parquet", 100)
    [recording] = FORMAT.read(path, ReadOptions())
    assert recording.xyz.shape == (100, 1, 1, 2)
    monkeypatch.setattr(storage.read_rows, "__defaults__", (None, 99))
    with pytest.raises(DataError, match=r"1\.parquet: has 100 values in the column 'video_frame'"):
        next(FORMAT.read(path, ReadOptions()))
    monkeypatch.setattr(work, "MAX_POINTS", 99)
    monkeypatch.setenv(storage.MOUNT, str(tmp_path))
    raw = RawObject("1.parquet", path.stat().st_size, "", "train", "tracking", "lab", 1)
    with pytest.raises(BadFileError, match="has 100 rows, but at most 99 are read") as error:
        work._open(raw, Unit("train", "lab", "x", (raw,), {}), "bucket", ())
    assert (error.value.rule, error.value.rows) == ("file-too-long", 100)
