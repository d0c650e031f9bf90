"""Write a BORIS project (format 7.0): an observation a video, agents as subjects, targets as a modifier set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etholake.errors import UsageError
from etholake.formats.base import LabelRecording
from etholake.formats.export.base import Exporter, length_of, rate_of

__all__ = ["EXPORTER"]

_FORBIDDEN = frozenset("(|),`~")  # in modifiers (CHAR_FORBIDDEN_IN_MODIFIERS of BORIS)
_DATE = "1970-01-01T00:00:00"  # an export does not know when the video was taken
_KEYS = "abcdefghijklmnopqrstuvwxyz0123456789"
_TARGET = "target"  # the modifier set's name, by which the reader knows it
_NO_MODIFIER = "None"  # BORIS's own word


class BorisExporter(Exporter):
    """BORIS project."""

    name = "boris"
    title = "BORIS project (.boris)"

    def write(self, recordings: Sequence[LabelRecording], folder: Path) -> list[Path]:
        """Write one project with all recordings."""
        bouts = [bout for recording in recordings for bout in recording.bouts]
        actions = list(dict.fromkeys([*(a for r in recordings for a in r.vocabulary), *(b.action for b in bouts)]))
        subjects = sorted({bout.agent for bout in bouts if bout.agent})
        targets = {a: sorted({b.target for b in bouts if b.action == a and b.target is not None}) for a in actions}
        for name in {name for names in targets.values() for name in names}:
            if set(name) & _FORBIDDEN or name == _NO_MODIFIER:
                raise UsageError(
                    f"BORIS allows no modifier '{name}' (the target of an action): rename the animal."
                )
        project = {
            "time_format": "seconds",
            "project_date": _DATE,
            "project_name": "etholake export",
            "project_description": "",
            "project_format_version": "7.0",
            "subjects_conf": {
                str(i): {"key": "", "name": name, "description": ""} for i, name in enumerate(subjects)
            },
            "behaviors_conf": {str(i): _behaviour(i, a, targets[a]) for i, a in enumerate(actions)},
            "observations": {r.name: _observation(r, targets) for r in recordings},
            "behavioral_categories": [],
            "independent_variables": {},
            "coding_map": {},
            "behaviors_coding_map": [],
            "converters": {},
        }
        path = folder / "etholake.boris"
        path.write_text(json.dumps(project, indent=1), encoding="utf-8")
        return [path]


def _behaviour(index: int, action: str, targets: list[str]) -> dict[str, Any]:
    sets = {"0": {"name": _TARGET, "description": "", "type": 0, "values": targets}} if targets else {}
    return {
        "type": "State event",
        "key": _KEYS[index % len(_KEYS)],
        "code": action,
        "description": "",
        "category": "",
        "modifiers": sets,
        "excluded": "",
        "coding map": "",
    }


def _observation(recording: LabelRecording, targets: dict[str, list[str]]) -> dict[str, Any]:
    fps = rate_of(recording, "BORIS")
    media = f"{recording.name}.mp4" if not recording.media else recording.media[0]
    events: list[list[Any]] = []
    for bout in recording.bouts:
        modifier = "" if not targets[bout.action] else bout.target if bout.target is not None else _NO_MODIFIER
        for frame in (bout.start, bout.stop):
            time = round(frame / fps, 3)
            if round(time * fps) != frame:
                raise UsageError(
                    f"BORIS counts milliseconds, too coarse for {fps:g} frames/s of '{recording.name}'."
                )
            events.append([time, bout.agent, bout.action, modifier, "", int(frame)])
    return {
        "file": {"1": [media], **{str(player): [] for player in range(2, 9)}},
        "type": "MEDIA",
        "date": _DATE,
        "description": "",
        "time offset": 0.0,
        "events": sorted(events, key=lambda event: event[0]),
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {media: round(length_of(recording) / fps, 6)},
            "fps": {media: fps},
            "hasVideo": {media: True},
            "hasAudio": {media: False},
            "offset": {"1": 0.0},
        },
    }


EXPORTER = BorisExporter()
