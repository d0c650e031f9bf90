"""Stage explain: what a trained model knows, from what is stored with it. Nothing is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etholake.contract import unified_part_sources
from etholake.errors import ContractError
from etholake.events.thresholds import Thresholds
from etholake.features.clip import CLOCK_HZ, MIN_FPS
from etholake.settings import Settings
from etholake.stages.models import unpacked

__all__ = ["describe", "lines", "run"]


def run(settings: Settings, model: str) -> dict[str, Any]:
    """What the model knows, as JSON (see `describe`). `model` as in `stages.models.pack`."""
    with unpacked(settings, model) as folder:
        return describe(folder)


def describe(folder: Path) -> dict[str, Any]:
    """What `meta.json` says of a model and, of an ensemble, of its members.

    Keys: `kind`, `members`, `config`, `clock` (hz, min_fps, window), `labs` ({lab: {action: threshold, seconds of
    training, score}}; None where not stored), `vocabulary`, `parts` ({unified part: names that stand for it}),
    `part_map`, `validation`, `data_fingerprint`, `videos` (number by part of the split), `fine_tuned`, `notes`.
    Raises ContractError if there is no model in the folder.
    """
    meta = _meta(folder)
    members = [_meta(folder / "members" / str(k)) for k in range(int(meta.get("ensemble", {}).get("members", 0)))]
    first = members[0] if members else meta
    try:
        thresholds = Thresholds.from_json(meta["thresholds"])
        seconds, scores = _seconds(meta, members), (meta.get("validation") or {}).get("labs", {})
        labs = {
            lab: {
                action: {
                    "threshold": thresholds.get(lab, action),
                    "training_seconds": seconds.get(lab, {}).get(action),
                    "score": scores.get(lab, {}).get("actions", {}).get(action),
                }
                for action in actions
            }
            for lab, actions in meta["lab_actions"].items()
        }
        window = first["config"]["window"]
        return {
            "kind": "ensemble" if members else "recogniser",
            "members": [m["config"]["name"] for m in members],
            "space": meta.get("ensemble", {}).get("space"),
            "config": first["config"],
            "clock": {"hz": CLOCK_HZ, "min_fps": MIN_FPS, "window": window, "window_s": window / CLOCK_HZ},
            "labs": labs,
            "vocabulary": meta["vocabulary"]["actions"],
            "parts": {part: list(names) for part, names in unified_part_sources(first["part_map"]).items()},
            "part_map": first["part_map"],
            "features": {"version": first["features"]["version"], "count": len(first["features"]["names"])},
            "decoding": meta["decoding"],
            "validation": (meta.get("validation") or {}).get("score"),
            "data_fingerprint": meta.get("data_fingerprint"),
            "videos": {k: len({s["video_id"] for s in v}) for k, v in (meta.get("split") or {}).items()},
            "fine_tuned": meta.get("fine_tuned"),
            "notes": meta.get("notes", []),
        }
    except (KeyError, TypeError, AttributeError) as err:
        raise ContractError(
            f"{folder / 'meta.json'} is not the description of an Etholake model: {err!r}."
        ) from err


def lines(found: Mapping[str, Any]) -> list[str]:
    """`describe` as text."""
    clock, config = found["clock"], found["config"]
    kind = (
        f"ensemble of {', '.join(found['members'])}, mean {found['space']}" if found["members"] else "recogniser"
    )
    said = [
        f"{kind}; configuration {config['name']} ({config['family']}, {config['width']} wide)",
        f"clock    {clock['hz']:g} Hz, windows of {clock['window']} ticks ({clock['window_s']:.1f} s); videos of "
        f"at least {clock['min_fps']:g} frames/s",
        f"data     fingerprint {found['data_fingerprint']}; videos: "
        + ", ".join(f"{count} {part}" for part, count in found["videos"].items()),
        f"score    {_number(found['validation'])} on validation",
        f"features {found['features']['count']}, version {found['features']['version']}",
        "parts    " + "; ".join(f"{part} ({' or '.join(names)})" for part, names in found["parts"].items()),
    ]
    if tuned := found["fine_tuned"]:
        before = _number((tuned["before"] or {}).get("score"))
        said.append(
            f"tuned    from {tuned['from']}: labs added {tuned['labs_added']}, actions added "
            f"{tuned['actions_added']}; score before {before}"
        )
    for lab, actions in found["labs"].items():
        said.append(f"lab {lab}")
        for action, what in actions.items():
            said.append(
                f"  {action:<18} threshold {what['threshold']:.2f}, F {_number(what['score'])}, trained on "
                f"{_number(what['training_seconds'], '.0f')} s"
            )
    return [*said, *(f"note: {note}" for note in found["notes"])]


def _seconds(meta: Mapping[str, Any], members: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Seconds of training by lab and action; of an ensemble, the most that a member has seen."""
    found: dict[str, dict[str, float]] = {}
    for stored in (m.get("training_seconds") or {} for m in [meta, *members]):
        for lab, actions in stored.items():
            mine = found.setdefault(lab, {})
            for action, seconds in actions.items():
                mine[action] = max(seconds, mine.get(action, 0.0))
    return found


def _number(value: float | None, form: str = ".3f") -> str:
    return "unknown" if value is None else format(value, form)


def _meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ContractError(f"{folder / 'meta.json'} is not the description of an Etholake model: {err}.") from err
    if not isinstance(meta, dict):
        raise ContractError(f"{folder / 'meta.json'} is not the description of an Etholake model.")
    return meta
