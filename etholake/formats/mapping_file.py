"""Write the mapping as TOML for a person: keys explained, guesses marked, unknown values as commented lines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import tomlkit

from etholake.formats.mapping import Arena, ImportMapping, Scale

__all__ = ["Notes", "mapping_text", "updated_text"]

Notes = Mapping[tuple[str, str], str]
"""{(section, key): remark behind the value}, for example ``("parts", "leftear"): "guess, distance 0.2"``."""

_HEAD = """\
# How `etholake import` reads this folder. Edit it and run the same command again: only videos that the change
# concerns are written anew. What you set here is kept; new files are added with a guess. Delete a line (or the
# whole file) to have it guessed anew.
"""
_OPTIONAL = {
    "species": "of the animals, as rat or fly; not set: mice",
    "fps": "frames per second of all videos; not set: as the video or the file of tracks says",
    "pix_per_cm": "pixels per cm, if it is the same in all videos",
    "body_length_cm": "an animal's length in cm between the two body_parts: gives px/cm",
    "body_parts": 'two of the parts below, by their own names, for example ["nose", "tailbase"]',
    "width_cm": "the arena in cm",
    "height_cm": "",
    "shape": "",
    "type": "",
    "left_px": "the arena's edges in the picture: with its cm they give px/cm",
    "right_px": "",
    "top_px": "",
    "bottom_px": "",
}


def mapping_text(mapping: ImportMapping, notes: Notes) -> str:
    """Return the TOML text; `parse_mapping` reads the same mapping from it."""
    lines = [_HEAD, _line("source", mapping.source), _line("lab", mapping.lab)]
    lines += [_optional("species", mapping.species), _optional("fps", mapping.fps)]
    lines += [
        _line(
            "min_likelihood",
            mapping.min_likelihood,
            "points below it are missing in the lake (they stay in the raw zone)",
        ),
        _line("unpaired", mapping.unpaired, "error, drop or until-end: events without a start or an end"),
        _line("point_events", mapping.point_events, "leave-out or one-frame: events without a duration"),
        _line(
            "partial", mapping.partial, "spans, leave-out or as-absent: actions looked for in a part of a video"
        ),
        _line("annotators", mapping.annotators, "ask or unite: labels of one video by several people"),
    ]
    if mapping.unpickle:
        lines.append(_line("unpickle", mapping.unpickle))
    for title, group in (("scale", mapping.scale), ("arena", mapping.arena)):
        lines += ["", f"[{title}]", *(_optional(f.name, getattr(group, f.name)) for f in fields(_TYPES[title]))]
    lines += [
        "",
        '[animals]  # animals and subjects, as the files call them: number, 0 = left out, "each" = unknown',
    ]
    lines += [_line(k, v, notes.get(("animals", k), "")) for k, v in mapping.animals.items()]
    lines += ["", '[parts]  # body parts: name in the files = name in the lake, "" = left out']
    lines += [_line(k, v, notes.get(("parts", k), "")) for k, v in mapping.parts.items()]
    lines += [
        "",
        '# Actions: name ("" = left out), kind (self or pair), agent and target ("file": as the file says, and',
        '# written for every animal where it does not; "each"; or a number).',
        "[actions]",
    ]
    for key, action in mapping.actions.items():
        value = {"name": action.name, "kind": action.kind, "agent": action.agent, "target": action.target}
        if action.kind == "self":
            del value["target"]
        lines.append(_line(key, value, notes.get(("actions", key), "")))
    for name, video in mapping.videos.items():
        lines += ["", f"[videos.{_key(name)}]"]
        lines.append(_line("video_id", video.video_id))
        lines.append(_line("pose", video.pose))
        note = notes.get(("labels", name), "")
        lines.append(_line("labels", list(video.labels), note))
        lines.append(_line("video", video.video, notes.get(("video", name), "")))
        lines.append(_line("split", video.split))
        lines += [_line(n, getattr(video, n)) for n in ("fps", "pix_per_cm") if getattr(video, n) is not None]
    return "\n".join(lines) + "\n"


def updated_text(text: str, mapping: ImportMapping, notes: Notes) -> str:
    """Return a person's TOML with what has changed or is new in `mapping`; their comments and order stay.

    `parse_mapping` reads `mapping` from it, which must hold every key of `text`.
    """
    document = tomlkit.parse(text)
    _update(document, tomllib.loads(mapping_text(mapping, {})), notes, "")
    return tomlkit.dumps(document)


def _update(table: Any, wanted: Mapping[str, Any], notes: Notes, section: str) -> None:
    """Set what differs between a TOML table and the wanted values, and add what it lacks."""
    fresh = table.unwrap()
    for key, value in wanted.items():
        if key not in table:
            if not section and value == _DEFAULTS.get(key):
                continue  # it says nothing new
            table[key] = tomlkit.inline_table() if section == "actions" else value
            if section == "actions":
                table[key].update(value)
            if (note := notes.get((section, key))) and not isinstance(value, list):
                table[key].comment(re.sub(r"[\x00-\x1f\x7f]+", " ", note))
        elif isinstance(value, dict):
            _update(table[key], value, notes, key if not section else f"{section}.{key}")
        elif fresh[key] != value:
            table[key] = value


_DEFAULTS = {f.name: f.default for f in fields(ImportMapping)}
_TYPES = {"scale": Scale, "arena": Arena}


def _optional(name: str, value: Any) -> str:
    comment = _OPTIONAL[name]
    if value in (None, "", ()):
        return f"# {name} ={f'  # {comment}' if comment else ''}"
    return _line(name, list(value) if isinstance(value, tuple) else value, comment)


def _line(key: str, value: Any, comment: str = "") -> str:
    plain = re.sub(r"[\x00-\x1f\x7f]+", " ", comment)
    return f"{_key(key)} = {_value(value)}{f'  # {plain}' if plain else ''}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())} }}"
    return _quoted(str(value))


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quoted(text: str) -> str:
    """Return a TOML basic string; control characters as escapes."""
    return (
        '"' + "".join(_ESCAPES.get(c, f"\\u{ord(c):04x}" if ord(c) < 32 or c == "\x7f" else c) for c in text) + '"'
    )
