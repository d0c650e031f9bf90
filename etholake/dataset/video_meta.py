"""The metadata of one video that models need: read from a row of the lake, or of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etholake.contract import MAX_ANIMALS, number_of, plain_name, whole_number_of
from etholake.curate.behaviors import parse_items, parse_list
from etholake.errors import DataError, raise_collected

__all__ = ["Triplet", "VideoMeta"]

Triplet = tuple[int, int, str]  # agent, target, action


def _number(row: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number of a row; None if it is missing, NaN or infinite.

    Raises DataError for a value that is no number.
    """
    value = row.get(name)
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan")):
        return None
    if isinstance(value, float) and not np.isfinite(value):
        return None
    number = number_of(value)
    if number is None:
        raise DataError(f"{name} must be a number or left out, but got {str(value)[:80]!r}.")
    return number


def _size(row: Mapping[str, Any], name: str) -> float | None:
    """Return a measure of a row; None if it is missing or 0. Raises DataError for one below 0."""
    size = _number(row, name)
    if size is not None and size < 0:
        raise DataError(f"{name} must be above 0 or left out, but got {size:g}.")
    return size or None


def _likelihood(row: Mapping[str, Any], name: str) -> float | None:
    """Return a likelihood of a row; None if it is missing. Raises DataError for one outside 0 to 1."""
    likelihood = _number(row, name)
    if likelihood is not None and not 0 <= likelihood <= 1:
        raise DataError(f"{name} must be from 0 to 1 or left out, but got {likelihood:g}.")
    return likelihood


def _animals(row: Mapping[str, Any]) -> int | None:
    """Return the number of animals of a row; None if it is missing. Raises DataError for an impossible one."""
    if _number(row, "n_mice") is None:
        return None
    animals = whole_number_of(row["n_mice"])
    if animals is None or not 0 < animals <= MAX_ANIMALS:
        raise DataError(f"n_mice must be a whole number from 1 to {MAX_ANIMALS}, but got {row['n_mice']!r}.")
    return animals


def _lab(row: Mapping[str, Any]) -> str:
    """Return the name of the lab without blanks at its ends. Raises DataError if it is no text or blank."""
    lab = row["lab_id"]
    name = plain_name(str(lab)) if isinstance(lab, str) or whole_number_of(lab) is not None else ""
    if not name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise DataError(f"lab_id must be the name of a lab, but got {str(lab)[:80]!r}.")
    return name


def _whole_number(row: Mapping[str, Any], name: str) -> int:
    """Return a whole number of 64 bits. Raises DataError for anything else: 1.5 is not video 1."""
    number = whole_number_of(row[name])
    if number is None:
        raise DataError(f"{name} must be a whole number of at most 64 bits, but got {str(row[name])[:80]!r}.")
    return number


def _labeled_triplets(value: Any) -> tuple[Triplet, ...]:
    """Parse `behaviors_labeled`: a list of items, its JSON, or nothing; target == agent for a self action."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ()
    if not isinstance(value, str | Sequence | np.ndarray):
        raise DataError(f"behaviors_labeled must be a list of items like 'mouse1,self,rear', but got {value!r}.")
    items = parse_list(value) if isinstance(value, str) else [str(item) for item in value]
    parsed = parse_items(items if items is not None else [str(value)])
    raise_collected(
        DataError,
        "behaviors_labeled holds items that are not written 'mouse1,mouse2,attack' or 'mouse1,self,rear'",
        parsed.malformed,
    )
    return tuple(sorted(parsed.triplets))


@dataclass(frozen=True)
class VideoMeta:
    """The metadata of a video that models need; None where unknown."""

    video_id: int
    lab_id: str
    fps: float
    pix_per_cm: float | None = None
    width_pix: float | None = None
    height_pix: float | None = None
    arena_width_cm: float | None = None
    arena_height_cm: float | None = None
    labeled_behaviors: tuple[Triplet, ...] = ()
    n_mice: int | None = None
    min_likelihood: float | None = None  # raw points below it are missing
    species: str = ""  # as the lab gives it; "" stands for mice

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> VideoMeta:
        """Read a row of `metadata_train` or `metadata_test` (or the same fields in a request's JSON).

        Raises DataError if lab, video or frames_per_second is missing, frames_per_second is not above zero, a
        field is not a number or a measure below zero, a likelihood is above one, or an item of
        `behaviors_labeled` is no triplet (stray quotes are repaired).
        """
        missing = [name for name in ("video_id", "lab_id", "frames_per_second") if row.get(name) in (None, "")]
        if missing:
            raise DataError(f"The video's metadata lack {missing}.")
        fps = _number(row, "frames_per_second")
        if fps is None or fps <= 0:
            raise DataError(f"frames_per_second must be above 0, but got {row['frames_per_second']!r}.")
        video_id = _whole_number(row, "video_id")
        return cls(
            video_id,
            _lab(row),
            fps,
            pix_per_cm=_size(row, "pix_per_cm_approx"),
            width_pix=_size(row, "video_width_pix"),
            height_pix=_size(row, "video_height_pix"),
            arena_width_cm=_size(row, "arena_width_cm"),
            arena_height_cm=_size(row, "arena_height_cm"),
            labeled_behaviors=_labeled_triplets(row.get("behaviors_labeled")),
            n_mice=_animals(row),
            min_likelihood=_likelihood(row, "min_likelihood"),
            species=str(row.get("species") or "").strip(),
        )
