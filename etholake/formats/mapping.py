"""Define the mapping of an import: how a lab's own names, units and files become those of the raw layout.

The mapping is a TOML file that the importer writes with its guesses, that a person edits, and that the next run
obeys (`etholake.formats.mapping_file` writes it). Here are its types, its strict reader, and the rule how a
person's mapping and new guesses are joined.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from etholake.contract import MAX_FPS, action_name
from etholake.errors import DataError, raise_collected, suggestion

__all__ = [
    "EACH",
    "ActionRule",
    "Arena",
    "ImportMapping",
    "Scale",
    "VideoRule",
    "joined",
    "parse_mapping",
]

EACH = "each"  # an animal that the source does not name: the label is written for every animal
_SCALES_APART = 1.25  # px/cm along x and y; pixels are square, but a camera may look from aside
FROM_FILE = "file"  # agent or target as the file says it; `EACH` where it does not


@dataclass(frozen=True)
class ActionRule:
    """Rule by which an action of the source is written.

    `name` "" leaves it out. `kind` is "self" or "pair". `agent` and `target` are "file" (as the source says, every
    animal where it says none), "each" or an animal's number.
    """

    name: str
    kind: Literal["self", "pair"]
    agent: str | int = FROM_FILE
    target: str | int = FROM_FILE


@dataclass(frozen=True)
class VideoRule:
    """The files of one video (paths below the folder; ``file::recording`` where a file holds several)."""

    video_id: int
    pose: str
    labels: tuple[str, ...] = ()
    video: str = ""
    split: Literal["train", "test"] = "train"
    fps: float | None = None
    pix_per_cm: float | None = None


@dataclass(frozen=True)
class Scale:
    """Source of px/cm: the number itself, or a body's known length between two parts (own names)."""

    pix_per_cm: float | None = None
    body_length_cm: float | None = None
    body_parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arena:
    """Size of the arena in cm, and its edges in px of the picture, where known; the two give px/cm."""

    width_cm: float | None = None
    height_cm: float | None = None
    shape: str = ""
    type: str = ""
    left_px: float | None = None
    right_px: float | None = None
    top_px: float | None = None
    bottom_px: float | None = None


@dataclass(frozen=True)
class ImportMapping:
    """The whole mapping of one import.

    `animals` gives names of animals and of subjects their numbers (0: left out, "each": unknown); `parts` gives
    parts their names ("": left out).
    """

    source: str
    lab: str
    fps: float | None = None
    min_likelihood: float = 0.0
    unpaired: Literal["error", "drop", "until-end"] = "error"
    point_events: Literal["leave-out", "one-frame"] = "leave-out"
    partial: Literal["spans", "leave-out", "as-absent"] = "spans"
    unpickle: bool = False
    scale: Scale = field(default_factory=Scale)
    arena: Arena = field(default_factory=Arena)
    animals: Mapping[str, int | str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, ActionRule] = field(default_factory=dict)
    videos: Mapping[str, VideoRule] = field(default_factory=dict)
    species: str = ""
    annotators: Literal["ask", "unite"] = "ask"

    def as_json(self) -> dict[str, Any]:
        """Return everything in JSON types."""
        return asdict(self)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "unpaired": ("error", "drop", "until-end"),
    "point_events": ("leave-out", "one-frame"),
    "partial": ("spans", "leave-out", "as-absent"),
    "annotators": ("ask", "unite"),
    "split": ("train", "test"),
    "kind": ("self", "pair"),
}


class _Reader:
    """Reads one table of the TOML strictly and collects what is wrong with it."""

    def __init__(self, table: Any, where: str, problems: list[str]) -> None:
        if not isinstance(table, dict):
            problems.append(f"{where} must be a table, but is {table!r}")
            table = {}
        self.table, self.where, self.problems = table, where, problems

    def refuse_unknown(self, names: Collection[str]) -> None:
        for name in self.table.keys() - set(names):
            self.problems.append(f"{self.where}: there is no key '{name}'. {suggestion(name, names)}")

    def get(self, name: str, default: Any, wanted: str, fits: Callable[[Any], bool]) -> Any:
        value = self.table.get(name, default)
        if name in self.table and not fits(value):
            self.problems.append(f"{self.where}: {name} must be {wanted}, but is {value!r}")
            return default
        return value

    def text(self, name: str, default: str = "") -> str:
        return str(self.get(name, default, "a text", lambda v: isinstance(v, str)))

    def choice(self, name: str, default: str) -> Any:
        choices = _CHOICES[name]
        return self.get(name, default, f"one of {', '.join(choices)}", lambda v: v in choices)

    def above_zero(self, name: str) -> float | None:
        value = self.get(name, None, "a number above 0", lambda v: _is_number(v) and 0 < v < 1e9)
        return None if value is None else float(value)

    def frame_rate(self) -> float | None:
        wanted = f"a number above 0 and at most {MAX_FPS:g}"
        value = self.get("fps", None, wanted, lambda v: _is_number(v) and 0 < v <= MAX_FPS)
        return None if value is None else float(value)

    def number(self, name: str) -> float | None:
        value = self.get(name, None, "a number", lambda v: _is_number(v) and abs(v) < 1e9)
        return None if value is None else float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        def fits(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)

        return tuple(self.get(name, [], "a list of texts", fits))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def parse_mapping(text: str, where: str) -> ImportMapping:
    """Return the mapping that a TOML text holds; `where` names the file in messages.

    Raises DataError that lists everything wrong: broken TOML, an unknown key, a value of the wrong kind.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise DataError(
            f"{where} is no valid TOML: {err}. Mend that line, or delete the file to start anew."
        ) from err
    problems: list[str] = []
    top = _Reader(document, where, problems)
    top.refuse_unknown([f.name for f in fields(ImportMapping)])
    scale = _Reader(document.get("scale", {}), "[scale]", problems)
    scale.refuse_unknown([f.name for f in fields(Scale)])
    arena = _Reader(document.get("arena", {}), "[arena]", problems)
    arena.refuse_unknown([f.name for f in fields(Arena)])
    edges = {name: arena.number(name) for name in ("left_px", "right_px", "top_px", "bottom_px")}
    if scale.texts("body_parts") and len(scale.texts("body_parts")) != 2:
        problems.append('[scale]: body_parts must name two parts, for example ["nose", "tail_base"]')
    mapping = ImportMapping(
        source=top.text("source"),
        lab=top.text("lab"),
        species=top.text("species").strip(),
        fps=top.frame_rate(),
        min_likelihood=float(
            top.get("min_likelihood", 0.0, "a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1)
        ),
        unpaired=top.choice("unpaired", "error"),
        point_events=top.choice("point_events", "leave-out"),
        partial=top.choice("partial", "spans"),
        annotators=top.choice("annotators", "ask"),
        unpickle=bool(top.get("unpickle", False, "true or false", lambda v: isinstance(v, bool))),
        scale=Scale(scale.above_zero("pix_per_cm"), scale.above_zero("body_length_cm"), scale.texts("body_parts")),
        arena=Arena(
            arena.above_zero("width_cm"), arena.above_zero("height_cm"), arena.text("shape"), arena.text("type"),
            **edges,
        ),
        animals=_animals(document.get("animals", {}), problems),
        parts=_parts(document.get("parts", {}), problems),
        actions=_actions(document.get("actions", {}), problems),
        videos=_videos(document.get("videos", {}), problems),
    )  # fmt: skip
    if (mapping.scale.body_length_cm is None) != (not mapping.scale.body_parts):
        problems.append("[scale]: body_length_cm and body_parts, between which it is measured, go together")
    problems += _edge_problems(mapping.arena)
    raise_collected(DataError, f"{where} cannot be used; mend these places and run again", problems)
    return mapping


def _edge_problems(arena: Arena) -> list[str]:
    """Return what keeps the arena's edges from giving px/cm; edges that are not given are no problem."""
    problems, scales = [], []
    for names, low, high, cm in (
        ("left_px, right_px and width_cm", arena.left_px, arena.right_px, arena.width_cm),
        ("top_px, bottom_px and height_cm", arena.top_px, arena.bottom_px, arena.height_cm),
    ):
        if low is None and high is None:
            continue
        if low is None or high is None or cm is None:
            problems.append(f"[arena]: {names} go together: two of them give no px/cm")
        elif high <= low:
            problems.append(f"[arena]: of {names} the second must be the greater edge (y grows downwards)")
        else:
            scales.append((high - low) / cm)
    if len(scales) == 2 and max(scales) > _SCALES_APART * min(scales):
        both = f"its width gives {scales[0]:.3g} px/cm, its height {scales[1]:.3g}"
        problems.append(f"[arena]: {both}: an edge or a length is wrong")
    return problems


def _animals(table: Any, problems: list[str]) -> dict[str, int | str]:
    reader = _Reader(table, "[animals]", problems)
    wanted = f'a number from 1 (0 leaves the animal out), or "{EACH}"'

    def fits(value: Any) -> bool:
        return value == EACH or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 127)

    return {name: reader.get(name, EACH, wanted, fits) for name in reader.table}


def _parts(table: Any, problems: list[str]) -> dict[str, str]:
    reader = _Reader(table, "[parts]", problems)
    return {name: reader.text(name).strip() for name in reader.table}


def _actions(table: Any, problems: list[str]) -> dict[str, ActionRule]:
    actions = {}
    for name, entry in _Reader(table, "[actions]", problems).table.items():
        reader = _Reader(entry, f"[actions.{name!r}]", problems)
        reader.refuse_unknown([f.name for f in fields(ActionRule)])
        written = action_name(reader.text("name", name))
        if "," in written:
            problems.append(f"[actions.{name!r}]: a name must not hold a comma, but is {written!r}")
        who = f'"{FROM_FILE}", "{EACH}" or an animal\'s number'

        def fits(value: Any) -> bool:
            return value in (FROM_FILE, EACH) or (isinstance(value, int) and 1 <= value <= 127)

        actions[name] = ActionRule(
            written,
            reader.choice("kind", "pair"),
            reader.get("agent", FROM_FILE, who, fits),
            reader.get("target", FROM_FILE, who, fits),
        )
    return actions


def _videos(table: Any, problems: list[str]) -> dict[str, VideoRule]:
    videos: dict[str, VideoRule] = {}
    ids: dict[int, str] = {}
    for name, entry in _Reader(table, "[videos]", problems).table.items():
        reader = _Reader(entry, f"[videos.{name!r}]", problems)
        reader.refuse_unknown([f.name for f in fields(VideoRule)])
        number = reader.get(
            "video_id",
            -1,
            "a whole number",
            lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 <= v < 2**63,
        )
        if number in ids:
            problems.append(f"[videos.{name!r}]: video_id {number} is that of '{ids[number]}' already")
        if number < 0 or not reader.text("pose"):
            problems.append(f"[videos.{name!r}]: needs a video_id and a pose")
        ids[number] = name
        videos[name] = VideoRule(
            number,
            reader.text("pose"),
            reader.texts("labels"),
            reader.text("video"),
            reader.choice("split", "train"),
            reader.frame_rate(),
            reader.above_zero("pix_per_cm"),
        )
    return videos


def joined(own: ImportMapping, guess: ImportMapping, settled: Collection[str]) -> ImportMapping:
    """Return a person's mapping with guesses for what it does not name.

    Parameters
    ----------
    own
        The mapping as it was read: everything in it wins.
    guess
        A guess from the files as they are now.
    settled
        Keys of recordings and videos (`VideoRule.pose`, `labels`, `video`) that were there when the person's
        mapping was written: where one of these is not named, it was taken out on purpose.
    """
    by_pose = {rule.pose: name for name, rule in own.videos.items()}
    videos = dict(own.videos)
    used = {key for rule in own.videos.values() for key in rule.labels}
    for name, rule in guess.videos.items():
        new_labels = tuple(key for key in rule.labels if key not in settled and key not in used)
        if rule.pose in by_pose:
            own_rule = videos[by_pose[rule.pose]]
            video = own_rule.video or ("" if rule.video in settled else rule.video)
            videos[by_pose[rule.pose]] = replace(own_rule, labels=own_rule.labels + new_labels, video=video)
        elif rule.pose not in settled:
            videos[name if name not in videos else f"{name} ({rule.pose})"] = rule
    return replace(
        own,
        source=own.source or guess.source,
        lab=own.lab or guess.lab,
        animals={**guess.animals, **own.animals},
        parts={**guess.parts, **own.parts},
        actions={**guess.actions, **own.actions},
        videos=videos,
    )
