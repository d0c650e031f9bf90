"""Convert recordings into the rows of the raw layout. Every point and every bout is either written or counted.

Shape letters: N = frames, A = animals, P = parts of a recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etholake.contract import MAX_ANIMALS
from etholake.errors import DataError
from etholake.formats.base import Bout, LabelRecording, PoseRecording, Remark, ScoredSpan
from etholake.formats.facts import missing_points
from etholake.formats.labels.clock import in_frames
from etholake.formats.layout import triplet_item
from etholake.formats.mapping import EACH, ActionRule

__all__ = ["Balance", "LabelRules", "Labelled", "PoseRules", "convert_labels", "convert_pose"]

MAX_FRAME = 2**31 - 2  # the contract's video_frame is a 32-bit int
END_SLACK = 2  # frames by which labels may end before the tracks and still cover the video
_CM = {"cm": 1.0, "mm": 0.1, "m": 100.0}

Row = tuple[int, int, str, int, int]
Spans = tuple[tuple[int, int], ...]


@dataclass
class Balance:
    """Counts that always agree: `total` equals `written` plus the sum of `left_out`, which is by reason."""

    total: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def check(self, what: str) -> None:
        """Raise AssertionError if something was lost."""
        lost = self.total - self.written - self.left_out.total()
        assert lost == 0, f"{what}: {lost} of {self.total} are neither written nor accounted for"

    def add(self, other: Balance) -> None:
        """Add another balance to this one."""
        self.total += other.total
        self.written += other.written
        self.left_out += other.left_out

    def as_json(self) -> dict[str, Any]:
        """Return the balance in JSON types."""
        return {"in": self.total, "written": self.written, "left_out": dict(sorted(self.left_out.items()))}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Balance:
        """Return the balance that `as_json` wrote."""
        return cls(entry["in"], entry["written"], Counter(entry["left_out"]))


@dataclass(frozen=True)
class PoseRules:
    """Rules by which names and units of a recording become those of the layout.

    `numbers` and `names` follow the recording's animals and parts (0 and "" are left out); `pix_per_cm` turns
    other units into px. Points with a likelihood below `min_likelihood` are written and counted in a remark: it is
    the curation that takes them for missing.
    """

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    pix_per_cm: float | None = None
    min_likelihood: float = 0.0


def convert_pose(recording: PoseRecording, rules: PoseRules) -> tuple[pa.Table, Balance, list[Remark]]:
    """Return the raw rows of a recording, the balance of its points, and remarks.

    Returns
    -------
    table
        `video_frame, mouse_id, bodypart, x, y` (px), with `z` (px) and `likelihood` where the recording has them;
        rows by frame, animal and part; a missing point has no row.

    Raises
    ------
    DataError
        Two animals get one number, two parts one name, an animal a number that the lake cannot hold, or a frame is
        beyond 32 bits.
    """
    _check_rules(recording, rules)
    A, P = len(recording.animals), len(recording.parts)
    xyz, remarks = _in_pixels(recording, rules.pix_per_cm)
    present: Any = np.isfinite(xyz[..., :2]).all(axis=-1)
    balance = Balance(int(present.size), 0, Counter(missing_points(recording)))
    keep: Any = present.copy()
    for index, number in enumerate(rules.numbers):
        if not number:
            _leave_out(keep[:, index], balance, "animal left out by the mapping")
    for index, name in enumerate(rules.names):
        if not name:
            _leave_out(keep[:, :, index], balance, "part left out by the mapping")
    likelihood = recording.likelihood
    if likelihood is not None and rules.min_likelihood > 0:
        low = int(np.count_nonzero(keep & (likelihood < np.float32(rules.min_likelihood))))  # NaN is not below
        text = (
            f"{low:,} of {np.count_nonzero(keep):,} points have a likelihood below {rules.min_likelihood:g}: "
            "they are written, and curation takes them for missing (rule likelihood-low)"
        )
        remarks += [Remark("note", text, remedy="min_likelihood")] if low else []
    elif rules.min_likelihood > 0:
        remarks.append(Remark("note", "the tracks have no likelihood: min_likelihood does nothing here"))
    cells = np.flatnonzero(keep.ravel())
    balance.written = cells.size
    balance.left_out = +balance.left_out
    balance.check(f"points of '{recording.name}'")
    xyz = xyz.reshape(-1, xyz.shape[-1])[cells]
    part = (cells % P).astype(np.int16)
    names = pa.array([name or "left out" for name in rules.names], pa.string())
    columns = {
        "video_frame": recording.frames[cells // (A * P)].astype(np.int32),
        "mouse_id": np.asarray(rules.numbers, np.int8)[cells // P % A],
        "bodypart": pa.DictionaryArray.from_arrays(pa.array(part), names),
        "x": np.ascontiguousarray(xyz[:, 0]),
        "y": np.ascontiguousarray(xyz[:, 1]),
    }
    if xyz.shape[-1] == 3:
        columns["z"] = _nullable(xyz[:, 2])
    if likelihood is not None:
        columns["likelihood"] = _nullable(likelihood.ravel()[cells])
    return pa.table(columns), balance, remarks


def _check_rules(recording: PoseRecording, rules: PoseRules) -> None:
    problems = []
    for what, own, given in (("animal", recording.animals, rules.numbers), ("part", recording.parts, rules.names)):
        used = [value for value in given if value]
        for value in dict.fromkeys(v for v in used if used.count(v) > 1):
            same = ", ".join(f"'{name}'" for name, other in zip(own, given, strict=True) if other == value)
            problems.append(f"the {what}s {same} are all mapped to {value!r}: give each its own in [{what}s]")
    beyond = [name for name, number in zip(recording.animals, rules.numbers, strict=True) if number > MAX_ANIMALS]
    if beyond:
        problems.append(
            f"the lake holds animals 1 to {MAX_ANIMALS}, but the tracks have {len(recording.animals)}, of which "
            f"{', '.join(map(repr, beyond[:5]))}{' and others' if beyond[5:] else ''} have higher numbers: choose "
            f"{MAX_ANIMALS} in [animals] and set the others to 0, which leaves them out"
        )
    if len(recording.frames) and recording.frames[-1] > MAX_FRAME:
        problems.append(f"frame {recording.frames[-1]} is beyond {MAX_FRAME}")
    if problems:
        raise DataError(f"{'; '.join(problems)}.")


def _leave_out(keep: npt.NDArray[np.bool_], balance: Balance, reason: str) -> None:
    balance.left_out[reason] += int(np.count_nonzero(keep))
    keep[...] = False


def _in_pixels(recording: PoseRecording, pix_per_cm: float | None) -> tuple[npt.NDArray[np.float32], list[Remark]]:
    """Return coordinates in px [N, A, P, 2 or 3]; other units need px/cm."""
    if recording.unit == "px":
        return recording.xyz, []
    if pix_per_cm is None:
        raise DataError(f"the tracks are in {recording.unit}, and no px/cm is known: give it in [scale].")
    xyz = recording.xyz * np.float32(_CM[recording.unit] * pix_per_cm)
    remarks = []
    with np.errstate(invalid="ignore"):
        lowest = np.nan_to_num(np.fmin.reduce(xyz.reshape(-1, xyz.shape[-1])[:, :2], axis=0), nan=0.0)
    if (lowest < 0).any():
        shift = np.zeros(xyz.shape[-1], np.float32)
        shift[:2] = np.maximum(-lowest, 0)
        xyz = xyz + shift
        text = (
            f"coordinates below 0 {recording.unit}: moved by ({shift[0]:.1f}, {shift[1]:.1f}) px, so that none is"
        )
        remarks.append(Remark("assumed", text))
    return xyz, remarks


def _nullable(values: npt.NDArray[np.float32]) -> pa.Array:
    values = np.ascontiguousarray(values)
    return pa.array(values, mask=~np.isfinite(values))


# --- labels -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class LabelRules:
    """Rules by which labels become rows.

    `subjects` gives names their numbers or "each"; `animals` are the numbers in the tracks, of which `objects` are
    no animals: a label is theirs only where it names them; `frames` is the span
    ``[first, stop)`` of the tracks; `partial` says what becomes of an action that was looked for only in a part of
    it, and `annotators` of an action that several recordings have looked for; `frame_count` is the length of the
    video.
    """

    fps: float | None
    subjects: Mapping[str, int | str]
    animals: tuple[int, ...]
    actions: Mapping[str, ActionRule]
    frames: tuple[int, int]
    partial: str = "spans"
    annotators: str = "ask"
    frame_count: int | None = None
    objects: tuple[int, ...] = ()

    @property
    def living(self) -> tuple[int, ...]:
        """Return the animals for which a label without a name is written."""
        return tuple(number for number in self.animals if number not in self.objects)


@dataclass(frozen=True)
class Labelled:
    """The labels of a video in the raw layout.

    `rows` of the annotation and `items` of `behaviors_labeled` are sorted and distinct; `balance` counts bouts.
    `spans` are the frames ``[start, stop)`` that were looked at, for the items that were looked for in parts only.
    """

    rows: tuple[Row, ...]
    items: tuple[str, ...]
    balance: Balance
    remarks: tuple[Remark, ...]
    spans: Mapping[str, Spans] = field(default_factory=dict)


def convert_labels(
    recordings: Sequence[LabelRecording], rules: LabelRules, sources: Sequence[str] = ()
) -> Labelled:
    """Return the raw rows of a video's labels; `sources` name the recordings in messages.

    A bout without a known agent or target is written for every animal that it may be, and a remark says so. An
    action is listed as looked for (`items`) for each agent whose scored spans cover the tracks.

    Raises
    ------
    DataError
        Seconds without frames per second, a bout without an end in a video of unknown length, or two recordings
        that disagree on an action (`rules.annotators` "ask").
    """
    balance = Balance()
    remarks: list[Remark] = []
    rows: set[Row] = set()
    open_directions: Counter[str] = Counter()
    looked_for: dict[tuple[int, int, str], list[tuple[int, int]]] = {}
    opinions: list[tuple[set[Row], dict[tuple[int, int, str], list[tuple[int, int]]]]] = []
    shared = tuple(dict.fromkeys(a for r in recordings if r.exclusive for a in r.vocabulary))
    names = Counter(rule.name for rule in rules.actions.values())
    merged = {name for name, count in names.items() if name and count > 1}
    for recording in recordings:
        own = recording
        own_rows: set[Row] = set()
        own_spans: dict[tuple[int, int, str], list[tuple[int, int]]] = {}
        opinions.append((own_rows, own_spans))
        if recording.frame_count is None and rules.frame_count is not None:
            own = replace(recording, frame_count=rules.frame_count)
        in_video = in_frames(own, rules.fps)
        balance.total += len(recording.bouts)
        lost = len(recording.bouts) - len(in_video.bouts)
        if lost:
            balance.left_out["covers no frame of the video"] += lost
        remarks += in_video.remarks[len(own.remarks) :]
        for bout in in_video.bouts:
            made, reason, is_open = _rows(bout, rules)
            if reason:
                balance.left_out[reason] += 1
                continue
            balance.written += 1
            open_directions[bout.action] += is_open
            own_rows.update(made)
        _join(own_rows, merged)
        rows |= own_rows
        for action, agent, span in _spans(in_video, rules, shared if recording.exclusive else ()):
            rule = rules.actions.get(action)
            if rule is None or not rule.name:
                continue
            for a, t in _triplets(Bout(action, 0, 1, agent), rule, rules, looked_for=True):
                stop = int(span.stop) if span.stop is not None else rules.frames[1]
                own_spans.setdefault((a, t, rule.name), []).append((int(span.start), stop))
        _take_out_unknown(in_video.unknown, rules, own_rows, own_spans)
        for triplet, spans_of_triplet in own_spans.items():
            looked_for.setdefault(triplet, []).extend(spans_of_triplet)
    if rules.annotators == "ask":
        _refuse_disagreement(opinions, sources or [r.annotator or r.name for r in recordings], rules)
    for action, count in sorted((+open_directions).items()):
        text = f"'{action}': {count} bouts do not say who does it to whom; they are written for every direction"
        remarks.append(Remark("assumed", text, remedy=f"agent and target of '{action}' in [actions]"))
    beyond = sum(row[4] > rules.frames[1] + END_SLACK for row in rows)
    if beyond:
        text = f"{beyond} labelled intervals end after the last frame of the tracks ({rules.frames[1] - 1})"
        remarks.append(Remark("note", text))
    balance.check("bouts")
    items, spans, partly = _items(looked_for, rules)
    remarks += partly
    ordered = tuple(sorted(rows, key=lambda r: (r[3], r[0], r[1], r[2], r[4])))
    return Labelled(ordered, items, balance, tuple(remarks), spans)


def _take_out_unknown(
    unknown: Sequence[ScoredSpan],
    rules: LabelRules,
    rows: Collection[Row],
    spans_of: dict[tuple[int, int, str], list[tuple[int, int]]],
) -> None:
    """Take the frames in which nobody knows whether an action took place off its spans; frames of bouts stay."""
    first, stop = rules.frames
    for span in unknown:
        rule = rules.actions.get(span.action)
        if rule is None or not rule.name:
            continue
        for agent, target in _triplets(Bout(span.action, 0, 1, span.agent), rule, rules, looked_for=True):
            triplet = (agent, target, rule.name)
            end = stop if span.stop is None else int(span.stop)
            kept = [
                part
                for a, b in _union(spans_of.get(triplet, ()), first, stop)
                for part in ((a, min(b, int(span.start))), (max(a, end), b))
            ]
            bouts = [row[3:] for row in rows if row[:3] == triplet]
            spans_of[triplet] = list(_union([*kept, *bouts], first, stop))


def _join(rows: set[Row], merged: Collection[str]) -> None:
    """Replace rows of actions that several actions of the files become, where they touch or overlap, by one."""
    ranges: dict[tuple[int, int, str], list[tuple[int, int]]] = {}
    for row in [row for row in rows if row[2] in merged]:
        rows.remove(row)
        ranges.setdefault(row[:3], []).append(row[3:])
    for triplet, own in ranges.items():
        first, stop = min(start for start, _ in own), max(end for _, end in own)
        rows.update((*triplet, *span) for span in _union(own, first, stop))


def _refuse_disagreement(
    opinions: Sequence[tuple[set[Row], Mapping[tuple[int, int, str], Sequence[tuple[int, int]]]]],
    sources: Sequence[str],
    rules: LabelRules,
) -> None:
    """Raise DataError if two recordings looked for one action in the same frames and do not say the same."""
    for (one, (rows, spans)), (two, (other_rows, other_spans)) in combinations(enumerate(opinions), 2):
        for triplet in sorted(spans.keys() & other_spans.keys()):
            ranges, other_ranges = (_union(s[triplet], *rules.frames) for s in (spans, other_spans))
            shared = [(max(a, c), min(b, d)) for a, b in ranges for c, d in other_ranges if a < d and c < b]
            bouts, other_bouts = (
                {piece for r in own if r[:3] == triplet for piece in _within(r[3:], shared)}
                for own in (rows, other_rows)
            )
            if bouts != other_bouts:
                raise DataError(
                    f"{sources[one]} and {sources[two]} both label '{triplet[2]}', and differ (two annotators?). "
                    'Leave one of them in labels of [videos], or set annotators = "unite" in mapping.toml.'
                )


def _within(bout: tuple[int, int], spans: Sequence[tuple[int, int]]) -> Spans:
    """Return the parts of a bout that lie in the spans."""
    return tuple((max(bout[0], a), min(bout[1], b)) for a, b in spans if bout[0] < b and a < bout[1])


def _rows(bout: Bout, rules: LabelRules) -> tuple[list[Row], str, bool]:
    """Return the rows of a bout, else why there is none, and whether its direction was open."""
    rule = rules.actions.get(bout.action)
    if rule is None or not rule.name:
        return [], "action left out by the mapping", False
    if 0 in (rules.subjects.get(bout.agent), rules.subjects.get(bout.target or "")):
        return [], "animal left out by the mapping", False
    pairs = _triplets(bout, rule, rules)
    if not pairs:
        return [], "its animal is not in the tracks, or is the only one", False
    made = [(agent, target, rule.name, int(bout.start), int(bout.stop)) for agent, target in pairs]
    return made, "", len(pairs) > 1


def _triplets(
    bout: Bout, rule: ActionRule, rules: LabelRules, *, looked_for: bool = False
) -> list[tuple[int, int]]:
    """Return the (agent, target) pairs that a bout may mean; with `looked_for` those that were observed for it."""
    agents = _animals(rule.agent, bout.agent, rules)
    if rule.kind == "self":
        return [(agent, agent) for agent in agents]
    targets = rules.living if looked_for and rule.target == "file" else _animals(rule.target, bout.target, rules)
    return [(agent, target) for agent in agents for target in targets if agent != target]


def _animals(rule: str | int, name: str | None, rules: LabelRules) -> tuple[int, ...]:
    """Return the animals that a name of the source may stand for, by the action's rule."""
    number: str | int = rule
    if rule == "file":
        number = rules.subjects.get(name, EACH) if name else EACH
    if isinstance(number, int):
        return (number,) if number in rules.animals else ()
    return rules.living


def _spans(
    recording: LabelRecording, rules: LabelRules, shared: Collection[str] = ()
) -> list[tuple[str, str, ScoredSpan]]:
    """Return (action, agent, span) of everything that was looked for, also of the actions `shared` with others.

    Without spans every action was looked for in all that was observed, in the animals that the source observes:
    those that it lists, and those that act in a bout; in every animal where it names none.
    """
    if recording.scored is not None:
        own = {span.action for span in recording.scored}
        lacking = [action for action in shared if action not in own]
        spans = [*recording.scored, *(replace(s, action=a) for a in lacking for s in recording.scored)]
        return [(span.action, span.agent, span) for span in spans]
    agents = dict.fromkeys(bout.agent for bout in recording.bouts)
    agents |= dict.fromkeys(name for name in recording.animals if isinstance(rules.subjects.get(name), int))
    actions = dict.fromkeys([*recording.vocabulary, *(bout.action for bout in recording.bouts)])
    spans = [ScoredSpan(action, *recording.observed) for action in actions]
    return [(span.action, agent, span) for span in spans for agent in agents or ("",)]


def _items(
    looked_for: Mapping[tuple[int, int, str], Sequence[tuple[int, int]]], rules: LabelRules
) -> tuple[tuple[str, ...], dict[str, Spans], list[Remark]]:
    """Return the items of `behaviors_labeled`, the spans of those looked for in part, and remarks on these."""
    first, stop = rules.frames
    items: list[str] = []
    spans_of: dict[str, Spans] = {}
    partly: dict[str, float] = {}
    for (agent, target, action), spans in sorted(looked_for.items()):
        covered = _covered(spans, first, stop)
        if covered >= stop - first - END_SLACK or rules.partial == "as-absent":
            items.append(triplet_item(agent, target, action))
            continue
        if rules.partial == "spans" and covered:
            items.append(triplet_item(agent, target, action))
            spans_of[items[-1]] = _union(spans, first, stop)
        partly[action] = max(partly.get(action, 0.0), covered / max(stop - first, 1))
    remarks = [
        Remark(
            "left-out" if rules.partial == "leave-out" else "note",
            f"'{action}' was looked for in {share:.0%} of the video only: "
            + ("no model learns from its bouts" if rules.partial == "leave-out" else "the rest is unlabelled"),
            remedy='partial = "as-absent" takes all other frames for frames without it',
        )
        for action, share in partly.items()
    ]
    return tuple(sorted(items)), spans_of, remarks


def _union(spans: Sequence[tuple[int, int]], first: int, stop: int) -> Spans:
    """Return the union of the spans within ``[first, stop)``."""
    union: list[tuple[int, int]] = []
    for start, end in sorted((max(start, first), min(end, stop)) for start, end in spans):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        elif start < end:
            union.append((start, end))
    return tuple(union)


def _covered(spans: Sequence[tuple[int, int]], first: int, stop: int) -> int:
    """Return how many frames of ``[first, stop)`` the spans cover."""
    return sum(end - start for start, end in _union(spans, first, stop))
