"""Read pose in NWB files: the extension ndx-pose, versions 0.1 to 0.4.

The file is read with h5py, not with pynwb: ndx-pose 0.4 refuses older files with two cameras, pynwb takes
seconds to import, and it follows links to other files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.hdf5 import attribute, children, node, open_hdf5, read, strings, text, walk
from etholake.formats.pose.points import animals_in_names, at_least_one, make_recording, unique
from etholake.formats.reading import file_name, quiet, reading, video_stem

if TYPE_CHECKING:
    import h5py

__all__ = ["FORMAT", "Nwb", "start_of"]

UNITS: dict[str, tuple[Literal["px", "cm", "mm", "m"], bool]] = {  # unit: its name here, and whether it is known
    "pixels": ("px", True), "pixel": ("px", True), "px": ("px", True),
    "meters": ("m", True), "metres": ("m", True), "meter": ("m", True), "m": ("m", True),
    "centimeters": ("cm", True), "cm": ("cm", True), "millimeters": ("mm", True), "mm": ("mm", True),
}  # fmt: skip


@dataclass
class _Series:
    """The points of one body part: `xyz` [N, D] at `frames`."""

    animal: str
    part: str
    frames: npt.NDArray[np.int64]
    xyz: npt.NDArray[np.float64]
    likelihood: npt.NDArray[np.float64] | None
    unit: str
    fps: float | None


@dataclass
class _Video:
    """The series of one video, from one or several PoseEstimation groups."""

    name: str
    video: str | None
    size: tuple[int, int] | None
    series: list[_Series] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


class Nwb(PoseFormat):
    """An NWB file with poses."""

    name = "nwb_pose"
    title = "NWB (ndx-pose)"
    suffixes = (".nwb",)

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has a group PoseEstimation of ndx-pose."""
        with open_hdf5(path) as file:
            groups = _estimations(file)
            if groups:
                return Detection(1.0, f"it holds {len(groups)} PoseEstimation of ndx-pose")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield one recording a video; a PoseEstimation is an animal, unless its series' names hold some."""
        with reading(path, self.title), open_hdf5(path) as file:
            videos: dict[tuple[str, str], _Video] = {}
            for group in _estimations(file):
                _add(path, group, videos, options)
            if start := start_of(file):
                text_ = f"the points start at {start:g} s of the session, which is taken for frame 0"
                for video in videos.values():
                    video.remarks.append(Remark("assumed", text_, path))
            yield from at_least_one(path, (_recording(path, video) for video in videos.values()))


def start_of(file: h5py.File) -> float:
    """Return the second of the session in which the earliest series of points starts; 0 where it counts frames."""
    starts = []
    for group in _estimations(file):
        for _, series in children(group):
            if _type(series) == "PoseEstimationSeries" and (start := _start(series)) is not None:
                starts.append(start)
    return min(starts, default=0.0)


def _start(series: h5py.Group) -> float | None:
    """Return the first time of a series in seconds, None if its times count frames or are no numbers."""
    if node(series, "timestamps") is not None:
        times = read(series, "timestamps").astype(np.float64)
        counts = times.size > 1 and np.array_equal(times, np.floor(times)) and np.diff(times).min() == 1
        start = times[0] if times.size and not counts else float("nan")
    else:
        start = read(series, "starting_time").reshape(-1)[0] if node(series, "starting_time") is not None else 0.0
    return float(start) if np.isfinite(start) else None


def _type(group: h5py.Group) -> str:
    return text(attribute(group, "neurodata_type") or "")


def _estimations(file: h5py.File) -> list[h5py.Group]:
    root = node(file, "processing") or file
    return [group for group in walk(root) if _type(group) == "PoseEstimation"]


def _add(path: Path, group: h5py.Group, videos: dict[tuple[str, str], _Video], options: ReadOptions) -> None:
    """Add the series of a PoseEstimation to its video."""
    sources = strings(group, "original_videos") if node(group, "original_videos") is not None else ()
    sources = tuple(source for source in sources if file_name(source) not in ("", "fake_path"))
    key = (group.parent.name, sources[0] if sources else "")
    if key not in videos:
        name = video_stem(sources[0], path) if sources else path.stem
        videos[key] = _Video(name, file_name(sources[0]) if sources else None, _size(group))
    video = videos[key]
    if len(sources) > 1:
        others = ", ".join(map(file_name, sources[1:]))
        video.remarks.append(Remark("note", f"the same points are those of other cameras too: {others}", path))
    members = {name: child for name, child in children(group) if _type(child) == "PoseEstimationSeries"}
    if not members:
        raise DataError(f"{path}, {group.name}: holds no PoseEstimationSeries, so there are no points to read.")
    nodes = _nodes(group)
    names = _part_names(list(members), nodes)
    ordered = sorted(members, key=lambda name: nodes.index(names[name]) if names[name] in nodes else len(nodes))
    animals = _animals(path, group, [names[name] for name in ordered], members, ordered, options, video)
    for name, (animal, part) in zip(ordered, animals, strict=True):
        video.series.append(_series(path, members[name], animal, part))


def _size(group: h5py.Group) -> tuple[int, int] | None:
    """Return width and height; None for those that do not fit into the file's 8-bit type (ndx-pose 0.1 had it)."""
    if node(group, "dimensions") is None:
        return None
    dimensions = read(group, "dimensions", "iu")
    if dimensions.dtype.itemsize < 2 or dimensions.ndim != 2 or dimensions.shape[-1] != 2 or not len(dimensions):
        return None
    width, height = (int(value) for value in dimensions[0])
    return (width, height) if width > 0 and height > 0 else None


def _nodes(group: h5py.Group) -> list[str]:
    """Return the names of the nodes, which stand in the Skeleton (from 0.2 on) or beside the series."""
    if node(group, "nodes") is not None:
        return list(strings(group, "nodes"))
    for _, child in children(group):
        if _type(child) == "Skeleton" and node(child, "nodes") is not None:
            return list(strings(child, "nodes"))
    return []


def _part_names(series: list[str], nodes: list[str]) -> dict[str, str]:
    """Return the body part of each series: a node's name if the series' is another spelling of it."""

    def plain(name: str) -> str:
        return re.sub(r"[\W_]", "", name).lower().removeprefix("poseestimationseries")

    by_plain = {plain(item): item for item in nodes}
    return {name: name if name in nodes else by_plain.get(plain(name), name) for name in series}


def _animals(
    path: Path,
    group: h5py.Group,
    parts: list[str],
    members: dict[str, Any],
    ordered: list[str],
    options: ReadOptions,
    video: _Video,
) -> list[tuple[str, str]]:
    """Return (animal, part) of each series.

    DeepLabCut's converter writes `ind1_leftear` and says so in the description. Otherwise the group is the animal.
    """
    container = group.name.rsplit("/", 1)[-1]
    if options.split_names:
        described = [
            re.fullmatch(
                r"Keypoint (.+) from individual (.+?)\.?", text(attribute(members[name], "description") or "")
            )
            for name in ordered
        ]
        if all(match and f"{match[2]}_{match[1]}" == name for match, name in zip(described, ordered, strict=True)):
            return [(match[2], match[1]) for match in described if match]
        split = animals_in_names(parts)
        if split is not None:
            names = ", ".join(unique([animal for animal, _ in split[1]]))
            text_ = f"the {split[0]} of the series' names is the animal: {names}"
            video.remarks.append(Remark("assumed", text_, path, remedy="split_names = false reads one animal"))
            return split[1]
    return [(container, part) for part in parts]


def _series(path: Path, group: h5py.Group, animal: str, part: str) -> _Series:
    data = read(group, "data").astype(np.float64)
    if data.ndim != 2 or data.shape[1] not in (2, 3):
        raise DataError(f"{path}, {group.name}: expected points of 2 or 3 coordinates, but got {data.shape}.")
    dataset = node(group, "data")
    conversion, offset = (
        float(value) if (value := attribute(dataset, name)) is not None else default
        for name, default in (("conversion", 1.0), ("offset", 0.0))
    )
    data = data * conversion + offset
    likelihood = read(group, "confidence").astype(np.float64) if node(group, "confidence") is not None else None
    if likelihood is not None and likelihood.shape != data.shape[:1]:
        raise DataError(f"{path}, {group.name}: {len(data)} points have {likelihood.shape} confidences.")
    frames, fps = _clock(path, group, len(data))
    return _Series(animal, part, frames, data, likelihood, text(attribute(dataset, "unit") or "pixels"), fps)


def _clock(path: Path, group: h5py.Group, count: int) -> tuple[npt.NDArray[np.int64], float | None]:
    """Return frame numbers and frames per second of a series, from its rate or its timestamps.

    Timestamps 0, 1, 2, … and a rate of 1 count frames (converters write them so): they give no frames per second.
    """
    start = node(group, "starting_time")
    if node(group, "timestamps") is None:
        rate = attribute(start, "rate") if start is not None else None
        fps = float(rate) if rate is not None else 0.0
        return np.arange(count), fps if np.isfinite(fps) and fps > 0 and fps != 1 else None
    times = read(group, "timestamps").astype(np.float64)
    if times.shape != (count,) or not np.isfinite(times).all():
        raise DataError(
            f"{path}, {group.name}: {count} points have {times.shape} timestamps, or some are not numbers."
        )
    if count < 2:
        return np.arange(count), None
    steps = np.diff(times)
    typical = float(np.median(steps))
    if typical <= 0 or (steps <= 0).any():
        raise DataError(f"{path}, {group.name}: its timestamps do not increase.")
    if np.array_equal(times, np.floor(times)) and steps.min() == 1:
        return (times - times[0]).astype(np.int64) if times[0] < 0 else times.astype(np.int64), None
    whole = np.rint(steps / typical).astype(np.int64)
    if (whole < 1).any() or np.abs(steps / typical - whole).max() > 0.4:
        return np.arange(count), None
    frames = np.concatenate([[0], np.cumsum(whole)])
    return frames, round(float(frames[-1] / (times[-1] - times[0])), 6)  # without what binary numbers add


def _recording(path: Path, video: _Video) -> PoseRecording:
    """Return the series of a video on the frames that any of them has."""
    animals, parts = unique([s.animal for s in video.series]), unique([s.part for s in video.series])
    frames = np.unique(np.concatenate([s.frames for s in video.series]))
    depth = max(s.xyz.shape[1] for s in video.series)
    shape = (len(frames), len(animals), len(parts))
    xyz = np.full((*shape, depth), np.nan, np.float32)
    likelihood = np.full(shape, np.nan, np.float32)
    present, belongs = np.zeros(shape, np.bool_), np.zeros(shape[1:], np.bool_)
    for s in video.series:
        rows, animal, part = np.searchsorted(frames, s.frames), animals.index(s.animal), parts.index(s.part)
        if belongs[animal, part]:
            raise DataError(f"{path}: body part '{s.part}' of '{s.animal}' has two series of points.")
        belongs[animal, part] = True
        xyz[rows, animal, part, : s.xyz.shape[1]] = s.xyz
        present[rows, animal, part] = True
        if s.likelihood is not None:
            likelihood[rows, animal, part] = s.likelihood
    remarks = list(video.remarks)
    units = {s.unit.lower().strip() for s in video.series}
    if len(units) > 1:
        raise DataError(f"{path}: its series have several units: {', '.join(sorted(units))}.")
    unit, is_listed = UNITS.get(units.pop(), ("px", False))
    if not is_listed:
        remarks.append(Remark("assumed", f"the unit '{video.series[0].unit}' is taken for pixels", path))
    rates = {round(s.fps, 6) for s in video.series if s.fps}
    if len(rates) > 1:
        raise DataError(
            f"{path}: its series have several rates: {', '.join(map(str, sorted(rates)))} frames a second."
        )
    if not rates:
        remarks.append(
            Remark(
                "assumed", "its timestamps count frames, or are irregular: they give no frames per second", path
            )
        )
    if depth == 3 and any(s.xyz.shape[1] == 2 for s in video.series):
        remarks.append(
            Remark("note", "some body parts have three coordinates, others two: their z is empty", path)
        )
    return make_recording(
        path,
        video.name,
        frames,
        xyz,
        animals,
        parts,
        likelihood=likelihood if np.isfinite(likelihood).any() else None,
        missing={
            "the animal has no such part": np.broadcast_to(~belongs, shape),
            "no value at this time": ~present & belongs,
        },
        remarks=remarks,
        unit=unit,
        fps=next((s.fps for s in video.series if s.fps), None),
        size=video.size,
        video=video.video,
    )


FORMAT = Nwb()
