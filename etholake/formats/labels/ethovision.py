"""Read EthoVision exports (xlsx, or text in UTF-16): raw data with 0/1 columns, and manual scoring.

The first cell pair counts the header's lines, the rows of names and units among them. "-" is missing. The clock is
rounded to milliseconds: 15 samples a second are written 0.000, 0.067, 0.133, so the rate is found from all times
together, and a sample's exact time is its number over the rate.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from etholake.contract import number
from etholake.errors import DataError, raise_collected
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark, ScoredSpan
from etholake.formats.dialect import own_name
from etholake.formats.labels.clock import sample_rate
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.onehot import UNLABELLED, is_binary, runs, states_of
from etholake.formats.labels.pairing import LoggedEvent, pair, scorable
from etholake.formats.labels.reading import (
    column,
    head,
    is_video_file,
    number_at,
    quietly,
    read_text,
    rows_of,
    safe_name,
    video_name,
)
from etholake.formats.labels.xlsx import read_sheets

__all__ = ["MANUAL", "MISSING", "RAW", "EthoVisionSheet", "sheets_of", "video_of"]

MISSING = frozenset({"", "-"})
_HEADER_LINES = range(3, 500)
_STATUS: dict[str, Literal["START", "STOP", "POINT"]] = {
    "state start": "START", "state stop": "STOP", "point event": "POINT", "point": "POINT",
}  # fmt: skip


@dataclass(frozen=True)
class EthoVisionSheet:
    """One sheet or text file: what the header says, the names and units of its columns, the rows below."""

    name: str
    facts: dict[str, str]
    names: list[str]
    units: list[str]
    rows: list[list[str]]
    first_line: int


def sheets_of(path: Path, max_rows: int | None = None) -> list[EthoVisionSheet]:
    """Return the sheets that have EthoVision's header. Raises DataError if there is none."""
    if path.suffix.lower() == ".xlsx":
        tables = read_sheets(path, max_rows)
    else:
        text = read_text(path) if max_rows is None else head(path).rpartition("\n")[0]
        try:
            tables = {"": [[cell.strip() for cell in row] for row in islice(rows_of(text), max_rows)]}
        except csv.Error as err:
            raise DataError(f"{path}: cannot be read as a table: {err}.") from err
    sheets = [sheet for name, rows in tables.items() if (sheet := _sheet(name, rows))]
    if not sheets:
        raise DataError(
            f"{path}: an EthoVision export starts with the number of header lines, and that many lines "
            "must follow."
        )
    return sheets


def _sheet(name: str, rows: list[list[str]]) -> EthoVisionSheet | None:
    first = [cell for cell in rows[0] if cell][:2] if rows else []
    count = number(first[1]) if len(first) == 2 else None
    if count is None or count != int(count) or int(count) not in _HEADER_LINES or len(rows) < int(count):
        return None
    lines = int(count)
    if "header" not in first[0].lower() and "s" not in rows[lines - 1][:2]:
        return None  # the words may be of another language; the clock's unit is the same in all
    facts = {row[0].strip().rstrip(":").lower(): row[1] for row in rows[1 : lines - 2] if len(row) > 1 and row[0]}
    names, units = rows[lines - 2], rows[lines - 1]
    units = [*units, *[""] * (len(names) - len(units))]
    return EthoVisionSheet(name, facts, names, units, rows[lines:], lines + 1)


def video_of(path: Path, sheet: EthoVisionSheet) -> tuple[str, tuple[str, ...]]:
    """Return the name of the video of a sheet, and its file if the header names one (in any language)."""
    file = sheet.facts.get("video file") or next(filter(is_video_file, sheet.facts.values()), "")
    if file and file not in MISSING:
        return video_name(file), (file,)
    return safe_name(own_name(path)), ()


def _is_manual(sheet: EthoVisionSheet) -> bool:
    return column(sheet.names, "behavior", "behaviour") is not None and column(sheet.names, "event") is not None


class EthoVisionManual(LabelFormat):
    """EthoVision manual scoring."""

    name = "ethovision_manual"
    title = "EthoVision manual scoring"
    suffixes = (".xlsx", ".txt", ".csv")

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the columns are those of the manual scoring."""
        if any(_is_manual(sheet) for sheet in sheets_of(path, 200)):
            return Detection(1.0, "it counts EthoVision's header lines and has the columns Behavior and Event")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a sheet."""
        sheets = [sheet for sheet in sheets_of(path) if _is_manual(sheet)]
        if not sheets:
            raise DataError(f"{path}: no sheet has the columns Behavior and Event of EthoVision's manual scoring.")
        for sheet in sheets:
            yield _manual(path, sheet, options)


def _manual(path: Path, sheet: EthoVisionSheet, options: ReadOptions) -> LabelRecording:
    clock = column(sheet.names, "recording time", "trial time")
    behaviour, event = column(sheet.names, "behavior", "behaviour"), column(sheet.names, "event")
    subject = column(sheet.names, "subject")
    if clock is None or behaviour is None or event is None:
        raise DataError(f"{path}: the manual scoring needs the columns Recording time, Behavior and Event.")
    modifiers = [i for i, name in enumerate(sheet.names) if name.lower().startswith("modifier")]
    events, problems = [], []
    for line, row in enumerate(sheet.rows, start=sheet.first_line):
        cells = [*row, *[""] * (len(sheet.names) - len(row))]
        if not any(cells):
            continue
        status = cells[event].lower()
        try:
            if status not in _STATUS or not cells[behaviour]:
                raise DataError(
                    f"{path}, line {line}: expected a behaviour with 'state start', 'state stop' or "
                    "'point event', "
                    f"but got '{cells[behaviour][:40]}', '{cells[event][:40]}'."
                )
            time = number_at(cells[clock], path, "the recording time", line)
            kept = tuple(cells[i] for i in modifiers if cells[i] not in MISSING)
            agent = cells[subject] if subject is not None and cells[subject] not in MISSING else ""
            events.append(LoggedEvent(time, cells[behaviour], _STATUS[status], agent, None, kept, line))
        except DataError as err:
            problems.append(str(err))
    raise_collected(DataError, f"{path}: rows that cannot be read", problems[:20])
    where = f"sheet '{sheet.name}', " if sheet.name else ""
    paired = pair(path, events, options, where=where)
    name, media = video_of(path, sheet)
    return LabelRecording(
        name,
        paired.bouts,
        scorable((e.action for e in events), events, options),
        "second",
        animals=tuple(dict.fromkeys(e.agent for e in events if e.agent)),
        media=media,
        remarks=paired.remarks,
        unknown=paired.unknown,
    )


class EthoVisionRaw(LabelFormat):
    """EthoVision raw data: behaviours as columns of 0 and 1."""

    name = "ethovision_raw"
    title = "EthoVision raw data"
    suffixes = (".xlsx", ".txt", ".csv")

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the header is EthoVision's and there is a column of 0 and 1."""
        if any(not _is_manual(sheet) and _states(sheet) for sheet in sheets_of(path, 1000)):
            return Detection(1.0, "it counts EthoVision's header lines and has columns of 0 and 1")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a video; the sheets of several subjects of one video are joined."""
        del options  # samples have no ends
        joined: dict[str, LabelRecording] = {}
        sheets = [sheet for sheet in sheets_of(path) if not _is_manual(sheet)]
        counts = Counter((video_of(path, sheet)[0], _subject(sheet)) for sheet in sheets)
        repeated = {video for (video, _), count in counts.items() if count > 1}
        for sheet in sheets:
            if columns := _states(sheet):
                subject = _subject(sheet)
                if video_of(path, sheet)[0] in repeated:  # one name in several arenas: called as in the tracks
                    arena = sheet.facts.get("arena name", sheet.facts.get("arena", ""))
                    subject = f"{arena} {subject or 'animal'}".strip()
                recording = _raw(path, sheet, columns, subject)
                other = joined.get(recording.name)
                joined[recording.name] = _join(path, other, recording) if other else recording
        if not joined:
            raise DataError(
                f"{path}: no column of the raw data holds only 0 and 1, so there are no behaviours in it."
            )
        yield from joined.values()


def _states(sheet: EthoVisionSheet) -> list[int]:
    """Return the columns that hold only 0, 1 and missing values, and have no unit."""
    width = len(sheet.names)
    rows = [[*row, *[""] * (width - len(row))] for row in sheet.rows if any(row)]
    return [
        i
        for i in range(width)
        if sheet.names[i] and sheet.units[i] in MISSING and is_binary([row[i] for row in rows], missing=MISSING)
    ]


def _subject(sheet: EthoVisionSheet) -> str:
    return sheet.facts.get("subject name", sheet.facts.get("subject", ""))


def _raw(path: Path, sheet: EthoVisionSheet, columns: Sequence[int], subject: str) -> LabelRecording:
    clock = column(sheet.names, "recording time", "trial time")
    clock = 0 if clock is None else clock
    rows = [[*row, *[""] * (len(sheet.names) - len(row))] for row in sheet.rows if any(row)]
    times = np.array(
        [
            number_at(row[clock], path, f"'{sheet.names[clock]}'", sheet.first_line + i)
            for i, row in enumerate(rows)
        ]
    )
    rate = sample_rate(path, times)
    numbers = np.rint(times * rate).astype(np.int64)
    if (np.diff(numbers) <= 0).any():
        line = sheet.first_line + int(np.flatnonzero(np.diff(numbers) <= 0)[0]) + 1
        raise DataError(
            f"{path}, line {line}: the time does not increase; expected one row a sample of {rate:g} Hz."
        )
    name, media = video_of(path, sheet)
    bouts: list[Bout] = []
    scored: list[ScoredSpan] = []
    actions: list[str] = []
    for c in columns:
        action, agent, target = split_name(sheet.names[c])
        agent = agent or subject
        cells = [row[c] for row in rows]
        states = states_of(cells, missing=MISSING)
        actions.append(action)
        bouts += [Bout(action, a / rate, b / rate, agent, target) for a, b in runs(states == 1, numbers)]
        scored += [ScoredSpan(action, a / rate, b / rate, agent) for a, b in runs(states != UNLABELLED, numbers)]
    text = (
        f"{len(times):,} samples at {rate:g} Hz; all columns of 0 and 1 without a unit are taken as behaviours: "
        f"{', '.join(actions)}"
    )
    return LabelRecording(
        name,
        tuple(sorted(bouts, key=lambda bout: bout.start)),
        tuple(dict.fromkeys(actions)),
        "second",
        scored=tuple(scored),
        animals=(subject,) if subject else (),
        fps=rate,
        frame_count=int(numbers[-1]) + 1,
        media=media,
        remarks=(Remark("assumed", text, path, remedy="leave zones out in the mapping's actions"),),
    )


def _join(path: Path, one: LabelRecording, other: LabelRecording) -> LabelRecording:
    if one.fps != other.fps:
        raise DataError(f"{path}: the sheets of video '{one.name}' have {one.fps:g} and {other.fps:g} samples/s.")
    return replace(
        one,
        bouts=tuple(sorted((*one.bouts, *other.bouts), key=lambda bout: bout.start)),
        vocabulary=tuple(dict.fromkeys((*one.vocabulary, *other.vocabulary))),
        scored=(*(one.scored or ()), *(other.scored or ())),
        animals=tuple(dict.fromkeys((*one.animals, *other.animals))),
        frame_count=max(one.frame_count or 0, other.frame_count or 0),
        remarks=(*one.remarks, *other.remarks),
    )


RAW, MANUAL = EthoVisionRaw(), EthoVisionManual()
