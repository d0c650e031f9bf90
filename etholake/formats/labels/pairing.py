"""Pair the starts and stops of state events. An event without its partner is never repaired in silence."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from etholake.errors import DataError
from etholake.formats.base import Bout, ReadOptions, Remark, ScoredSpan

__all__ = ["LoggedEvent", "Paired", "alternating", "pair", "scorable"]

_SHOWN = 10  # unpaired events listed in full
Key = tuple[str, str | None, str, tuple[str, ...]]


@dataclass(frozen=True)
class Paired:
    """The bouts of an event log, in the order of their starts, and what there is to say about it.

    `unknown` are the spans of the events that were left out because they lack their partner.
    """

    bouts: tuple[Bout, ...]
    unknown: tuple[ScoredSpan, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class LoggedEvent:
    """One event of an event log; `status` is None where the log does not say whether a state starts or stops.

    A log of whole bouts has events of status "BOUT" with a `stop`.
    """

    time: float
    action: str
    status: Literal["START", "STOP", "POINT", "BOUT"] | None
    agent: str = ""
    target: str | None = None
    modifiers: tuple[str, ...] = ()
    line: int | None = None
    place: str = ""  # where it stands in a file without lines, for example "event 12"
    stop: float = math.nan

    @property
    def key(self) -> Key:
        """Return what start and stop of one state have in common."""
        return (self.agent, self.target, self.action, self.modifiers)


def alternating(events: Iterable[LoggedEvent]) -> list[LoggedEvent]:
    """Return the events with a status: START and STOP by turns for each subject, action and modifiers."""
    seen: Counter[Key] = Counter()
    stated = []
    for event in events:
        status = event.status
        if status is None:
            status = "STOP" if seen[event.key] % 2 else "START"
            seen[event.key] += 1
        stated.append(replace(event, status=status))
    return stated


def scorable(vocabulary: Iterable[str], events: Iterable[LoggedEvent], options: ReadOptions) -> tuple[str, ...]:
    """Return the actions of a vocabulary whose frames without a bout are frames without the action.

    Those of which point events are left out are not among them: they took place where no bout says so.
    """
    points = {event.action for event in events if event.status == "POINT"}
    left_out = points if options.point_events == "leave-out" else set()
    return tuple(action for action in dict.fromkeys(vocabulary) if action not in left_out)


def pair(
    path: Path, events: Sequence[LoggedEvent], options: ReadOptions, *, where: str = "", end: float | None = None
) -> Paired:
    """Return the bouts of an event log.

    Parameters
    ----------
    events
        With a status each; of one subject, action and modifiers in the order of their times.
    options
        `unpaired`: "error" refuses the file; "drop" leaves unpaired events out, and the time in which the state
        may have lasted is unknown: from a start to the next event of the same state (or the end), or to a stop
        from the event before it (or the beginning); "until-end" lets a start without a stop last until `end`
        (infinity if None) and still refuses a stop without a start. `point_events`: left out, or bouts that
        are points.
    where
        Names the part of the file in messages, for example the observation.

    Raises
    ------
    DataError
        Events are unpaired: each with file, line, subject and behaviour; or a stop lies before its start.
    """
    open_starts: dict[Key, list[LoggedEvent]] = defaultdict(list)
    bouts: list[Bout] = []
    unknown: dict[LoggedEvent, ScoredSpan] = {}
    last: dict[Key, float] = {}
    points = Counter(event.action for event in events if event.status == "POINT")
    if options.point_events == "one-frame":
        bouts += [_bout(event, event.time, point=True) for event in events if event.status == "POINT"]
    states = [event for event in events if event.status != "POINT"]
    for event in sorted(states, key=lambda e: e.time):  # stable: simultaneous events keep the log's order
        if event.status == "BOUT":
            bouts.append(_bout(event, event.stop))
        elif event.status == "START":
            for start in open_starts[event.key]:
                unknown[start] = ScoredSpan(start.action, start.time, event.time, start.agent)
            open_starts[event.key] = [event]
        elif open_starts[event.key]:
            bouts.append(_bout(open_starts[event.key].pop(), event.time))
        else:
            unknown[event] = ScoredSpan(event.action, last.get(event.key, -math.inf), event.time, event.agent)
        last[event.key] = event.stop if event.status == "BOUT" else event.time
    remarks = []
    for event in [start for starts in open_starts.values() for start in starts]:
        if options.unpaired == "until-end":
            bouts.append(_bout(event, math.inf if end is None else max(end, event.time)))
            text = f"{_named(event, where)} has no stop, and lasts until the end of the video"
            remarks.append(Remark("assumed", text, path, event.line, "--unpaired error|drop|until-end"))
        else:
            unknown[event] = ScoredSpan(event.action, event.time, None, event.agent)
    remarks += _about_unpaired(path, unknown, options, where)
    if points and options.point_events == "leave-out":
        counts = ", ".join(f"{count} of '{action}'" for action, count in sorted(points.items()))
        text = f"{where}{points.total()} point events have no duration and are left out: {counts}"
        remarks.append(Remark("left-out", text, path, remedy="--point-events one-frame"))
    bouts.sort(key=lambda bout: bout.start)
    return Paired(tuple(bouts), tuple(unknown.values()), tuple(remarks))


def _about_unpaired(
    path: Path, unknown: Mapping[LoggedEvent, ScoredSpan], options: ReadOptions, where: str
) -> list[Remark]:
    if not unknown:
        return []
    unpaired = sorted(unknown, key=lambda e: (e.line or 0, e.time))
    texts = [f"{_named(e, where)} has no {'stop' if e.status == 'START' else 'start'}" for e in unpaired]
    if options.unpaired == "drop":
        return [
            Remark(
                "left-out",
                f"{text}: it is left out, and the time {_shown(unknown[event])} is unlabelled for the behaviour",
                path,
                event.line,
                "--unpaired error|drop|until-end",
            )
            for text, event in zip(texts, unpaired, strict=True)
        ]
    lines = [f"{_at(event)}{text}" for text, event in zip(texts, unpaired, strict=True)]
    more = [f"… and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    listing = "\n".join(f"  - {line}" for line in [*lines[:_SHOWN], *more])
    raise DataError(
        f"{path}: state events without a partner ({len(unpaired)}). Mend them in the tool, leave them out "
        f"(--unpaired drop), or let starts last until the video's end (--unpaired until-end):\n{listing}"
    )


def _shown(span: ScoredSpan) -> str:
    start = "from the beginning" if span.start == -math.inf else f"from {span.start:g} s"
    return f"{start} to {'the end' if span.stop is None else f'{span.stop:g} s'}"


def _bout(event: LoggedEvent, stop: float, *, point: bool = False) -> Bout:
    return Bout(event.action, event.time, stop, event.agent, event.target, event.modifiers, event.line, point)


def _at(event: LoggedEvent) -> str:
    place = f"line {event.line}" if event.line else event.place
    return f"{place}: " if place else ""


def _named(event: LoggedEvent, where: str) -> str:
    subject = f"subject '{event.agent}'" if event.agent else "no subject"
    modifiers = f", modifiers {'|'.join(event.modifiers)}" if any(event.modifiers) else ""
    return f"{where}{subject}, behaviour '{event.action}'{modifiers} at {event.time:g} s"
