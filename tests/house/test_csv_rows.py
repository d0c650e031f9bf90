"""Every csv that a user hands in is read in one way: what cannot be told for certain is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etholake.contract import number_of, whole_number_of
from etholake.csv_rows import open_rows
from etholake.dataset.values import read_values
from etholake.errors import DataError
from etholake.events.submission import read_as_official, read_csv
from etholake.stages.lake.ingest import list_folder
from etholake.stages.model.evaluate import read_truth
from etholake.stages.model.impute import tracking_files
from etholake.stages.video_names import videos_of_folder
from etholake.video.boxes.table import read_boxes

METADATA = "lab_id,video_id,frames_per_second,video_duration_sec,behaviors_labeled"


def folder_with(path: Path) -> Path:
    (path.parent / "train.csv").write_bytes(path.read_bytes())
    return path.parent


# Reader -> columns that it needs, and one good row.
READERS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "submission": (
        read_csv, "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame", "0,1,mouse1,self,rear,0,9",
    ),
    "as official": (
        read_as_official, "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame",
        "0,1,mouse1,self,rear,0,9",
    ),
    "values": (read_values, "video_id,name,value", "1,sex,male"),
    "boxes": (read_boxes, "frame,animal,x0,y0,x1,y1", "0,1,2,3,4,5"),
    "truth": (lambda path: read_truth(folder_with(path)), METADATA, "A,1,30,2,[]"),
    "names": (lambda path: videos_of_folder(folder_with(path)), METADATA, "A,1,30,2,[]"),
    "tracks": (lambda path: tracking_files(folder_with(path), ()), METADATA, "A,1,30,2,[]"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*READERS, "ingest"])
def test_a_header_that_names_a_column_twice_is_refused_by_every_reader(name: str, tmp_path: Path) -> None:
    ingest = (lambda path: list_folder(folder_with(path)), METADATA, "A,1,30,2,[]")
    read, header, row = READERS.get(name, ingest)
    twice = header.split(",")[1]
    path = tmp_path / "given.csv"
    path.write_text(f"{header},{twice}\n{row},7\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"the header names {twice} more than once"):
        read(path)


@pytest.mark.parametrize("name", READERS)
def test_a_row_with_a_cell_too_many_is_refused_by_every_reader(name: str, tmp_path: Path) -> None:
    read, header, row = READERS[name]
    path = tmp_path / "given.csv"
    path.write_text(f"{header}\n{row}\n{row},7\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"line 3 has {header.count(',') + 2} cells.*a comma too many"):
        read(path)
    for end, commas in ((",", "a comma"), (", ,", "2 commas")):
        path.write_text(f"{header}\n{row}\n{row}{end}\n", encoding="utf-8")
        with pytest.raises(DataError, match=f"line 3 has .* cells.* The row ends with {commas} too many"):
            read(path)


@pytest.mark.parametrize("name", [name for name in READERS if name != "tracks"])
def test_marks_quotes_line_ends_and_blank_lines_change_nothing(name: str, tmp_path: Path) -> None:
    read, header, row = READERS[name]
    path = tmp_path / "given.csv"
    quoted = ",".join(f'"{cell}"' for cell in header.split(","))
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")
    plain = read(path)
    path.write_bytes(f"\ufeff{quoted}\r\n{row}\r\n\r\n   \r\n\r\n".encode())
    assert repr(read(path)) == repr(plain)


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"a;b\n1;2\n", "separated by semicolons: separate them by commas"),
        (b"a\tb\n1\t2\n", "separated by tabs: separate them by commas"),
        (b"A, b\n1,2\n", "Rename 'A' to 'a', ' b' to 'b'"),
        ("a,b\n1,2\n".encode("utf-16"), "Save it as UTF-8"),
    ],
)
def test_a_header_that_does_not_fit_names_the_remedy(content: bytes, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / "given.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=remedy), open_rows(path, "a table", ("a", "b")):
        pass


@pytest.mark.parametrize("value", [True, 1.5, "1_0", "1e3", "\u0661", "", None, [1], 2**63, float("nan"), "0x10"])
def test_what_is_no_whole_number(value: object) -> None:
    assert whole_number_of(value) is None


@pytest.mark.parametrize("value", [True, "1_0", "29,97", "nan", "inf", "", None, [1], 10**400, float("inf")])
def test_what_is_no_number(value: object) -> None:
    assert number_of(value) is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1_0,1,2,3,4,5", "'frame': '1_0'"), ("0.5,1,2,3,4,5", "'frame': '0.5'"),
        ("0,1,2_0,3,40,5", "'x0': '2_0'"),
        ("0,1,2,3,4,nan", "'y1': 'nan'"), ("0,1,2,3,4,5\n0,1,2,3,4,6", "an earlier row has the box of animal 1"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_box_is_named(row: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(f"frame,animal,x0,y0,x1,y1\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        read_boxes(path)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"frame": 1}', '[{"frame": 0.5}]', '[{"frame": true}]'])
def test_json_that_is_no_table_of_boxes(content: str, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"no table of boxes|no boxes"):
        read_boxes(path)
