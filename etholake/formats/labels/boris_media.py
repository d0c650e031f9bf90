"""Tell the media of a BORIS observation apart: which video an event is in, and at which time of it.

Media that are queued in one player run on one clock: the second starts where the first ends. Media of other
players are other views of the same time. BORIS exports write several media and their rates as text
(`player #1:a.mp4;b.mp4|player #2:c.mp4`, `30.000;25.000|30.000`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path, PureWindowsPath

from etholake.contract import number
from etholake.errors import DataError
from etholake.formats.base import Bout, LabelRecording, ReadOptions, Remark
from etholake.formats.labels.pairing import LoggedEvent, pair, scorable
from etholake.formats.labels.reading import safe_name, video_name

__all__ = ["Media", "media_of_text", "recordings"]

_PLAYER = re.compile(r"^player #\d+:\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Media:
    """One media file of an observation; `beside` tells that it is another view, in a player of its own."""

    file: str
    length_s: float | None = None
    fps: float | None = None
    beside: bool = False


def media_of_text(files: str, lengths: str, rates: str) -> list[Media]:
    """Return the media that a BORIS export names in three cells; a length or rate that is no number is None."""
    media = []
    queues = [text.split("|") for text in (files, lengths, rates)]
    for player, queue in enumerate(queues[0]):
        names = _names(_PLAYER.sub("", queue.strip()))
        lengths_s, fps = (_numbers(cells[player] if player < len(cells) else "") for cells in queues[1:])
        if len(lengths_s) != len(names):  # the length of all together
            lengths_s = [None] * len(names)
        if len(fps) != len(names):
            fps = fps[:1] * len(names)
        media += [
            Media(name, length, rate, beside=player > 0)
            for name, length, rate in zip(names, lengths_s, fps, strict=True)
            if name and name != "NA"
        ]
    return media


def _names(queue: str) -> list[str]:
    """Return the files of a queue `a.mp4;b.mp4`. A piece without a suffix is the beginning of a name with `;`."""
    names: list[str] = []
    for piece in queue.split(";"):
        if names and not PureWindowsPath(names[-1]).suffix:
            names[-1] += f";{piece}"
        else:
            names.append(piece)
    return [name.strip() for name in names]


def _numbers(text: str) -> list[float | None]:
    values = [number(_PLAYER.sub("", part.strip()).replace(",", ".")) for part in text.split(";")]
    return [value if value and value > 0 else None for value in values]


def recordings(
    path: Path,
    observation: str,
    events: Sequence[LoggedEvent],
    media: Sequence[Media],
    options: ReadOptions,
    *,
    vocabulary: tuple[str, ...],
    animals: tuple[str, ...],
    observed: tuple[float, float | None] = (0, None),
    remarks: Sequence[Remark] = (),
) -> list[LabelRecording]:
    """Return one recording for each media file of an observation's queue, in seconds of that file.

    Parameters
    ----------
    events
        With a status each, on the clock of the whole queue, without time offset.
    media
        Of the first player in their order, and those beside it.
    observed
        The part of the queue's clock that was observed; None: until its end.

    Raises
    ------
    DataError
        Events are unpaired (see `pairing.pair`); or several media are queued and the length of one is unknown.
    """
    queue = [item for item in media if not item.beside]
    beside = tuple(item.file for item in media if item.beside)
    lengths = [item.length_s for item in queue]
    end = sum(length for length in lengths if length) if queue and all(lengths) else None
    where = f"observation '{observation}', "
    paired = pair(path, events, options, where=where, end=end)
    about = [*remarks, *paired.remarks]
    if beside:
        text = f"{where}{len(beside)} media of other players are other views of the same time: {', '.join(beside)}"
        about.append(Remark("note", text, path))
    common = LabelRecording(
        safe_name(observation),
        (),
        scorable(vocabulary, events, options),
        "second",
        observed=observed,
        animals=animals,
        annotator=observation,
        remarks=tuple(about),
        unknown=paired.unknown,
    )
    if not queue:
        return [replace(common, bouts=paired.bouts)]
    if len(queue) == 1:
        return [_of(common, queue[0], paired.bouts, beside)]
    if not all(lengths[:-1]):
        names = ", ".join(item.file for item in queue[:-1] if not item.length_s)
        raise DataError(
            f"{path}: {where}{len(queue)} media are queued on one clock, but the length of {names} is not in the "
            "file: open the project in BORIS beside its media and save it, so that the lengths are stored."
        )
    starts = [0.0, *accumulate(length or math.inf for length in lengths[:-1])]
    stops = [*starts[1:], math.inf]
    results = []
    for item, start, stop in zip(queue, starts, stops, strict=True):
        inside, cut = _between(paired.bouts, start, stop)
        text = f"{where}{cut} bouts go on in the next of the queued media and are cut at its border"
        notes = (Remark("note", text, path),) if cut else ()
        seen = (max(observed[0] - start, 0), None if observed[1] is None else max(observed[1] - start, 0))
        unknown = tuple(
            replace(s, start=s.start - start, stop=None if s.stop is None else s.stop - start)
            for s in paired.unknown
            if s.start < stop and (s.stop is None or s.stop > start)
        )
        own = replace(common, observed=seen, unknown=unknown, remarks=(*common.remarks, *notes))
        results.append(_of(own, item, inside, beside))
        common = replace(common, remarks=())  # once, not with each video
    return results


def _of(common: LabelRecording, media: Media, bouts: Sequence[Bout], beside: tuple[str, ...]) -> LabelRecording:
    frames = round(media.length_s * media.fps) if media.length_s and media.fps else None
    return replace(
        common,
        name=video_name(media.file),
        bouts=tuple(bouts),
        fps=media.fps,
        frame_count=frames,
        media=(media.file, *beside),
    )


def _between(bouts: Sequence[Bout], start: float, stop: float) -> tuple[list[Bout], int]:
    """Return the parts of bouts within ``[start, stop)`` on the clock that starts there, and the number cut."""
    inside = []
    cut = 0
    for bout in bouts:
        if bout.point and start <= bout.start < stop:
            inside.append(replace(bout, start=bout.start - start, stop=bout.start - start))
        elif not bout.point and max(bout.start, start) < min(bout.stop, stop):
            cut += bout.stop > stop
            inside.append(replace(bout, start=max(bout.start, start) - start, stop=min(bout.stop, stop) - start))
    return inside, cut
