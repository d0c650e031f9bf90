"""Interpret the columns of a DeepLabCut table, which csv and h5 share: (individual, body part, coordinate)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import PoseRecording, ReadOptions, Remark
from etholake.formats.dialect import own_name
from etholake.formats.pose.points import animals_in_names, make_recording, unique
from etholake.formats.reading import file_name

__all__ = ["COORDINATES", "LIKELIHOODS", "Columns", "index_columns", "recordings", "video_name"]

COORDINATES = {"x": 0, "y": 1, "z": 2}
LIKELIHOODS = ("likelihood", "score", "confidence", "p")
UNIQUE_PARTS = "single"  # DeepLabCut's name of the group of body parts that belong to no animal
ONE_ANIMAL = "animal"


@dataclass(frozen=True)
class Columns:
    """The column of each coordinate, −1 for none: `xyz` [A, P, D] and `likelihood` [A, P]."""

    animals: tuple[str, ...]
    parts: tuple[str, ...]
    xyz: npt.NDArray[np.int64]
    likelihood: npt.NDArray[np.int64] | None
    remarks: tuple[Remark, ...] = ()

    @property
    def objects(self) -> tuple[str, ...]:
        """Return the group of unique body parts, which is no animal, where there are animals beside it."""
        return (UNIQUE_PARTS,) if UNIQUE_PARTS in self.animals and len(self.animals) > 1 else ()


def index_columns(path: Path, columns: Sequence[tuple[str, str, str]], options: ReadOptions) -> Columns:
    """Return where the coordinates of (individual, body part, coordinate) lie; parts keep the file's order.

    The individual is "" in a file of one animal. Raises DataError for a column that occurs twice, or if no part
    has x and y.
    """
    remarks: list[Remark] = []
    if {individual for individual, _, _ in columns} == {""}:
        columns, remarks = _one_animal(path, columns, options)
    usable = [c for c in columns if c[2] in COORDINATES or c[2] in LIKELIHOODS]
    if len(usable) < len(columns):
        others = unique([c[2] for c in columns if c[2] not in COORDINATES and c[2] not in LIKELIHOODS])
        remarks.append(Remark("left-out", f"columns {', '.join(map(repr, others))} are no coordinates", file=path))
    animals, parts = unique([c[0] for c in usable]), unique([c[1] for c in usable])
    depth = 3 if any(c[2] == "z" for c in usable) else 2
    xyz = np.full((len(animals), len(parts), depth), -1, np.int64)
    likelihood = np.full((len(animals), len(parts)), -1, np.int64)
    animal_at = {name: at for at, name in enumerate(animals)}
    part_at = {name: at for at, name in enumerate(parts)}
    for number, (animal, part, coordinate) in enumerate(columns):
        target: npt.NDArray[np.int64]
        at = (animal_at.get(animal, -1), part_at.get(part, -1))
        if coordinate in COORDINATES:
            target, place = xyz[..., COORDINATES[coordinate]], at
        elif coordinate in LIKELIHOODS:
            target, place = likelihood, at
        else:
            continue
        if target[place] >= 0:
            raise DataError(
                f"{path}: columns {target[place] + 1} and {number + 1} are both '{coordinate}' of '{part}'"
                + (f" of '{animal}'" if animal else "")
                + ". Remove one of them, or split the scorers into files."
            )
        target[place] = number
    if not (xyz[..., :2] >= 0).all(-1).any():
        raise DataError(f"{path}: no body part has the columns x and y.")
    half = np.argwhere((xyz[..., :2] >= 0).any(-1) & ~(xyz[..., :2] >= 0).all(-1))
    if len(half):
        animal, part = animals[half[0][0]], parts[half[0][1]]
        raise DataError(f"{path}: body part '{part}' of '{animal}' has only one of the columns x and y.")
    if depth == 3:
        remarks.append(
            Remark("assumed", "the unit and the axes of the three-dimensional points are kept as they are", path)
        )
    where = Columns(animals, parts, xyz, likelihood if (likelihood >= 0).any() else None)
    if where.objects:
        text = f"'{UNIQUE_PARTS}' holds DeepLabCut's unique body parts, which belong to no animal"
        remarks.append(Remark("note", text, path, remedy=f"{UNIQUE_PARTS} = 0 in [animals] leaves them out"))
    return replace(where, remarks=tuple(remarks))


def _one_animal(
    path: Path, columns: Sequence[tuple[str, str, str]], options: ReadOptions
) -> tuple[list[tuple[str, str, str]], list[Remark]]:
    """Return the columns of a table without individuals: one animal, unless each part's name begins with one."""
    parts = unique([part for _, part, _ in columns])
    split = animals_in_names(parts) if options.split_names else None
    if split is None:
        return [(ONE_ANIMAL, part, coordinate) for _, part, coordinate in columns], []
    where, pairs = split
    by_part = dict(zip(parts, pairs, strict=True))
    animals = unique([animal for animal, _ in pairs])
    remark = Remark(
        "assumed",
        f"the {where} of the body parts' names is the animal: {', '.join(animals)}",
        file=path,
        remedy="split_names = false reads one animal with all parts",
    )
    return [(*by_part[part], coordinate) for _, part, coordinate in columns], [remark]


def video_name(path: Path, scorer: str) -> str:
    """Return the video's name: the file's name up to the network's, which DeepLabCut appends."""
    stem = own_name(path)
    for mark in (scorer, "DLC_3D"):
        if mark and mark in stem and not stem.startswith(mark):
            return stem[: stem.index(mark)].rstrip("_")
    match = re.match(r"(.+?)(?:DLC_.+shuffle\d+_|_superanimal_)", stem)
    return match[1] if match else stem


def recordings(
    path: Path,
    columns: Columns,
    values: npt.NDArray[np.float32],
    index: npt.NDArray[Any] | Sequence[tuple[str, ...]],
    scorer: str,
) -> Iterator[PoseRecording]:
    """Yield the recordings of a table: one of a tracked video, or one a video folder of labelled images.

    `values` is float32 [N, columns]; `index` int [N] of frame numbers, or N tuples of the parts of an image's
    path.
    """
    if isinstance(index, np.ndarray):
        yield _recording(path, columns, values, index, video_name(path, scorer), columns.remarks, None)
        return
    folders: dict[str, list[tuple[int, int]]] = {}
    for row, parts in enumerate(index):
        components = re.split(r"[/\\]", "/".join(parts))
        digits = re.search(r"(\d+)\.\w+$|(\d+)$", components[-1])
        if digits is None:
            raise DataError(
                f"{path}: row {row + 1} of the data is the image '{components[-1]}' without a frame number."
            )
        folder = components[-2] if len(components) > 1 else ""
        folders.setdefault(folder, []).append((int((digits[1] or digits[2])[-15:]), row))
    for folder, images in folders.items():
        images.sort()
        frames = np.array([frame for frame, _ in images])
        rows = np.array([row for _, row in images])
        remark = Remark("assumed", "the numbers in the images' names are the frames' numbers, from 0", path)
        name = file_name(folder) or path.parent.name
        yield _recording(path, columns, values[rows], frames, name, (*columns.remarks, remark), None)


def _recording(
    path: Path,
    columns: Columns,
    values: npt.NDArray[np.float32],
    frames: npt.NDArray[Any],
    name: str,
    remarks: tuple[Remark, ...],
    video: str | None,
) -> PoseRecording:
    N, D = len(values), columns.xyz.shape[2]
    xyz = np.take(values, columns.xyz.reshape(-1), axis=1).reshape(N, *columns.xyz.shape)
    lacking = (columns.xyz[..., :2] < 0).any(-1)
    xyz[:, columns.xyz < 0] = np.nan
    likelihood, notes = None, list(remarks)
    if columns.likelihood is not None:
        likelihood = np.take(values, columns.likelihood.reshape(-1), axis=1).reshape(N, *columns.likelihood.shape)
        likelihood[:, columns.likelihood < 0] = np.nan
    zero = (xyz == 0).all(-1)
    if likelihood is not None:
        zero &= ~(likelihood > 0)
    missing = (
        {"the animal has no such part": np.broadcast_to(lacking, (N, *lacking.shape))} if lacking.any() else {}
    )
    if zero.any():
        reason = "0, 0 with likelihood 0" if likelihood is not None else "0, 0 without a likelihood"
        missing[reason] = zero
        if likelihood is None:
            notes.append(
                Remark("assumed", f"{int(zero.sum())} points at exactly {', '.join('0' * D)} are missing", path)
            )
    return make_recording(
        path,
        name,
        frames,
        xyz,
        columns.animals,
        columns.parts,
        likelihood=likelihood,
        missing=missing,
        remarks=notes,
        video=video,
        objects=columns.objects,
    )
