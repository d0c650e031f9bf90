"""Packed text tables, and DeepLabCut headers that went through pandas or a spreadsheet."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from pose_reading import only, point, read  # type: ignore[import-not-found]

from etholake.errors import DataError
from etholake.formats.pose import number_table
from etholake.formats.registry import detect

BODY = "coords,x,y,x,y\n0,1,2,3,4\n1,5,6,7,8\n"
PLAIN = "scorer,s,s,s,s\nindividuals,a,a,b,b\nbodyparts,nose,nose,nose,nose\n" + BODY


def _names(path: Path) -> list[str]:
    return [item.name for item, _ in detect(path)]


def test_a_packed_table_is_read_as_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode()))
    assert "deeplabcut_csv" in _names(path)
    recording = only("deeplabcut_csv", path)
    assert recording.name == "clip"
    assert point(recording, 1, "b", "nose") == [7, 8]


def test_a_truncated_packed_table_is_detected_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode())[:-8])
    assert "deeplabcut_csv" in _names(path)
    with pytest.raises(DataError, match=r"clip\.csv\.gz"):
        read("deeplabcut_csv", path)


def test_a_packed_table_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode()))
    monkeypatch.setattr(number_table, "MAX_UNPACKED_BYTES", 50)
    with pytest.raises(DataError, match="unpacks to more than"):
        read("deeplabcut_csv", path)


@pytest.mark.parametrize(
    "header",
    [
        "Unnamed: 0_level_0,s,s,s,s\n,a,a,b,b\n,nose,nose,nose,nose\n",
        "scorer,s,,,\nindividuals,a,,b,\nbodyparts,nose,,,\n",
        ",a,a,b,b\n,nose,nose,nose,nose\n",
        "scorer,s,s,s,s\nproject,p,p,p,p\nindividuals,a,a,b,b\nbodyparts,nose,nose,nose,nose\n",
    ],
)
@pytest.mark.parametrize("index_name", ["", "frame,,,,\n"])
def test_a_repaired_header_reads_as_the_plain_one(header: str, index_name: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    coords, rows = BODY.split("\n", 1)
    path.write_text(header + coords + "\n" + index_name + rows)
    assert "deeplabcut_csv" in _names(path)
    recording = only("deeplabcut_csv", path)
    assert recording.animals == ("a", "b")
    assert point(recording, 0, "b", "nose") == [3, 4]


def test_the_only_animal_is_not_taken_as_the_scorer(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text(",s,s,s,s\n,ind1,ind1,ind1,ind1\n,nose,nose,tail,tail\n,x,y,x,y\n0,1,2,3,4\n")
    assert only("deeplabcut_csv", path).animals == ("ind1",)


def test_a_named_row_that_tells_columns_apart_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text("scorer,s,s,s,s\ncamera,1,1,2,2\nbodyparts,nose,nose,nose,nose\n" + BODY)
    with pytest.raises(DataError, match="camera"):
        read("deeplabcut_csv", path)


@pytest.mark.parametrize("text", ["Trial 1\nt,x,y\n0,1,2\n", "who,m,m\ntime,x,y\n0,1,2\n"])
def test_another_table_of_x_and_y_is_not_deeplabcut(text: str, tmp_path: Path) -> None:
    path = tmp_path / "track.csv"
    path.write_text(text)
    assert "deeplabcut_csv" not in _names(path)
