"""The submission CSV: ``row_id,video_id,agent_id,target_id,action,start_frame,stop_frame``.

Agents are written ``mouse1``, a self target is written ``self``. The official scorer compares these texts
exactly: ids written ``1`` score zero and a self target written ``mouse1,mouse1`` is ignored, both in silence.
So `read_csv` *refuses* them and names the remedy; accepting them would report a score that the competition
would not give. `read_as_official` leaves out what the official scorer ignores, and counts it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from etholake.contract import SELF, SUBMISSION_COLUMNS, action_name, whole_number
from etholake.csv_rows import open_rows
from etholake.errors import DataError, raise_collected
from etholake.events.types import Event

__all__ = ["read_as_official", "read_csv", "write_csv"]

_MOUSE = re.compile(r"mouse([1-9][0-9]*)")
_SHOWN = 10  # problems listed in full
# A column with one 7.0 has floats only, of which the official scorer can make no range of frames.
_FRAME = re.compile(r"[+-]?[0-9]+")
_MAX_FRAME = 2**31 - 1  # the contract's int
Row = Mapping[str, str]
Rows = Iterable[Row]
T = TypeVar("T")


def write_csv(path: Path, events: Iterable[Event]) -> int:
    """Write a submission, sorted by video and frame, atomically. Returns the number of rows."""
    ordered = sorted(events, key=lambda e: (e.video_id, e.start_frame, e.agent_id, e.target_id, e.action))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(SUBMISSION_COLUMNS)
        for row_id, e in enumerate(ordered):
            target = SELF if e.target_id == e.agent_id else f"mouse{e.target_id}"
            writer.writerow(
                (row_id, e.video_id, f"mouse{e.agent_id}", target, e.action, e.start_frame, e.stop_frame)
            )
    partial.replace(path)
    return len(ordered)


def read_csv(path: Path) -> list[Event]:
    """Return the events of a submission, in the file's order; extra columns are ignored.

    Raises
    ------
    DataError
        The file cannot be read, is empty (no row), lacks a column, or has rows that the official scorer
        would refuse or ignore in silence: all of them are counted, the first ones shown with row and remedy.
    """
    events, problems = _read(path, _parse)
    _refuse(path, "rows that the official score would refuse or ignore", problems)
    if not events:
        raise DataError(f"{path}: the submission is empty; the official score needs at least one row.")
    return events


def read_as_official(path: Path) -> tuple[list[Event], dict[str, int]]:
    """Read a submission as the official scorer does: rows whose names match nothing there are left out.

    Returns
    -------
    tuple
        The events, in the file's order, and the number of rows left out by reason.

    Raises
    ------
    DataError
        The file cannot be read, has no row, lacks a column, or has rows at which the official scorer fails: a
        video or frame that is no whole number, or a start after its stop.
    """
    (events, ignored), problems = _read(path, _parse_as_official)
    _refuse(path, "rows at which the official scorer fails", problems)
    if not events and not ignored:
        raise DataError(f"{path}: the submission is empty; the official score needs at least one row.")
    return events, dict(ignored)


def _read(path: Path, parse: Callable[[Rows], tuple[T, list[str]]]) -> tuple[T, list[str]]:
    with open_rows(path, "a submission", SUBMISSION_COLUMNS) as rows:
        return parse(rows)


def _refuse(path: Path, what: str, problems: list[str]) -> None:
    """Raise DataError with the first problems and the number of the others, if there is any."""
    if len(problems) > _SHOWN:
        problems = [*problems[:_SHOWN], f"… and {len(problems) - _SHOWN} more"]
    raise_collected(DataError, f"{path}: {what}", problems)


def _parse(rows: Rows) -> tuple[list[Event], list[str]]:
    events, problems = [], []
    for number, row in enumerate(rows):
        try:
            events.append(_event(row))
        except ValueError as err:
            problems.append(f"row {number}: {err}")
    return events, problems


def _parse_as_official(
    rows: Rows,
) -> tuple[tuple[list[Event], Counter[str]], list[str]]:
    events: list[Event] = []
    ignored: Counter[str] = Counter()
    problems = []
    for number, row in enumerate(rows):
        try:
            _video(row)
            if _frame(row, "start_frame") > _frame(row, "stop_frame"):
                raise ValueError("start_frame is after stop_frame")
        except ValueError as err:
            problems.append(f"row {number}: {err}")
            continue
        if reason := _ignored(row):
            ignored[reason] += 1
        else:
            events.append(_event(row))
    return (events, ignored), problems


def _ignored(row: Row) -> str:
    """Return why the official scorer ignores a row, by its names alone; "" if it does not."""
    agent, target, action = row["agent_id"], row["target_id"], row["action"]
    if not _MOUSE.fullmatch(agent) or not (target == SELF or _MOUSE.fullmatch(target)):
        return "agent or target is not written mouse1, mouse2, … or self"
    if agent == target:
        return f"self target written as the mouse itself instead of '{SELF}'"
    if action != action_name(action):
        return (
            "action is not written as in behaviors_labeled, in lower-case letters without quotes or blanks around"
        )
    return "" if action else "no action"


def _event(row: Row) -> Event:
    video, start, stop = _video(row), _frame(row, "start_frame"), _frame(row, "stop_frame")
    agent = _mouse(row, "agent_id")
    target = agent if row["target_id"] == SELF else _mouse(row, "target_id")
    if target == agent and row["target_id"] != SELF:
        raise ValueError(
            f"target_id is the agent itself ('{row['target_id']}'), which the scorer ignores; write '{SELF}'"
        )
    action = action_name(row["action"])
    if not action:
        raise ValueError("action is empty; write the name of the behaviour, attack say")
    if start > stop:
        raise ValueError(f"start_frame {start} is after stop_frame {stop}; swap them or drop the row")
    return Event(video, agent, target, action, start, stop)


def _video(row: Row) -> int:
    video = whole_number(row["video_id"])
    if video is None:
        raise ValueError(f"video_id must be a whole number, but got '{row['video_id']}'")
    return video


def _frame(row: Row, name: str) -> int:
    text = row[name].strip()
    if not _FRAME.fullmatch(text) or len(text) > 20 or abs(int(text)) > _MAX_FRAME:
        remedy = (
            f"; write it without a fraction, and at most {_MAX_FRAME}" if whole_number(text) is not None else ""
        )
        raise ValueError(f"{name} must be a whole number, but got '{row[name]}'{remedy}")
    return int(text)


def _mouse(row: Row, name: str) -> int:
    text = row[name]
    match = _MOUSE.fullmatch(text)
    if match is None:
        also = f" (or '{SELF}')" if name == "target_id" else ""
        remedy = f"write 'mouse{text}'" if whole_number(text) is not None else f"write mouse1, mouse2, …{also}"
        raise ValueError(f"{name} is '{text}', which matches nothing in behaviors_labeled; {remedy}")
    return int(match[1])
