"""Hostile and damaged label files end in DataError: never in another exception, a hang, or much memory."""

from __future__ import annotations

import gzip
import json
import random
import resource
import zipfile
from pathlib import Path

import label_twins as twins
import pytest

from etholake.errors import DataError
from etholake.formats.base import LabelFormat, ReadOptions
from etholake.formats.labels.clock import in_frames
from etholake.formats.labels.xlsx import read_sheets
from etholake.formats.registry import FORMATS

MUTATIONS = 60  # of each twin, all seeded
SHEET = "xl/worksheets/sheet1.xml"
NUMBERS = (b"99999999999999999999", b"-1", b"1e308", b"nan", b"-", b"1e999", b"0x10", b"0" * 5000)


def read(name: str, path: Path) -> None:
    """Detect and read; what is read must have frames that a table can hold."""
    item = FORMATS.get(name)
    item.detect(path)
    assert isinstance(item, LabelFormat)
    for recording in item.read(path, ReadOptions(unpaired="drop")):
        assert "/" not in recording.name
        in_frames(recording, 30)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes cut, with bytes changed, a piece repeated, or a number replaced by one of `NUMBERS`."""
    kind = chance.randrange(4)
    at = chance.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    if kind == 2:
        return data[:at] + data[at : at + 200] * 20 + data[at:]
    digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()] or [at]
    where = chance.choice(digits)
    return data[:where] + chance.choice(NUMBERS) + data[where + 1 :]


def test_damaged_and_endless_compressed_projects_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(twins.boris(tmp_path).read_bytes())
    path = tmp_path / "project.boris.gz"
    for damaged in (packed[:-12], packed[:40], b"no gzip", packed[:60] + b"\0" * 40 + packed[100:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"project\.boris\.gz: cannot be read"):
            list(FORMATS.get("boris_project").read(path, ReadOptions()))  # type: ignore[call-arg]
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(129):
            stream.write(b" " * 2**20)
    with pytest.raises(DataError, match="at most 134,217,728 bytes was expected, but it is larger"):
        list(FORMATS.get("boris_project").read(path, ReadOptions()))  # type: ignore[call-arg]


@pytest.mark.parametrize("twin", twins.TWINS)
def test_mutations_are_read_or_refused(twin: str, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    path = write(tmp_path)
    data = path.read_bytes()
    refused = 0
    for seed in range(MUTATIONS):
        path.write_bytes(mutated(data, random.Random(seed)))
        try:
            read(name, path)
        except DataError:
            refused += 1
    assert refused, "no mutation did any harm: the test mutates nothing that is read"


@pytest.mark.parametrize("twin", twins.TWINS)
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\xff\xfe", b"{" * 50]
)
def test_other_content_is_not_claimed_and_refused(twin: str, content: bytes, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    path = write(tmp_path)
    path.write_bytes(content)
    assert FORMATS.get(name).detect(path) is None
    with pytest.raises(
        DataError, match=r"expected|cannot|lacks|must|needs|broken|nested|no row|no column|no sheet|text"
    ):
        read(name, path)


@pytest.mark.parametrize("name", ["boris_project", "jabs_annotations", "calms21_annotations"])
def test_depth_bombs_of_json_are_refused(name: str, tmp_path: Path) -> None:
    path = twins.written(tmp_path / "x.boris", '{"observations":' + "[" * 200_000 + "]" * 200_000 + "}")
    with pytest.raises(DataError, match="nested too deeply"):
        read(name, path)
    path.write_text(json.dumps({"observations": 1})[:-1] + ', "n": ' + "9" * 10_000 + "}")
    with pytest.raises(DataError, match="the JSON is broken"):
        read(name, path)


def workbook(folder: Path, sheet: str) -> Path:
    """Return a workbook whose one sheet is the given XML."""
    path = twins.boris_xlsx(folder)
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, data in {**parts, SHEET: sheet.encode()}.items():
            book.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><worksheet><sheetData/></worksheet>', "declares a document type"),
        ("<a>" * 100_000, "nested deeper than 64"),
        ('<worksheet><sheetData><row r="99999999"/></sheetData></worksheet>', "no sheet has that"),
        ('<worksheet><sheetData><row r="1"><c r="ZZZ1"/></row></sheetData></worksheet>', "no sheet has that"),
        ('<worksheet><sheetData><row r="x"/></sheetData></worksheet>', "is broken"),
        ("<worksheet><sheetData><row>", "is broken"),
    ],
)
def test_hostile_sheets_are_refused(sheet: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_sheets(workbook(tmp_path, sheet))


def test_a_zip_bomb_is_refused_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book, book.open(SHEET, "w", force_zip64=True) as part:
        for _ in range(600):
            part.write(b" " * 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="more than any workbook of labels"):
        read_sheets(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_cells_of_a_sheet_equal_openpyxl(tmp_path: Path) -> None:
    import openpyxl

    path = twins.ethovision_xlsx(tmp_path)
    book = openpyxl.load_workbook(path)
    for name, rows in read_sheets(path).items():
        theirs = [[cell for cell in row if cell is not None] for row in book[name].iter_rows(values_only=True)]
        ours = [[cell for cell in row if cell] for row in rows]
        assert [[float(c) if isinstance(c, (int, float)) else c for c in row] for row in theirs] == [
            [float(o) if isinstance(t, (int, float)) else o for o, t in zip(own, row, strict=True)]
            for own, row in zip(ours, theirs, strict=True)
        ]
