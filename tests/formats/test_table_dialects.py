"""One table, written as the spreadsheets of several countries save it, is read to the same values.

Each text twin of a format is written anew: semicolons and decimal commas, tabs, byte-order marks, UTF-16, CRLF,
Excel's line `sep=;`. Values of the twins themselves are checked by hand in the tests of their readers.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import label_twins
import numpy as np
import pose_twins  # type: ignore[import-not-found]
import pytest
from pose_reading import only, point  # type: ignore[import-not-found]

from etholake.formats.base import LabelRecording, PoseRecording, ReadOptions
from etholake.formats.dialect import delimiter_of, dialect_of
from etholake.formats.registry import FORMATS, detect

LABELS = ("boris_old", "boris_aggregated", "simba", "deepethogram", "prediction", "interval_csv", "framewise_csv",
          "framewise_names", "boris_new", "ethovision_raw")  # fmt: skip
POSES = ("dlc_csv", "dlc_single_csv", "sleap_csv", "simba", "simba_imported", "pair_r24m", "ethovision_txt")


def table_text(rows: list[list[str]], delimiter: str, *, decimal_comma: bool) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    for row in rows:
        cells = [re.sub(r"^(-?\d+)\.(\d+)$", r"\1,\2", cell) if decimal_comma else cell for cell in row]
        writer.writerow(cells)
    return stream.getvalue()


DIALECTS: dict[str, Callable[[list[list[str]]], bytes]] = {
    "Excel of Germany": lambda rows: (
        table_text(rows, ";", decimal_comma=True).replace("\n", "\r\n").encode("cp1252")
    ),
    "Excel with its separator": lambda rows: ("sep=;\n" + table_text(rows, ";", decimal_comma=True)).encode(),
    "UTF-8 with a mark": lambda rows: table_text(rows, ",", decimal_comma=False).encode("utf-8-sig"),
    "UTF-16 with tabs": lambda rows: table_text(rows, "\t", decimal_comma=True).encode("utf-16"),
}


def rewritten(path: Path, dialect: str) -> Path:
    own = dialect_of(path)
    text = path.read_bytes().decode(own.encoding)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=own.delimiter))
    path.write_bytes(DIALECTS[dialect](rows))
    return path


def pose_values(recording: PoseRecording) -> tuple[object, ...]:
    likelihood = (
        None if recording.likelihood is None else np.round(np.nan_to_num(recording.likelihood, nan=-1), 5).tolist()
    )
    xyz = np.nan_to_num(recording.xyz, nan=-1).tolist()
    return recording.name, recording.animals, recording.parts, recording.frames.tolist(), xyz, likelihood


def label_values(recording: LabelRecording) -> tuple[object, ...]:
    bouts = [(b.action, b.start, b.stop, b.agent, b.target, b.modifiers, b.point) for b in recording.bouts]
    return recording.name, recording.fps, recording.frame_count, recording.scored, recording.vocabulary, bouts


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("twin", POSES)
def test_tracks_are_the_same_in_every_dialect(twin: str, dialect: str, tmp_path: Path) -> None:
    name, write = pose_twins.TWINS[twin]
    path = write(tmp_path)
    plain = pose_values(only(name, path))
    assert name in [item.name for item, _ in detect(rewritten(path, dialect))]
    assert pose_values(only(name, path)) == plain


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("twin", LABELS)
def test_labels_are_the_same_in_every_dialect(twin: str, dialect: str, tmp_path: Path) -> None:
    name, write = label_twins.TWINS[twin]
    path = write(tmp_path)
    item = FORMATS.get(name)
    plain = [label_values(recording) for recording in item.read(path, ReadOptions())]
    assert name in [recognised.name for recognised, _ in detect(rewritten(path, dialect))]
    assert [label_values(recording) for recording in item.read(path, ReadOptions())] == plain


def test_names_of_windows_1252_are_not_mangled(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_bytes("scorer;s;s\nbodyparts;Nasenlöcher;Nasenlöcher\ncoords;x;y\n0;1,5;2,25\n".encode("cp1252"))
    assert point(only("deeplabcut_csv", path), 0, "animal", "Nasenlöcher") == [1.5, 2.25]


def test_a_decimal_comma_far_below_the_head_is_read(tmp_path: Path) -> None:
    """The first rows hold whole numbers only, so that the beginning does not tell the decimal mark."""
    path = tmp_path / "clip.csv"
    rows = [f"{t};10;20" for t in range(60)] + ["60;10,5;20"]
    path.write_text("\n".join(["scorer;s;s", "bodyparts;nose;nose", "coords;x;y", *rows]) + "\n")
    assert dialect_of(path).decimal == "."
    assert point(only("deeplabcut_csv", path), 60, "animal", "nose") == [10.5, 20]


def test_the_delimiter_is_what_most_lines_have() -> None:
    """Cells with decimal commas hold more commas than semicolons; a text cell may hold a semicolon."""
    assert delimiter_of("a;b\n1,5;2,5\n3,5;4,5\n") == ";"
    assert delimiter_of('a,b\n1,"x;y;z;w"\n2,c\n') == ","
