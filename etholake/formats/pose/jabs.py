"""Read JABS' pose files, `<video>_pose_est_v2.h5` to `v8`.

Points are (y, x) in whole pixels. The version stands in the file's name; the attribute may say less (a v5 file
that says 3.0). From v4 on an instance has an identity that lasts; v3 has fragments of tracks, which JABS itself
joins to identities: the same is done here, so that JABS' labels fit.

Shape letters: N frames, S slots of instances in a frame, A animals, P parts.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.hdf5 import attribute, children, node, open_hdf5, read, walk
from etholake.formats.pose.points import make_recording
from etholake.formats.reading import quiet, reading

if TYPE_CHECKING:
    import h5py

__all__ = ["FORMAT", "PARTS", "Jabs"]

PARTS = (
    "nose", "left_ear", "right_ear", "base_neck", "left_front_paw", "right_front_paw", "center_spine",
    "left_rear_paw", "right_rear_paw", "base_tail", "mid_tail", "tip_tail",
)  # fmt: skip
IDENTITIES = 4  # the version since which instances have an identity
NAME = re.compile(r"^(.*?)_pose_est_v(\d)")
MAX_ANIMALS = 1000


class Jabs(PoseFormat):
    """A pose file of JABS."""

    name = "jabs_pose"
    title = "JABS pose file"
    suffixes = (".h5", ".hdf5")

    @quiet
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has JABS' group with points and confidences."""
        with open_hdf5(path) as file:
            if node(file, "poseest/points") is None or node(file, "poseest/confidence") is None:
                return None
            return Detection(1.0, f"it has 'poseest/points', version {_version(path, file)}")

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the tracks of the video; an animal's name is JABS' number of the identity, from 0."""
        with reading(path, self.title), open_hdf5(path) as file:
            version = _version(path, file)
            points, confidence = read(file, "poseest/points"), read(file, "poseest/confidence")
            if points.ndim == 3:
                points, confidence = points[:, None], confidence[:, None]
            N, S, P = confidence.shape
            if points.shape != (N, S, P, 2) or len(PARTS) != P:
                raise DataError(
                    f"{path}: points {points.shape} do not fit confidences {confidence.shape} of 12 parts."
                )
            identity, remarks = _identities(path, file, version, N, S)
            remarks += _not_read(path, file)
            A = int(identity.max(initial=-1)) + 1
            if A > MAX_ANIMALS:
                raise DataError(f"{path}: has the identity {A}, which is more than {MAX_ANIMALS} animals.")
            frame, slot = np.nonzero(identity >= 0)
            animal = identity[frame, slot]
            xyz = np.full((N, A, P, 2), np.nan, np.float32)
            likelihood = np.full((N, A, P), np.nan, np.float32)
            present = np.zeros((N, A), np.bool_)
            xyz[frame, animal] = points[frame, slot][..., ::-1]
            likelihood[frame, animal] = confidence[frame, slot]
            present[frame, animal] = True
            zero = (xyz == 0).all(-1) & ~(likelihood > 0)
            scale = attribute(node(file, "poseest"), "cm_per_pixel")
            scale = float(np.asarray(scale).reshape(-1)[0]) if scale is not None else 0.0
            match = NAME.match(path.name)
            yield make_recording(
                path,
                match[1] if match and match[1] else path.name.rsplit(".", 1)[0],
                np.arange(N),
                xyz,
                [str(number) for number in range(A)],
                PARTS,
                likelihood=likelihood,
                missing={
                    "no instance in the frame": np.broadcast_to(~present[..., None], (N, A, P)),
                    "0, 0 with confidence 0": zero,
                },
                remarks=remarks,
                pix_per_cm=1 / scale if np.isfinite(scale) and scale > 0 else None,
            )


def _version(path: Path, file: h5py.File) -> int:
    """Return the version: from the file's name, else from the datasets, else from the attribute."""
    match = NAME.match(path.name)
    if match:
        return int(match[2])
    for name, version in (
        ("poseest/bbox", 8),
        ("dynamic_objects", 7),
        ("poseest/seg_data", 6),
        ("static_objects", 5),
        ("poseest/instance_embed_id", 4),
        ("poseest/instance_track_id", 3),
    ):
        if node(file, name) is not None:
            return version
    declared = attribute(node(file, "poseest"), "version")
    return int(np.asarray(declared).reshape(-1)[0]) if declared is not None else 2


def _not_read(path: Path, file: h5py.File) -> list[Remark]:
    """Return a remark on the objects and outlines that the file holds beside the points."""
    objects = [
        name
        for group in walk(file)
        if group.name in ("/static_objects", "/dynamic_objects")
        for name, _ in children(group)
    ]
    named = [f"objects ({', '.join(objects)})"] if objects else []
    named += ["outlines (seg_data)"] if node(file, "poseest/seg_data") is not None else []
    return [Remark("left-out", f"{' and '.join(named)} of the file are not read", path)] if named else []


def _identities(
    path: Path, file: h5py.File, version: int, N: int, S: int
) -> tuple[npt.NDArray[np.int64], list[Remark]]:
    """Return the animal of each slot, [N, S], −1 for a slot without one."""
    if node(file, "poseest/instance_embed_id") is not None and version >= IDENTITIES:
        identity = read(file, "poseest/instance_embed_id", "iu").astype(np.int64) - 1
        invalid = read(file, "poseest/id_mask", "biu") != 0
        if identity.shape != (N, S) or invalid.shape != (N, S):
            raise DataError(f"{path}: identities {identity.shape} do not fit {N} frames of {S} instances.")
        identity = np.where(invalid, -1, identity)
        twice = _twice(identity)
        if twice:
            raise DataError(f"{path}: {twice} instances share their identity with another one of the same frame.")
        counted = (
            read(file, "poseest/instance_count", "iu").astype(np.int64).sum()
            if "instance_count" in file["poseest"]
            else 0
        )
        lost = max(int(counted) - int((identity >= 0).sum()), 0)
        note = Remark("left-out", f"{lost} instances to which JABS gave no identity", path)
        return identity, [note] if lost else []
    if node(file, "poseest/instance_track_id") is None:
        if S != 1:
            raise DataError(f"{path}: has {S} instances a frame, but neither identities nor tracks.")
        return np.zeros((N, 1), np.int64), []
    tracks = read(file, "poseest/instance_track_id", "iu").astype(np.int64)
    count = read(file, "poseest/instance_count", "iu").astype(np.int64).reshape(-1)
    if tracks.shape != (N, S) or count.shape != (N,) or (count > S).any():
        raise DataError(f"{path}: tracks {tracks.shape} do not fit {N} frames of {S} instances.")
    return _joined(path, np.where(np.arange(S) < count[:, None], tracks, -1))


def _joined(path: Path, tracks: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], list[Remark]]:
    """Return identities of v3's fragments as JABS joins them: a new track takes the lowest free identity."""
    free = list(range(tracks.shape[1]))
    identity_of: dict[int, int] = {}
    last: list[int] = []
    identity = np.full(tracks.shape, -1, np.int64)
    for frame, row in enumerate(tracks.tolist()):
        current = [track for track in row if track >= 0]
        for track in last:
            if track not in current and identity_of[track] not in free:
                heapq.heappush(free, identity_of[track])
        for track in current:
            if track not in identity_of:
                identity_of[track] = heapq.heappop(free) if free else -1
        taken: set[int] = set()
        for slot, track in enumerate(row):
            if track >= 0 and (at := identity_of[track]) >= 0 and at not in taken:
                identity[frame, slot] = at
                taken.add(at)
        last = [track for track in current if identity_of[track] >= 0]
    lost = int((tracks >= 0).sum() - (identity >= 0).sum())
    remarks = []
    if len(identity_of) > int(identity.max(initial=-1)) + 1:
        text = (
            f"{len(identity_of)} fragments of tracks are joined to {identity.max() + 1} animals as JABS joins them"
        )
        remarks.append(Remark("assumed", text, path, remedy="pose files of version 4 have identities"))
    if lost:
        remarks.append(
            Remark("left-out", f"{lost} instances of a track that shares its identity with another", path)
        )
    return identity, remarks


def _twice(identity: npt.NDArray[Any]) -> int:
    """Return the number of instances whose identity occurs before in the same frame."""
    ordered = np.sort(identity, axis=1)
    return int(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).sum())


FORMAT = Jabs()
