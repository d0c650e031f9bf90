"""Bring points of any reader into the form of a PoseRecording: what is missing is NaN and counted by reason.

Shape letters: N frames, A animals, P parts, D dimensions (2 or 3).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import PoseRecording, Remark
from etholake.formats.dialect import own_name
from etholake.formats.reading import file_name

__all__ = ["animals_in_names", "at_least_one", "make_recording", "rank_within", "unique"]

MAX_CELLS = 1 << 30  # coordinates of one recording: 4 GB
_SIDES = frozenset(
    (
        "l", "r", "left", "right", "front", "hind", "fore", "rear", "back", "upper", "lower", "top", "bottom",
        "mid", "middle", "center", "centre", "inner", "outer", "near", "off", "dorsal", "ventral", "medial",
        "lateral", "proximal", "distal",
    )
)  # fmt: skip
_MIN_PARTS = 3  # parts that each animal must have before names are split


def make_recording(
    path: Path,
    name: str,
    frames: npt.NDArray[Any],
    xyz: npt.NDArray[Any],
    animals: Sequence[str],
    parts: Sequence[str],
    *,
    likelihood: npt.NDArray[Any] | None = None,
    missing: Mapping[str, npt.NDArray[np.bool_]] | None = None,
    otherwise: str = "empty in the file",
    remarks: Sequence[Remark] = (),
    unit: Literal["px", "cm", "mm", "m"] = "px",
    fps: float | None = None,
    pix_per_cm: float | None = None,
    size: tuple[int, int] | None = None,
    frame_count: int | None = None,
    video: str | None = None,
    objects: Sequence[str] = (),
) -> PoseRecording:
    """Return a recording whose missing points are NaN, counted by reason, and whose likelihoods are 0..1.

    Parameters
    ----------
    xyz
        [N, A, P, D]; a point without a finite x and y is missing (z alone may be NaN).
    missing
        {reason: bool [N, A, P]} of points that the format marks as missing, the first reason wins.
    otherwise
        Reason of the other points without coordinates.

    Raises
    ------
    DataError
        If there is no frame, animal or part, a name occurs twice, or frames are not increasing from 0.
    """
    _check(path, frames, xyz, animals, parts)
    xyz = np.asarray(xyz, dtype=np.float32)
    counts: Counter[str] = Counter()
    absent = ~np.isfinite(xyz[..., 0])
    absent |= ~np.isfinite(xyz[..., 1])
    counted = np.zeros_like(absent)
    for reason, mask in (missing or {}).items():
        new = mask & ~counted
        counts[reason] += int(new.sum())
        counted |= new
    infinite = absent & ~counted & np.isinf(xyz[..., :2]).any(-1)
    counts["infinite"] = int(infinite.sum())
    counts[otherwise] += int((absent & ~counted & ~infinite).sum())
    absent |= counted
    if absent.any():
        xyz = np.where(absent[..., None], np.float32("nan"), xyz)
    notes = list(remarks)
    if likelihood is not None:
        likelihood, note = _probabilities(path, np.asarray(likelihood, dtype=np.float32))
        notes += note
    return PoseRecording(
        name=file_name(name) or own_name(path),  # some files name their recordings with a path
        frames=np.asarray(frames, dtype=np.int64),
        xyz=xyz,
        animals=tuple(animals),
        parts=tuple(parts),
        likelihood=likelihood,
        unit=unit,
        fps=fps,
        pix_per_cm=pix_per_cm,
        size=size,
        frame_count=frame_count,
        missing=+counts,
        video=video,
        remarks=tuple(notes),
        objects=tuple(objects),
    )


def _check(
    path: Path, frames: npt.NDArray[Any], xyz: npt.NDArray[Any], animals: Sequence[str], parts: Sequence[str]
) -> None:
    if not len(frames) or not animals or not parts:
        raise DataError(
            f"{path}: holds no tracks ({len(frames)} frames, {len(animals)} animals, {len(parts)} body parts)."
        )
    if xyz.size > MAX_CELLS:
        raise DataError(
            f"{path}: {len(frames)} frames of {len(animals)} animals with {len(parts)} body parts are more than "
            "one recording can hold. Join the fragments of tracks in the tool (proofreading), or split the video."
        )
    for noun, names in (("animal", animals), ("body part", parts)):
        double = sorted(item for item, count in Counter(names).items() if count > 1)
        if double:
            raise DataError(f"{path}: the {noun} '{double[0]}' occurs twice. Give each its own name.")
    steps = np.diff(np.asarray(frames, dtype=np.int64))
    if frames[0] < 0 or (steps <= 0).any():
        at = int(np.argmax(steps <= 0)) if (steps <= 0).any() else 0
        raise DataError(
            f"{path}: frame numbers must increase from 0, but row {at + 1} of the data has {frames[at]}"
            + (f" and the next one {frames[at + 1]}." if len(frames) > at + 1 else ".")
        )


def _probabilities(
    path: Path, likelihood: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], list[Remark]]:
    """Return likelihoods limited to 0..1, and a note if some were outside (heat maps are no probabilities)."""
    with np.errstate(invalid="ignore"):
        outside = int(((likelihood < 0) | (likelihood > 1)).sum())
    if not outside:
        return likelihood, []
    note = Remark("note", f"{outside} likelihoods lie outside 0..1 and were limited to it.", file=path)
    return np.clip(likelihood, 0, 1), [note]


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names once each, in the order of their first occurrence."""
    return tuple(dict.fromkeys(names))


def at_least_one(path: Path, recordings: Iterator[PoseRecording]) -> Iterator[PoseRecording]:
    """Yield the recordings. Raises DataError if there is none: a reader never returns nothing without a word."""
    empty = True
    for recording in recordings:
        empty = False
        yield recording
    if empty:
        raise DataError(f"{path}: holds no tracks.")


def rank_within(groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each item [N] how many items of its group come before it."""
    order = np.argsort(groups, kind="stable")
    _, first, lengths = np.unique(groups[order], return_index=True, return_counts=True)
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(first, lengths)
    return rank


def animals_in_names(parts: Sequence[str]) -> tuple[Literal["prefix", "suffix"], list[tuple[str, str]]] | None:
    """Return (animal, part) of each body part whose name holds its animal, None where names do not.

    Some tools know one animal only and write `B_Nose` and `W_Nose` (DeepOF) or `Nose_1` and `Nose_2` (SimBA).
    Names are split only if two or more animals have exactly the same parts, at least three, and the animals'
    names are no sides of a body (`left_ear`, `right_ear`).
    """
    for where, split in (("prefix", _after_first), ("suffix", _before_last)):
        pairs = [split(part) for part in parts]
        if not all(pairs):
            continue
        split_pairs = [pair for pair in pairs if pair]
        by_animal: dict[str, list[str]] = {}
        for animal, part in split_pairs:
            by_animal.setdefault(animal, []).append(part)
        sets = {frozenset(names) for names in by_animal.values()}
        if (
            len(by_animal) > 1
            and len(sets) == 1
            and len(next(iter(sets))) >= _MIN_PARTS
            and len(split_pairs) == len(set(split_pairs))
            and not any(animal.lower() in _SIDES for animal in by_animal)
        ):
            return where, split_pairs  # type: ignore[return-value]
    return None


def _after_first(part: str) -> tuple[str, str] | None:
    animal, mark, rest = part.partition("_")
    return (animal, rest) if mark and animal and rest else None


def _before_last(part: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"(.+)_(\d+)", part)
    return (match[2], match[1]) if match else None
