"""Describe simulated laboratories: what each tracks, at which rate and scale, and how it annotates."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from etholake.contract import SELF_ACTIONS
from etholake.errors import UsageError
from etholake.simulate import kinematics
from etholake.simulate.motion import Scene, SimulatedEvent

__all__ = ["Rig", "annotate", "names", "rig", "schedule"]

_FIRST = (
    "Quiet",
    "Amber",
    "Brisk",
    "Cobalt",
    "Dusky",
    "Early",
    "Fabled",
    "Gentle",
    "Hazel",
    "Ivory",
    "Jolly",
    "Keen",
)
_SECOND = (
    "Otter",
    "Finch",
    "Badger",
    "Heron",
    "Marten",
    "Vole",
    "Lynx",
    "Plover",
    "Shrike",
    "Stoat",
    "Tern",
    "Wren",
)

_PART_SCHEMES: tuple[tuple[str, ...], ...] = (
    ("ear_left", "ear_right", "hip_left", "hip_right", "neck", "nose", "tail_base"),
    ("body_center", "ear_left", "ear_right", "nose", "tail_base"),
    ("body_center", "ear_left", "ear_right", "lateral_left", "lateral_right", "neck", "nose", "tail_base",
     "tail_midpoint", "tail_tip"),
    ("ear_left", "ear_right", "head", "tail_base"),
    ("body_center", "ear_left", "ear_right", "forepaw_left", "forepaw_right", "hindpaw_left", "hindpaw_right",
     "neck", "nose", "spine_1", "spine_2", "tail_base", "tail_middle_1", "tail_tip"),
    ("body_center", "ear_left", "ear_right", "headpiece_bottombackleft", "headpiece_bottombackright",
     "headpiece_bottomfrontleft", "headpiece_bottomfrontright", "headpiece_topbackleft", "headpiece_topbackright",
     "headpiece_topfrontleft", "headpiece_topfrontright", "lateral_left", "lateral_right", "neck", "nose",
     "tail_base", "tail_midpoint", "tail_tip"),
    ("body_center", "ear_left", "ear_right", "hip_left", "hip_right", "lateral_left", "lateral_right", "nose",
     "spine_1", "tail_base", "tail_tip"),
)  # fmt: skip
_REPERTOIRES: tuple[tuple[str, ...], ...] = (
    ("approach", "attack", "chase", "rear", "sniff"),
    ("attack", "mount", "selfgroom", "sniff"),
    ("chase", "escape", "rest", "sniffgenital"),
    ("dig", "follow", "rear", "sniff", "sniffface"),
    ("attack", "defend", "escape", "freeze"),
    ("allogroom", "huddle", "run", "sniffbody"),
    ("climb", "exploreobject", "selfgroom"),
)
_FPS = (30.0, 25.0, 60.0, 10.0, 30.0, 120.0, 25.0)
_MICE = (2, 2, 3, 2, 2, 4, 1)
_OBJECTS = (0, 0, 0, 0, 0, 0, 2)
# Names that a lab of one animal gives to body parts, as many labs do: none is in the vocabulary.
_OWN_NAMES = {
    "nose": "snout", "ear_left": "leftear", "ear_right": "rightear", "hip_left": "l_hip", "hip_right": "r_hip",
    "tail_base": "tail_1",
}  # fmt: skip


@dataclass(frozen=True)
class Rig:
    """One laboratory. The actions `annotated` are labeled; those of `shown` also happen.

    Habits of its annotator, in seconds: late by `delay_s`, no event below `shortest_s`, and two events of one kind
    that are no more than `merge_s` apart are written as one.
    """

    name: str
    parts: tuple[str, ...]
    fps: float
    pix_per_cm: float
    width_cm: float
    height_cm: float
    mice: int
    annotated: tuple[str, ...]
    shown: tuple[str, ...]
    delay_s: float
    shortest_s: float
    merge_s: float
    objects: int = 0

    def scene(self, seconds: float, video: int = 0) -> Scene:
        """Return arena, mice, frame rate and objects of a video of this rig that lasts `seconds`.

        The objects stand in other places in every `video`.
        """
        half = np.array([self.width_cm, self.height_cm]) / 2 - 8.0
        drawn = np.random.default_rng([video, 7]).uniform(-half, half, (self.objects, 2))
        objects = tuple((float(x), float(y)) for x, y in drawn)
        frames = max(1, round(seconds * self.fps))
        return Scene(frames, self.mice, self.fps, self.width_cm, self.height_cm, objects)

    @property
    def names(self) -> tuple[str, ...]:
        """The lab's names of its `parts`, then those of its objects."""
        own = self.parts if self.mice > 1 else tuple(_OWN_NAMES.get(part, part) for part in self.parts)
        return (*own, *(f"object_{n + 1}" for n in range(self.objects)))


def names(labs: int | Sequence[str]) -> list[str]:
    """Return names of that many labs, or the given ones, each beginning with `Sim`.

    Raises UsageError for none, for a name twice, and for one that is not letters and digits (it becomes a folder).
    """
    if isinstance(labs, int):
        invented = [f"Sim{a}{b}" for b in _SECOND for a in _FIRST]
        given = [
            invented[(i * 13) % len(invented)] + ("" if i < len(invented) else str(i // len(invented)))
            for i in range(labs)
        ]
    else:
        given = [name if name.startswith("Sim") else f"Sim{name}" for name in labs]
    if not given or len(set(given)) < len(given) or not all(name.isalnum() for name in given):
        raise UsageError(f"labs must be at least one, with different names of letters and digits, but got {labs}.")
    return given


def rig(name: str, seed: int, index: int) -> Rig:
    """Return the rig of a lab: the same for the same name, seed and index."""
    random = np.random.default_rng([seed, zlib.crc32(name.encode()), 1])
    annotated = _REPERTOIRES[index % len(_REPERTOIRES)]
    alone = _MICE[index % len(_MICE)] == 1
    others = [
        action
        for action in ("rear", "sniff", "run", "follow", "rest")
        if action not in annotated and not (alone and action not in SELF_ACTIONS)
    ]
    width = float(random.choice([30.0, 40.0, 50.0, 60.0]))
    return Rig(
        name,
        _PART_SCHEMES[index % len(_PART_SCHEMES)],
        _FPS[index % len(_FPS)],
        round(float(random.uniform(6, 30)), 1),
        width,
        float(random.choice([width, width * 0.75])),
        _MICE[index % len(_MICE)],
        annotated,
        (*annotated, *others[:1]),
        float(random.uniform(0, 0.12)),
        float(random.uniform(0.1, 0.3)),
        float(random.uniform(0.2, 1.0)),
        _OBJECTS[index % len(_OBJECTS)],
    )


def schedule(rig: Rig, seconds: float, random: np.random.Generator) -> list[SimulatedEvent]:
    """Draw what happens in one video: events one after the other, in as many lanes as there are pairs of mice.

    A mouse alone has a lane of its own.
    """
    events: list[SimulatedEvent] = []
    order = random.permutation(rig.mice)
    lanes = [order[i : i + 2] if rig.mice - i != 3 else order[i:] for i in range(0, max(1, rig.mice - 1), 2)]
    for lane in lanes:
        now = float(random.exponential(1.0))
        while now < seconds - 0.5:
            action = str(random.choice(rig.shown))
            is_self = action in SELF_ACTIONS
            move = kinematics.of(action, is_self=is_self)
            length = float(move.seconds * np.exp(random.normal(0, 0.45)))
            agent, other = (int(m) for m in random.choice(lane, 2, replace=False)) if len(lane) > 1 else (0, 0)
            start, stop = round(now * rig.fps), round(min(now + length, seconds) * rig.fps)
            if stop > start:
                events.append(SimulatedEvent(start, stop, agent, agent if is_self else other, action))
            now += length + 0.4 + float(random.exponential(1.1))
    return sorted(events)


def annotate(rig: Rig, events: Sequence[SimulatedEvent], frames: int) -> list[SimulatedEvent]:
    """Return what the lab's annotator writes: the annotated subset, late, merged, without short events."""
    delay, shortest, near = (round(s * rig.fps) for s in (rig.delay_s, rig.shortest_s, rig.merge_s))
    written: list[SimulatedEvent] = []
    last: dict[tuple[int, int, str], int] = {}  # where in `written` the kind stands that may go on
    for b in sorted(events):
        start, stop = min(b.start + delay, frames), min(b.stop + delay // 2, frames)
        if b.action not in rig.annotated or stop - start < max(1, shortest):
            continue
        kind = (b.agent, b.target, b.action)
        if kind in last and start - written[last[kind]].stop <= near:
            written[last[kind]] = replace(written[last[kind]], stop=stop)
        else:
            last[kind] = len(written)
            written.append(SimulatedEvent(start, stop, *kind))
    return sorted(written)
