"""Read BORIS projects (`.boris`, JSON; `.boris.gz`, the same compressed).

A project stores no START and STOP: the n-th event of a subject, code and modifier starts or stops the state by
turns. Its times are media time plus the observation's time offset; media that are queued in the first player run
on one clock, and are taken apart here into one recording a video.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from etholake.errors import DataError, raise_collected
from etholake.formats.base import Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.labels.boris_media import Media, recordings
from etholake.formats.labels.pairing import LoggedEvent, alternating
from etholake.formats.labels.reading import head, number_at, quietly, read_json

__all__ = ["FORMAT"]

_TARGET_SETS = {"target", "recipient", "receiver", "partner"}  # names of modifier sets that say whom
_NO_CLOCK = "was scored on single pictures, which have no clock"
_FIELDS = 4  # time, subject, code, modifier; comment and frame index are not needed


@dataclass(frozen=True)
class _Ethogram:
    """The behaviours of a project: whether each is a state, and at which of its modifiers the target stands."""

    states: dict[str, bool]
    target_at: dict[str, int]

    def vocabulary(self, options: ReadOptions) -> tuple[str, ...]:
        """Return the behaviours that can become bouts: points only if they are asked for."""
        points_too = options.point_events == "one-frame"
        return tuple(code for code, is_state in self.states.items() if is_state or points_too)


class BorisProject(LabelFormat):
    """BORIS project."""

    name = "boris_project"
    title = "BORIS project"
    suffixes = (".boris", ".boris.gz")

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the JSON has a BORIS project's keys."""
        text = head(path)
        if text.lstrip().startswith("{") and ('"behaviors_conf"' in text or '"project_format_version"' in text):
            return Detection(1.0, "it is JSON with the keys of a BORIS project")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a video of each observation, in the project's order."""
        project = read_json(path)
        observations = project.get("observations") if isinstance(project, dict) else None
        if not isinstance(observations, dict):
            raise DataError(f"{path}: a BORIS project has the key 'observations', but this JSON lacks it.")
        ethogram = _ethogram(path, project)
        subjects = tuple(
            str(s["name"]) for s in _dicts(project.get("subjects_conf")) if isinstance(s.get("name"), str)
        )
        problems, results = [], []
        pictures = [name for name, item in observations.items() if _is_of_pictures(item)]
        for name, observation in observations.items():
            if name in pictures and len(pictures) < len(observations):
                continue
            try:
                results.append(_observation(path, str(name), observation, ethogram, subjects, options))
            except DataError as err:
                problems.append(str(err))
        raise_collected(DataError, f"{path}: observations that cannot be read", problems)
        about = tuple(
            Remark("left-out", f"observation '{name}' {_NO_CLOCK}: its events are left out", path)
            for name in pictures
        )
        for recording in (recording for group in results for recording in group):
            yield replace(recording, remarks=(*recording.remarks, *about))
            about = ()  # once, not with each video


def _is_of_pictures(observation: object) -> bool:
    return isinstance(observation, dict) and str(observation.get("type", "MEDIA")).upper() == "IMAGES"


def _dicts(value: object) -> list[dict[str, Any]]:
    """Return the dictionaries that are the values of a dictionary (BORIS numbers its lists: "0", "1", …)."""
    return [item for item in value.values() if isinstance(item, dict)] if isinstance(value, dict) else []


def _ethogram(path: Path, project: dict[str, Any]) -> _Ethogram:
    states: dict[str, bool] = {}
    target_at: dict[str, int] = {}
    for behaviour in _dicts(project.get("behaviors_conf")):
        code = behaviour.get("code")
        if not isinstance(code, str):
            raise DataError(f"{path}: a behaviour of the ethogram has no code.")
        states[code] = "state" in str(behaviour.get("type", "")).lower()
        sets = _dicts(behaviour.get("modifiers"))
        names = [str(s.get("name", "")).strip().lower() for s in sets]
        if index := [i for i, name in enumerate(names) if name in _TARGET_SETS]:
            target_at[code] = index[0]
    return _Ethogram(states, target_at)


def _observation(
    path: Path,
    name: str,
    observation: object,
    ethogram: _Ethogram,
    subjects: tuple[str, ...],
    options: ReadOptions,
) -> list[LabelRecording]:
    if not isinstance(observation, dict) or not isinstance(observation.get("events", []), list):
        raise DataError(f"{path}: observation '{name}' has no list of events.")
    if _is_of_pictures(observation):
        raise DataError(
            f"{path}: observation '{name}' {_NO_CLOCK}: export it from BORIS as csv with a frame column."
        )
    offset = number_at(observation.get("time offset") or 0, path, f"the time offset of observation '{name}'")
    events = []
    remarks = []
    for index, raw in enumerate(observation.get("events", []), start=1):
        event = _event(path, name, index, raw, ethogram, offset)
        events.append(event)
    counts = Counter(event.key for event in events if event.status is None)
    for (subject, _, code, _), count in counts.items():
        if count % 2:
            text = (
                f"observation '{name}': '{code}' of subject '{subject}' has {count} events, an odd number: they "
                "start and stop it by turns, but any of them may be the one without a partner"
            )
            remarks.append(Remark("assumed", text, path, remedy="mend the observation in BORIS"))
    undefined = sorted({event.action for event in events} - ethogram.states.keys())
    if undefined:
        text = f"observation '{name}' has codes that are not in the ethogram, taken as states: {undefined}"
        remarks.append(Remark("assumed", text, path))
    if offset:
        text = f"observation '{name}': its time offset of {offset:g} s is taken off all times"
        remarks.append(Remark("note", text, path))
    observed = _observed(path, name, observation.get("observation time interval"))
    if observed != (0, None):
        until = "its end" if observed[1] is None else f"{observed[1]:g} s"
        text = f"observation '{name}' was made from {observed[0]:g} s to {until}; the rest is unlabelled"
        remarks.append(Remark("note", text, path))
    return recordings(
        path,
        name,
        alternating(events),
        _media(path, name, observation),
        options,
        vocabulary=ethogram.vocabulary(options) + tuple(undefined),
        animals=subjects,
        observed=observed,
        remarks=remarks,
    )


def _observed(path: Path, name: str, interval: object) -> tuple[float, float | None]:
    """Return the observed part of the media's clock in seconds; BORIS writes [0, 0] for all of it."""
    if interval is None:
        return 0, None
    what = f"the observation time interval of observation '{name}'"
    if not isinstance(interval, list) or len(interval) != 2:
        raise DataError(f"{path}: {what} must be a list of start and stop.")
    start, stop = (number_at(value, path, what) for value in interval)
    if start < 0 or (stop and stop <= start):
        raise DataError(f"{path}: {what} runs from {start:g} to {stop:g} s.")
    return start, stop or None


def _event(path: Path, name: str, index: int, raw: object, ethogram: _Ethogram, offset: float) -> LoggedEvent:
    if not isinstance(raw, list) or len(raw) < _FIELDS - 1 or not all(isinstance(raw[i], str) for i in (1, 2)):
        raise DataError(
            f"{path}: event {index} of observation '{name}' is no list of time, subject, code, modifier."
        )
    time = number_at(raw[0], path, f"the time of event {index} of observation '{name}'") - offset
    code = raw[2]
    modifiers = str(raw[3]).split("|") if len(raw) >= _FIELDS and raw[3] else []
    target = None
    if code in ethogram.target_at and ethogram.target_at[code] < len(modifiers):
        target = modifiers.pop(ethogram.target_at[code])
        target = None if target in {"", "None"} else target
    kept = tuple(m for m in modifiers if m not in {"", "None"})
    status: Literal["POINT"] | None = None if ethogram.states.get(code, True) else "POINT"
    return LoggedEvent(round(time, 6), code, status, raw[1], target, kept, place=f"event {index}")


def _media(path: Path, name: str, observation: dict[str, Any]) -> list[Media]:
    """Return the media of the first player, in their order, and the first of each other player."""
    players = observation.get("file")
    info = observation.get("media_info")
    info = info if isinstance(info, dict) else {}
    files = {k: v for k, v in players.items() if isinstance(v, list)} if isinstance(players, dict) else {}

    def stored(kind: str, file: str) -> float | None:
        values = info.get(kind)
        value = values.get(file) if isinstance(values, dict) else None
        if value in (None, "", 0, "NA"):
            return None
        result = number_at(value, path, f"the {kind} of '{file}' in observation '{name}'")
        return result if result > 0 and math.isfinite(result) else None

    queue = [str(file) for file in files.get("1", [])]
    others = [str(file) for player, queued in sorted(files.items()) if player != "1" for file in queued]
    return [Media(file, stored("length", file), stored("fps", file)) for file in queue] + [
        Media(file, stored("length", file), stored("fps", file), beside=True) for file in others
    ]


FORMAT = BorisProject()
