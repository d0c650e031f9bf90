"""Read the tracks in EthoVision's raw data (xlsx, or text in UTF-16): columns `X nose`, `Y nose` and the like.

Lengths are in centimetres, the origin is the arena's centre and y points upwards: y is turned, and the origin
stays,
because the file does not tell the arena's corner. Header, missing values and clock are read as for the behaviours
of the same files (`etholake.formats.labels.ethovision`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.labels import ethovision as raw_data
from etholake.formats.labels.clock import sample_rate
from etholake.formats.labels.reading import column, number_at
from etholake.formats.pose.points import make_recording, unique
from etholake.formats.reading import quiet, reading

__all__ = ["FORMAT", "EthoVisionTracks"]

AXIS = re.compile(r"([XY])[ -](.+)", re.IGNORECASE)  # `X center`, in German `X-Mitte`
UNITS: dict[str, tuple[Literal["px", "cm", "mm", "m"], float]] = {
    "cm": ("cm", 1), "mm": ("mm", 1), "m": ("m", 1), "in": ("cm", 2.54), "pixels": ("px", 1), "px": ("px", 1),
}  # fmt: skip
DETECTION_ROWS = 200


@dataclass(frozen=True)
class _Track:
    """One sheet: the samples' numbers [N] and the places [N, P, 2] of one animal, y downwards."""

    animal: str
    arena: str
    parts: tuple[str, ...]
    samples: npt.NDArray[np.int64]
    xy: npt.NDArray[np.float64]
    unit: Literal["px", "cm", "mm", "m"]
    rate: float


class EthoVisionTracks(PoseFormat):
    """Tracks in EthoVision's raw data."""

    name = "ethovision_tracks"
    title = "EthoVision tracks"
    suffixes = (".xlsx", ".txt", ".csv")

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the header is EthoVision's and there are columns X and Y of a body part."""
        parts = {part for sheet in raw_data.sheets_of(path, DETECTION_ROWS) for part in _columns(sheet)}
        if parts:
            return Detection(
                1.0, f"it counts EthoVision's header lines and has X and Y of {', '.join(sorted(parts))}"
            )
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield one recording a video; each sheet is an animal."""
        with reading(path, self.title):
            videos: dict[str, list[_Track]] = {}
            files: dict[str, str] = {}
            for sheet in raw_data.sheets_of(path):
                if _columns(sheet):
                    name, media = raw_data.video_of(path, sheet)
                    videos.setdefault(name, []).append(_track(path, sheet))
                    files[name] = media[0] if media else ""
            if not videos:
                raise DataError(f"{path}: no sheet has columns X and Y of a body part.")
            for name, tracks in videos.items():
                yield _recording(path, name, files[name], tracks)


def _columns(sheet: Any) -> dict[str, tuple[int, int]]:
    """Return {part: column of x, column of y} of a sheet."""
    places: dict[str, dict[str, int]] = {}
    for at, name in enumerate(sheet.names):
        match = AXIS.fullmatch(name.strip())
        if match and sheet.units[at].strip().lower() in UNITS:
            places.setdefault(match[2].lower(), {})[match[1].upper()] = at
    return {part: (axes["X"], axes["Y"]) for part, axes in places.items() if {"X", "Y"} <= set(axes)}


def _track(path: Path, sheet: Any) -> _Track:
    columns = _columns(sheet)
    rows = [row for row in sheet.rows if any(row)]
    clock = column(sheet.names, "recording time", "trial time") or 0
    times = [number_at(row[clock], path, "the time", sheet.first_line + at) for at, row in enumerate(rows)]
    rate = sample_rate(path, np.array(times))
    xy = np.full((len(rows), len(columns), 2), np.nan)
    for part, places in enumerate(columns.values()):
        for axis, place in enumerate(places):
            cells = [row[place] if place < len(row) else "" for row in rows]
            xy[:, part, axis] = [
                np.nan
                if cell in raw_data.MISSING
                else number_at(cell, path, f"'{sheet.names[place]}'", sheet.first_line + at)
                for at, cell in enumerate(cells)
            ]
    units = {sheet.units[place].strip().lower() for places in columns.values() for place in places}
    if len(units) != 1:
        raise DataError(f"{path}: the columns of X and Y have several units: {', '.join(sorted(units))}.")
    unit, factor = UNITS[units.pop()]
    return _Track(
        animal=sheet.facts.get("subject name", sheet.facts.get("subject", "")) or "animal",
        arena=sheet.facts.get("arena name", sheet.facts.get("arena", "")),
        parts=tuple(columns),
        samples=np.rint(np.array(times) * rate).astype(np.int64),
        xy=xy * (factor, -factor),
        unit=unit,
        rate=rate,
    )


def _recording(path: Path, name: str, file: str, tracks: list[_Track]) -> PoseRecording:
    animals = [track.animal for track in tracks]
    if len(set(animals)) < len(animals):  # the same subject's name in several arenas
        animals = [f"{track.arena} {track.animal}".strip() for track in tracks]
    if len({(track.unit, track.rate) for track in tracks}) > 1:
        raise DataError(f"{path}: the sheets of video '{name}' differ in unit or sample rate. Export them apart.")
    parts = unique([part for track in tracks for part in track.parts])
    frames = np.unique(np.concatenate([track.samples for track in tracks]))
    xyz = np.full((len(frames), len(tracks), len(parts), 2), np.nan, np.float32)
    for animal, track in enumerate(tracks):
        rows = np.searchsorted(frames, track.samples)
        for at, part in enumerate(track.parts):
            xyz[rows, animal, parts.index(part)] = track.xy[:, at]
    remarks = [
        Remark(
            "note",
            "y is turned to point downwards; the origin stays where EthoVision has it (arena's centre)",
            path,
        ),
        Remark("assumed", f"frames are EthoVision's samples, {tracks[0].rate:g} a second", path, remedy="fps"),
    ]
    return make_recording(
        path,
        name,
        frames,
        xyz,
        animals,
        parts,
        otherwise="'-' or no sample in the file",
        remarks=remarks,
        unit=tracks[0].unit,
        fps=tracks[0].rate,
        video=file.replace("\\", "/").rsplit("/", 1)[-1] or None,
    )


FORMAT = EthoVisionTracks()
