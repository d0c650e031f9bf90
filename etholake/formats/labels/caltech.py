"""Read Caltech annotations: Bento's `.annot`, and the older behaviour annotator's `.txt`.

Frames count from 1 and both ends belong to the bout. Whether a `.annot` counts frames or seconds is told by
fractions anywhere in the file: a file in seconds may hold whole numbers, too. Bento writes a frame number divided
by
the frame rate as its seconds, so that both are read alike. The Duration column is not read: tools disagree about
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from etholake.errors import DataError, raise_collected
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark, ScoredSpan
from etholake.formats.dialect import own_name
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.reading import (
    frame_at,
    head,
    is_video_file,
    number_at,
    quietly,
    read_text,
    video_name,
)

__all__ = ["ANNOTATOR", "BENTO"]

_BENTO_TITLE = "bento annotation file"
_TITLE = "caltech behavior annotator - annotation file"
_FIELD = re.compile(
    r"(movie file\(s\)|annotation (?:start|stop) (?:frame|time)|annotation framerate)\s*:\s*(.*)", re.I
)
_CHANNEL = re.compile(r"(.+?)-{3,}\s*")
_LIST = re.compile(r"list of (channels|annotations)\s*:\s*", re.I)
_STREAM = re.compile(r"(\S+):\s*start\s+end\s+type.*", re.I)
_ROW = re.compile(r"\s*(\S+)\s+(\S+)\s+(\S.*?)\s*")


@dataclass
class _Annot:
    """The content of a `.annot` file before its numbers are frames."""

    facts: dict[str, str] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    vocabulary: list[str] = field(default_factory=list)
    rows: list[tuple[str, str, str, str, int]] = field(default_factory=list)  # channel, action, start, stop, line


class BentoAnnot(LabelFormat):
    """Caltech .annot of Bento and MARS."""

    name = "caltech_annot"
    title = "Caltech .annot (Bento)"
    suffixes = (".annot",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the first line is Bento's."""
        if head(path).lstrip("\ufeff \t\r\n").lower().startswith(_BENTO_TITLE):
            return Detection(1.0, "its first line is 'Bento annotation file'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file."""
        del options  # every bout has both ends
        text = _titled(path, _BENTO_TITLE)
        annot = _parsed(path, text)
        if not annot.channels:
            raise DataError(
                f"{path}: the file lacks its channels (a line like Ch1----------): it may be cut short."
            )
        fps = _fps(path, annot)
        seconds = any(_fractional(cell) for row in annot.rows for cell in row[2:4])
        if seconds and fps is None:
            raise DataError(
                f"{path}: the bouts are in seconds, but the line 'Annotation framerate' is missing: add it, for "
                "example 'Annotation framerate: 30'."
            )
        bouts, problems = [], []
        for channel, action, first, last, line in annot.rows:
            try:
                a, b = (number_at(cell, path, "a bout's start or stop", line) for cell in (first, last))
                if seconds and fps:
                    a, b = round(a * fps), round(b * fps)
                if b < a:
                    raise DataError(f"{path}, line {line}: '{action}' stops at {last}, before its start {first}.")
                bouts.append(_bout(action, channel, annot.channels, int(a), int(b), line))
            except DataError as err:
                problems.append(str(err))
        raise_collected(DataError, f"{path}: bouts that cannot be read", problems)
        listed = [split_name(name)[0] for name in annot.vocabulary]
        vocabulary = tuple(dict.fromkeys([*listed, *(bout.action for bout in bouts)]))
        remarks = []
        if seconds:
            text = f"its times are seconds, at {fps:g} frames/s; second t is frame round(t * fps), counted from 1"
            remarks.append(Remark("assumed", text, path))
        movies = _movies(annot.facts.get("movie file(s)", ""))
        start, stop = _range(path, annot, fps)
        yield LabelRecording(
            video_name(movies[0]) if movies else video_name(own_name(path)),
            tuple(sorted(bouts, key=lambda bout: bout.start)),
            vocabulary,
            "frame",
            scored=tuple(ScoredSpan(action, start, stop) for action in vocabulary),
            fps=fps,
            media=tuple(movies),
            remarks=tuple(remarks),
        )


def _movies(text: str) -> list[str]:
    """Return the files of a list with semicolons or wide gaps, which may also stand within a file's name."""
    first, *pieces = re.split(r"(\s*;\s*|\s{2,})", text.strip())
    movies = [first]
    for mark, piece in zip(pieces[::2], pieces[1::2], strict=True):
        if is_video_file(movies[-1]):
            movies.append(piece)
        else:
            movies[-1] += mark + piece
    return [movie for movie in movies if movie]


def _bout(action: str, channel: str, channels: list[str], first: int, last: int, line: int) -> Bout:
    """Return a bout of frames ``first..last``, both included and counted from 1."""
    name, agent, target = split_name(action)
    modifiers = (channel,) if len(channels) > 1 else ()
    return Bout(name, max(first - 1, 0), last, agent, target, modifiers, line)


def _fractional(cell: str) -> bool:
    return bool(re.search(r"[.,]", cell)) and not re.fullmatch(r"\d+[.,]0*", cell)


def _titled(path: Path, title: str) -> str:
    """Return the text of a file whose first line is `title`. Raises DataError for others."""
    text = read_text(path)
    if not text.lstrip("\ufeff \t\r\n").lower().startswith(title):
        raise DataError(f"{path}: expected '{title}' as its first line.")
    return text


def _parsed(path: Path, content: str) -> _Annot:
    annot = _Annot()
    channel = action = listing = awaited = ""
    for line, raw in enumerate(content.splitlines(), start=1):
        text = raw.strip()
        if awaited and text and not _FIELD.match(text):
            annot.facts[awaited] = text
            awaited = ""
        elif not text:
            listing = awaited = ""
        elif match := _LIST.fullmatch(text):
            listing = match[1].lower()
        elif listing:  # before the header's fields: an action may be called like one
            (annot.channels if listing == "channels" else annot.vocabulary).append(text)
        elif not channel and (match := _FIELD.match(text)):
            annot.facts[match[1].lower()] = match[2].strip()
            awaited = "" if match[2].strip() else match[1].lower()
        elif (match := _CHANNEL.fullmatch(text)) and not text.startswith(">"):
            channel, action, listing = match[1].strip(), "", ""
            if channel not in annot.channels:
                annot.channels.append(channel)
        elif channel and text.startswith(">"):
            action = text[1:].strip()
        elif channel and action and not text.lower().startswith("start"):
            cells = text.split()
            if len(cells) < 2:
                raise DataError(
                    f"{path}, line {line}: expected start and stop of '{action}', but got '{text[:60]}'."
                )
            annot.rows.append((channel, action, cells[0], cells[1], line))
    return annot


def _fps(path: Path, annot: _Annot) -> float | None:
    text = annot.facts.get("annotation framerate", "")
    if not text or text.lower() == "nan":
        return None
    fps = number_at(text, path, "the annotation framerate")
    if not fps > 0:
        raise DataError(f"{path}: the annotation framerate must be positive, but is {text}.")
    return fps


def _range(path: Path, annot: _Annot, fps: float | None) -> tuple[int, int | None]:
    """Return the annotated range of frames from 0, half-open; its end is None where the file does not say it."""
    values: list[float | None] = []
    for end in ("start", "stop"):
        frame, time = (annot.facts.get(f"annotation {end} {unit}", "") for unit in ("frame", "time"))
        value = number_at(frame or time, path, f"the annotation {end}") if frame or time else None
        if value is not None and fps and (time or _fractional(frame)):
            value = round(value * fps)
        values.append(value)
    start, stop = values
    return max(int(start or 1) - 1, 0), None if stop is None else int(stop)


class BehaviorAnnotator(LabelFormat):
    """Caltech Behavior Annotator .txt (Piotr's toolbox)."""

    name = "caltech_annotator"
    title = "Caltech Behavior Annotator .txt"
    suffixes = (".txt",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the first line is the annotator's."""
        if head(path).lstrip("\ufeff \t\r\n").lower().startswith(_TITLE):
            return Detection(1.0, "its first line is 'Caltech Behavior Annotator - Annotation File'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file; with several streams a bout's modifier names its stream."""
        del options  # every bout has both ends
        streams: list[str] = []
        vocabulary: list[str] = []
        bouts: list[Bout] = []
        problems = []
        configuration = False
        for line, raw in enumerate(_titled(path, _TITLE).splitlines(), start=1):
            text = raw.strip()
            if text.lower() == "configuration file:":
                configuration = True
            elif match := _STREAM.fullmatch(text):
                streams.append(match[1])
                configuration = False
            elif configuration and text:
                vocabulary.append(text.split()[0])
            elif streams and (match := _ROW.fullmatch(raw)) and set(text) != {"-"}:
                try:
                    first, last = (frame_at(match[i], path, "a bout's first or last frame", line) for i in (1, 2))
                    if last < first or first < 1:
                        raise DataError(
                            f"{path}, line {line}: frames {first} to {last} are no bout (from 1 upwards)."
                        )
                    bouts.append(Bout(match[3], first - 1, last, modifiers=(streams[-1],), line=line))
                except DataError as err:
                    problems.append(str(err))
            elif streams and text and set(text) != {"-"}:
                problems.append(f"{path}, line {line}: expected start, end and type, but got '{text[:60]}'.")
        raise_collected(DataError, f"{path}: bouts that cannot be read", problems)
        if not streams:
            raise DataError(
                f"{path}: the file lacks its streams (a line like 'S1: start end type'): is it cut short?"
            )
        stops = {int(bout.stop) for bout in bouts}
        if len(streams) == 1:
            bouts = [Bout(b.action, b.start, b.stop, line=b.line) for b in bouts]
        yield LabelRecording(
            video_name(re.sub(r"_annot(ation)?s?$", "", own_name(path))),
            tuple(sorted(bouts, key=lambda bout: bout.start)),
            tuple(dict.fromkeys([*vocabulary, *(bout.action for bout in bouts)])),
            "frame",
            frame_count=max(stops, default=None),
            remarks=(Remark("assumed", "its last frame is taken as the video's last one", path),) if stops else (),
        )


BENTO, ANNOTATOR = BentoAnnot(), BehaviorAnnotator()
