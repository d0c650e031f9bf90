"""Stage explain: what a trained model knows, from what is stored with it. Nothing is computed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etholake.contract import unified_part_sources
from etholake.dataset.pose_tracks import CLOCK_HZ, MIN_FPS
from etholake.errors import ContractError
from etholake.events.post_processing import PostProcessing
from etholake.models.archive import META
from etholake.settings import Settings
from etholake.stages.model.models import unpacked

__all__ = ["describe", "lines", "run"]


def run(settings: Settings, model: str) -> dict[str, Any]:
    """What the model knows, as JSON (see `describe`). `model` as in `stages.models.pack`."""
    with unpacked(settings, model) as folder:
        return describe(folder)


def describe(folder: Path) -> dict[str, Any]:
    """What `meta.json` says of a model and, of an ensemble or a stack, of those below it.

    Keys: `kind`, `members` (configurations of all recognisers below it), `space`, `config` (of the first network,
    or of the trees if there is none), `clock` (hz, min_fps, window; None without a network), `labs` ({lab:
    {action: threshold, seconds of training, score}}; None where not stored), `vocabulary`, `parts` ({unified part:
    names that stand for it}), `part_map`, `features`, `decoding`, `validation`, `data_fingerprint`, `videos`
    (number by part of the split), `fine_tuned`, `notes`. Raises ContractError if there is no model in the folder.
    """
    meta, below = _meta(folder), list(_below(folder))
    leaves = [m for m in below if m.get("kind") in ("recogniser", "boosted")] or [meta]
    network = next((m for m in leaves if m.get("kind") == "recogniser"), None)
    try:
        decisions = PostProcessing.from_dict(meta["decisions"])
        seconds, scores = _seconds([meta, *below]), (meta.get("validation") or {}).get("labs", {})
        labs = {
            lab: {
                action: {
                    "threshold": decisions.thresholds.get(lab, action),
                    "training_seconds": seconds.get(lab, {}).get(action),
                    "score": scores.get(lab, {}).get("actions", {}).get(action),
                }
                for action in actions
            }
            for lab, actions in meta["lab_actions"].items()
        }
        window = network["config"]["window"] if network else None
        features = network["features"] if network else None
        return {
            "kind": meta["kind"],
            "members": [m["config"].get("name", m["kind"]) for m in leaves] if below else [],
            "space": next((m["ensemble"]["space"] for m in [meta, *below] if "ensemble" in m), None),
            "config": (network or leaves[0])["config"],
            "clock": {
                "hz": CLOCK_HZ, "min_fps": MIN_FPS, "window": window,
                "window_s": window / CLOCK_HZ if window else None,
            },
            "labs": labs,
            "vocabulary": meta["vocabulary"]["actions"],
            "parts": {part: list(names) for part, names in unified_part_sources(meta["part_map"]).items()},
            "part_map": meta["part_map"],
            "features": {"version": features["version"], "count": len(features["names"])} if features else None,
            "decoding": meta["decisions"]["decoding"],
            "validation": (meta.get("validation") or {}).get("score"),
            "data_fingerprint": meta.get("data_fingerprint"),
            "videos": {k: len({s["video_id"] for s in v}) for k, v in (meta.get("split") or {}).items()},
            "fine_tuned": meta.get("fine_tuned"),
            "notes": meta.get("notes", []),
        }  # fmt: skip
    except (KeyError, TypeError, AttributeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err


def lines(found: Mapping[str, Any]) -> list[str]:
    """`describe` as text."""
    clock, config, features = found["clock"], found["config"], found["features"]
    windows = (
        f"windows of {clock['window']} ticks ({clock['window_s']:.1f} s)" if clock["window"] else "no windows"
    )
    said = [
        _what(found),
        f"network  configuration {config['name']} ({config['family']}, {config['width']} wide)"
        if features
        else f"trees    {config['rounds']} rounds, {config['depth']} deep",
        f"clock    {clock['hz']:g} Hz, {windows}; videos of at least {clock['min_fps']:g} frames/s",
        f"data     fingerprint {found['data_fingerprint']}; videos: "
        + ", ".join(f"{count} {part}" for part, count in found["videos"].items()),
        f"score    {_number(found['validation'])} on validation",
        *([f"features {features['count']}, version {features['version']}"] if features else []),
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


def _what(found: Mapping[str, Any]) -> str:
    """The kind of model, and what it is made of."""
    counts = Counter(found["members"])
    members = ", ".join(f"{n} × {name}" if n > 1 else name for name, n in counts.items())
    space = f", mean {found['space']}" if found["space"] else ""
    return f"{found['kind']} of {members}{space}" if members else str(found["kind"])


def _seconds(metas: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Seconds of training by lab and action; of several models, the most that one has seen."""
    found: dict[str, dict[str, float]] = {}
    for stored in (meta.get("training_seconds") or {} for meta in metas):
        for lab, actions in stored.items():
            mine = found.setdefault(lab, {})
            for action, seconds in actions.items():
                mine[action] = max(seconds, mine.get(action, 0.0))
    return found


def _number(value: float | None, form: str = ".3f") -> str:
    return "unknown" if value is None else format(value, form)


def _below(folder: Path) -> Iterator[dict[str, Any]]:
    """Descriptions of the models that one is made of, at any depth."""
    for path in sorted((*folder.glob("members/*/"), *folder.glob("bases/*/")), key=lambda p: int(p.name)):
        yield _meta(path)
        yield from _below(path)


def _meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err}.") from err
    if not isinstance(meta, dict):
        raise ContractError(f"{folder / META} is not the description of an Etholake model.")
    return meta
