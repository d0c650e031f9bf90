"""Read the events that BORIS exports as tables (csv, tsv, xlsx): tabular in both layouts, and aggregated.

Tabular to version 7: some lines about the observation, then one row an event with `Status` START, STOP or POINT.
Tabular since version 8: one header, each row repeats the observation, `Behavior type` holds START, STOP or POINT.
Aggregated: one row a bout or point event of one or several observations, with `Start (s)` and `Stop (s)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from etholake.errors import DataError, raise_collected
from etholake.formats.base import Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.dialect import own_name
from etholake.formats.labels.boris_media import media_of_text, recordings
from etholake.formats.labels.pairing import LoggedEvent
from etholake.formats.labels.reading import column, first_rows, number_at, quietly, read_table, time_at

__all__ = ["AGGREGATED", "TABULAR"]

_NO_SUBJECT = {"", "no focal subject"}
_HEAD_ROWS = 60
_STATUS: dict[str, Literal["START", "STOP", "POINT"]] = {"START": "START", "STOP": "STOP", "POINT": "POINT"}


@dataclass
class _Observation:
    """The events of one observation, and the cells that describe its media."""

    media: str = ""
    lengths: str = ""
    rates: str = ""
    offset_s: float = 0.0
    events: list[LoggedEvent] = field(default_factory=list)


class _BorisTable(LabelFormat):
    """A table of BORIS; its header is the first row that has all of `needs`."""

    suffixes = (".csv", ".tsv", ".xlsx", ".txt")
    needs: tuple[str, ...]
    lacks: tuple[str, ...] = ()

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if one of the first rows is the header."""
        if self._header(first_rows(path, _HEAD_ROWS)) is None:
            return None
        return Detection(1.0, f"it has the columns {', '.join(self.needs)} of BORIS")

    def _header(self, rows: Sequence[Sequence[str]]) -> int | None:
        if not rows or not rows[0] or rows[0][0].strip().lower().lstrip("\ufeff") != "observation id":
            return None
        for index, row in enumerate(rows[:_HEAD_ROWS]):
            fits = all(column(row, name) is not None for name in self.needs)
            if fits and not any(column(row, name) is not None for name in self.lacks):
                return index
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a video of each observation of the table."""
        rows = read_table(path)
        top = self._header(rows)
        if top is None:
            raise DataError(f"{path}: no row has the columns {', '.join(self.needs)}: export it from BORIS anew.")
        header = rows[top]
        observations: dict[str, _Observation] = {}
        described = _described(rows[:top])
        problems = []
        for line, row in enumerate(rows[top + 1 :], start=top + 2):
            if any(row):
                try:
                    self._add(path, line, _Row(path, line, header, row), described, observations)
                except DataError as err:
                    problems.append(str(err))
        raise_collected(DataError, f"{path}: rows that cannot be read", problems)
        if not observations and described:
            observations[described.get("observation id", own_name(path))] = _Observation(
                described.get("media", "")
            )
        results = []
        for name, observation in observations.items():
            try:
                results.append(self._recordings(path, name, observation, options))
            except DataError as err:
                problems.append(str(err))
        raise_collected(DataError, f"{path}: observations that cannot be read", problems)
        for group in results:
            yield from group

    def _add(
        self, path: Path, line: int, row: _Row, described: dict[str, str], observations: dict[str, _Observation]
    ) -> None:
        name = row.text("observation id") or described.get("observation id", "")
        if name not in observations:
            files = described.get("media", "") or row.text("source", "media file path", "media file")
            lengths = row.text("media duration (s)", "total length")
            offset = row.text("time offset (s)") or described.get("time offset (s)", "") or "0"
            observations[name] = _Observation(
                files, lengths, row.text("fps", "fps (frame/s)"), number_at(offset, path, "the time offset", line)
            )
        observations[name].events += self.events(row, observations[name].offset_s)

    def events(self, row: _Row, offset_s: float) -> list[LoggedEvent]:
        """Return the events of a row, on the media's clock."""
        raise NotImplementedError

    def _recordings(
        self, path: Path, name: str, observation: _Observation, options: ReadOptions
    ) -> list[LabelRecording]:
        remarks = []
        if observation.offset_s:
            text = f"observation '{name}': its time offset of {observation.offset_s:g} s is taken off all times"
            remarks.append(Remark("note", text, path))
        text = "the table has no ethogram: behaviours without an event are not known to have been looked for"
        remarks.append(Remark("assumed", text, path, remedy="import the .boris project instead"))
        return recordings(
            path,
            name,
            observation.events,
            media_of_text(observation.media, observation.lengths, observation.rates),
            options,
            vocabulary=tuple(dict.fromkeys(event.action for event in observation.events)),
            animals=tuple(dict.fromkeys(event.agent for event in observation.events if event.agent)),
            remarks=remarks,
        )


class _Row:
    """One row of events, asked by the names of its columns."""

    def __init__(self, path: Path, line: int, header: Sequence[str], row: Sequence[str]) -> None:
        self.path, self.line, self._header, self._row = path, line, header, row

    def text(self, *names: str) -> str:
        index = column(self._header, *names)
        return self._row[index] if index is not None and index < len(self._row) else ""

    def time(self, name: str) -> float:
        return time_at(self.text(name), self.path, f"column '{name}'", self.line)

    @property
    def subject(self) -> str:
        subject = self.text("subject")
        return "" if subject.lower() in _NO_SUBJECT else subject

    @property
    def modifiers(self) -> tuple[str, ...]:
        names = [name for name in self._header if re.fullmatch(r"modifiers?( #?\d+)?", name.strip().lower())]
        texts = [part for name in names for part in self.text(name.strip().lower()).split("|")]
        return tuple(text for text in texts if text not in {"", "None", "NA"})


class BorisTabular(_BorisTable):
    """BORIS events, one row an event."""

    name = "boris_tabular"
    title = "BORIS tabular events"
    needs = ("time", "subject", "behavior")
    lacks = ("start (s)",)

    def events(self, row: _Row, offset_s: float) -> list[LoggedEvent]:
        """Return the one event of a row."""
        status = row.text("status", "behavior type").upper()
        if status not in _STATUS:
            raise DataError(
                f"{row.path}, line {row.line}: the status must be START, STOP or POINT, but is '{status[:40]}'."
            )
        behaviour = row.text("behavior")
        if not behaviour:
            raise DataError(f"{row.path}, line {row.line}: the column 'Behavior' is empty.")
        time = round(row.time("time") - offset_s, 6)
        return [LoggedEvent(time, behaviour, _STATUS[status], row.subject, None, row.modifiers, row.line)]


class BorisAggregated(_BorisTable):
    """BORIS bouts, one row a bout."""

    name = "boris_aggregated"
    title = "BORIS aggregated events"
    needs = ("subject", "behavior", "start (s)", "stop (s)")

    def events(self, row: _Row, offset_s: float) -> list[LoggedEvent]:
        """Return the bout of a row, or its point."""
        behaviour, kind = row.text("behavior"), row.text("behavior type").upper()
        if not behaviour:
            raise DataError(f"{row.path}, line {row.line}: the column 'Behavior' is empty.")
        start = round(row.time("start (s)") - offset_s, 6)
        if kind == "POINT":
            return [LoggedEvent(start, behaviour, "POINT", row.subject, None, row.modifiers, row.line)]
        if row.text("stop (s)") in {"", "NA"}:
            return [LoggedEvent(start, behaviour, "START", row.subject, None, row.modifiers, row.line)]
        stop = round(row.time("stop (s)") - offset_s, 6)
        if stop < start:
            raise DataError(f"{row.path}, line {row.line}: '{behaviour}' stops at {stop:g} s, before its start.")
        return [LoggedEvent(start, behaviour, "BOUT", row.subject, None, row.modifiers, row.line, stop=stop)]


def _described(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return what the lines above an old table's header say, by their first cell in lower case."""
    facts: dict[str, str] = {}
    players: dict[str, list[str]] = {}
    for row in rows:
        key = row[0].strip().lower().lstrip("\ufeff") if row else ""
        value = next((cell for cell in row[1:] if cell), "")
        if key.startswith("player #") and value:
            players.setdefault(key, []).append(value)  # a line for each of its queued media
        elif key and value:
            facts[key] = value
    if players:
        facts["media"] = "|".join(f"{player}:{';'.join(queue)}" for player, queue in sorted(players.items()))
    return facts


TABULAR, AGGREGATED = BorisTabular(), BorisAggregated()
