"""Read tables of intervals that any script may write: one row a bout, with start, stop and action.

`start_frame`/`stop_frame` are frames from 0, half-open; `start_s`, `start (s)`, `start_time` and their like are
seconds or clocks (`00:01:02.5`), and so is a bare `onset`. Bare `start` and `stop` (or `end`) are seconds if any
of them has a fraction or is a clock, else frames. A duration in the same unit may stand in the place of the stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etholake.errors import DataError, raise_collected
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.dialect import own_name
from etholake.formats.labels.reading import column, first_rows, number_at, quietly, read_table, time_at, video_name

__all__ = ["FORMAT"]

# Words of the languages in which labs keep their tables: English, German, French, Spanish, Italian, Portuguese.
_ACTION = (
    "action", "behavior", "behaviour", "label", "event", "verhalten", "comportement", "comportamiento", "conducta",
    "comportamento",
)  # fmt: skip
_AGENT = ("agent", "agent id", "subject", "animal", "individual", "tier", "sujet", "sujeto", "soggetto", "sujeito")
_TARGET = ("target", "target id", "recipient")
_VIDEO = ("video", "video id", "video name", "file", "observation")
_STARTS = ("start", "begin", "onset", "from", "beginn", "anfang", "début", "debut", "inicio", "inizio", "início")
_STOPS = ("stop", "end", "offset", "to", "ende", "fin", "fine", "fim")
_DURATIONS = ("duration", "dauer", "durée", "duree", "duración", "duracion", "durata", "duração", "duracao")
_FRAME_UNITS = ("{} frame", "{} (frame)", "{} (frames)", "{} frames", "{} frame number", "frame {}")
_SECOND_UNITS = (
    "{} s", "{} (s)", "{} [s]", "{} sec", "{} (sec)", "{} seconds", "{} (seconds)", "{} second", "{} time",
    "{} time (s)", "{} time s", "{} (time)", "time {}",
)  # fmt: skip
_SELF = "self"  # MABe's word for the agent itself


@dataclass(frozen=True)
class _Columns:
    """The positions of the columns in a header; `unit` None stands for bare start and stop."""

    action: int
    start: int
    stop: int
    is_duration: bool
    agent: int | None
    target: int | None
    video: int | None
    fps: int | None
    unit: Literal["frame", "second"] | None


def _columns(header: Sequence[str]) -> _Columns | None:
    if not header or column(header, "observation id") is not None:  # BORIS's own tables
        return None
    action = column(header, *_ACTION)
    kinds: tuple[tuple[tuple[str, ...], Literal["frame", "second"] | None], ...] = (
        (_FRAME_UNITS, "frame"), (_SECOND_UNITS, "second"), (("{}",), None)
    )  # fmt: skip
    for units, unit in kinds:
        start, stop, duration = (
            column(header, *(form.format(name) for name in names for form in units))
            for names in (_STARTS, _STOPS, _DURATIONS)
        )
        is_duration = stop is None
        stop = duration if is_duration else stop
        if action is not None and start is not None and stop is not None:
            is_onset = unit is None and start == column(header, "onset")
            agent, target, video = (column(header, *others) for others in (_AGENT, _TARGET, _VIDEO))
            fps = column(header, "fps", "frames per second")
            return _Columns(
                action, start, stop, is_duration, agent, target, video, fps, "second" if is_onset else unit
            )
    return None


class IntervalCsv(LabelFormat):
    """Generic table of intervals."""

    name = "interval_csv"
    title = "table of intervals"
    suffixes = (".csv", ".tsv", ".txt", ".xlsx")

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the header has an action, a start and a stop."""
        rows = first_rows(path, 2)
        if rows and _columns(rows[0]):
            return Detection(0.5, "its header has an action, a start and a stop")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a video; without a column of videos the file's name is the video's."""
        del options  # every row has both ends
        rows = read_table(path)
        columns = _columns(rows[0]) if rows else None
        if columns is None:
            raise DataError(
                f"{path}: expected a header with an action, a start and a stop (start_frame, stop_frame)."
            )
        cells = [(line, row) for line, row in enumerate(rows[1:], start=2) if any(row)]
        ends = (columns.start, columns.stop)
        fractions = any(re.search("[.,:]", row[i]) for _, row in cells for i in ends if i < len(row))
        unit: Literal["frame", "second"] = columns.unit or ("second" if fractions else "frame")
        videos: dict[tuple[str, str], list[Bout]] = {}  # by folder and name
        rates: dict[tuple[str, str], float] = {}
        problems = []
        for line, row in cells:
            try:
                video = row[columns.video] if columns.video is not None and columns.video < len(row) else ""
                key = (
                    video[: len(video) - len(re.split(r"[\\/]", video)[-1])],
                    video_name(video or own_name(path)),
                )
                videos.setdefault(key, []).append(_bout(path, line, row, columns, unit))
                if columns.fps is not None and columns.fps < len(row) and row[columns.fps]:
                    rates[key] = number_at(row[columns.fps], path, "fps", line)
            except DataError as err:
                problems.append(str(err))
        raise_collected(DataError, f"{path}: rows that are no interval", problems[:20])
        how = "" if columns.unit else f", told by {'fractions' if fractions else 'whole numbers'}"
        stop = "duration" if columns.is_duration else "stop"
        text = f"start and {stop} are {unit}s{how}, and the stop is not part of the interval"
        for (folder, name), bouts in (videos or {("", video_name(own_name(path))): []}).items():
            animals = [animal for b in bouts for animal in (b.agent, b.target) if animal]
            yield LabelRecording(
                name,
                tuple(sorted(bouts, key=lambda bout: bout.start)),
                tuple(dict.fromkeys(bout.action for bout in bouts)),
                unit,
                animals=tuple(dict.fromkeys(animals)),
                fps=rates.get((folder, name)),
                media=(folder + name,) if folder else (),  # the folders tell it from others
                remarks=(Remark("assumed", text, path),),
            )


def _bout(path: Path, line: int, row: Sequence[str], columns: _Columns, unit: str) -> Bout:
    width = max(columns.action, columns.start, columns.stop)
    if len(row) <= width or not row[columns.action]:
        raise DataError(f"{path}, line {line}: expected an action, a start and a stop, but got {list(row)}.")
    start, stop = (time_at(row[i], path, "start or stop", line) for i in (columns.start, columns.stop))
    if columns.is_duration:
        stop = start + stop
    if unit == "frame" and not (start.is_integer() and stop.is_integer()):
        raise DataError(f"{path}, line {line}: frames must be whole numbers, but are {start:g} and {stop:g}.")
    if stop < start or start < 0:
        raise DataError(
            f"{path}, line {line}: the interval {start:g} to {stop:g} ends before its start or before 0."
        )
    agent, target = (row[i] if i is not None and i < len(row) else "" for i in (columns.agent, columns.target))
    return Bout(row[columns.action], start, stop, agent, (agent if target == _SELF else target) or None, line=line)


FORMAT = IntervalCsv()
