"""One video's tracks as dense arrays on a common clock: from the curated zone, or from raw rows.

Shape letters: T frames, M mice, K unified body parts (`contract.UNIFIED_PARTS`), 2 = (x, y).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.contract import SELF, UNIFIED_PART_SOURCES, UNIFIED_PARTS
from etholake.errors import ContractError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CLOCK_HZ", "PoseClip", "VideoMeta"]

CLOCK_HZ = 30.0  # every video is seen at this rate, so that windows are in seconds
MAX_BRIDGE_S = 1.0  # a point is interpolated between measured ones that are at most this far apart
NOMINAL_BODY_CM = 8.0  # nose to tail base of a mouse; the scale of a video that has no px/cm

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Triplet = tuple[int, int, str]


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    number = float(value)
    return number if np.isfinite(number) else None


def parse_triplet(item: str) -> Triplet:
    """(agent, target, action) of ``mouse1,mouse2,attack``; target == agent for ``mouse1,self,rear``."""
    parts = [part.strip() for part in item.split(",")]
    try:
        agent_text, target_text, action = parts
        agent = int(agent_text.removeprefix("mouse"))
        target = agent if target_text == SELF else int(target_text.removeprefix("mouse"))
    except ValueError as err:
        raise DataError(f"behaviors_labeled items are written 'mouse1,mouse2,attack', but got '{item}'.") from err
    return agent, target, action


@dataclass(frozen=True)
class VideoMeta:
    """What must be known of a video besides its tracks. None where unknown."""

    video_id: int
    lab_id: str
    fps: float
    pix_per_cm: float | None = None
    width_pix: float | None = None
    height_pix: float | None = None
    behaviors: tuple[Triplet, ...] = ()

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> VideoMeta:
        """From a row of `metadata_train` or `metadata_test` (or the same fields in a request's JSON).

        Raises DataError if lab, video or fps are missing, or fps is not above zero.
        """
        missing = [name for name in ("video_id", "lab_id", "frames_per_second") if row.get(name) in (None, "")]
        if missing:
            raise DataError(f"The video's metadata lack {missing}.")
        fps = _number(row, "frames_per_second")
        if fps is None or fps <= 0:
            raise DataError(f"frames_per_second must be above 0, but got {row['frames_per_second']!r}.")
        behaviors = row.get("behaviors_labeled")
        if isinstance(behaviors, str):
            behaviors = json.loads(behaviors) if behaviors.strip() else []
        return cls(
            int(row["video_id"]),
            str(row["lab_id"]),
            fps,
            _number(row, "pix_per_cm_approx"),
            _number(row, "video_width_pix"),
            _number(row, "video_height_pix"),
            tuple(sorted({parse_triplet(item) for item in (behaviors if behaviors is not None else [])})),
        )


@dataclass(frozen=True)
class PoseClip:
    """Unified tracks of one video on the common clock.

    Attributes
    ----------
    xy_TMK2
        float32, cm from the arena centre; NaN where a part is missing for longer than `MAX_BRIDGE_S`.
    seen_TMK
        True where the part was measured at the nearest video frame, False where it was interpolated.
    mouse_ids
        Ids of the M mice.
    first_frame, n_frames
        The video's own frames that are covered: ``first_frame <= f < first_frame + n_frames``.
    """

    meta: VideoMeta
    xy_TMK2: Floats
    seen_TMK: Bools
    mouse_ids: tuple[int, ...]
    first_frame: int
    n_frames: int
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def from_curated(cls, table: pa.Table, meta: VideoMeta) -> PoseClip:
        """From rows of `tracking_curated` of one video, in any order.

        Imputed rows are not used: this class interpolates, and says where. Raises DataError without rows.
        """
        columns = {name: table[name].to_numpy() for name in ("video_frame", "mouse_id", "is_imputed")}
        keep = ~columns["is_imputed"].astype(bool)
        if not keep.any():
            raise DataError(f"Video {meta.video_id} has no measured points.")
        notes: tuple[str, ...] = ()
        x, y = (table[name].to_numpy(zero_copy_only=False).astype(np.float32) for name in ("x_cm", "y_cm"))
        frame, mouse = columns["video_frame"][keep], columns["mouse_id"][keep]
        part = table["bodypart"].combine_chunks().dictionary_encode()
        if hasattr(part, "chunks"):
            part = part.combine_chunks()
        names = part.dictionary.to_pylist()
        code = part.indices.to_numpy()[keep]
        if np.isnan(x).all():
            x, y = (table[name].to_numpy().astype(np.float32) for name in ("x", "y"))
        own = _dense(frame, mouse, code, np.stack([x[keep], y[keep]], axis=1), names)
        if meta.pix_per_cm is None or meta.pix_per_cm <= 0:
            own, note = _scaled_by_body(own)
            notes = (note,)
        xy, seen = _on_clock(own.xy_TMK2, meta.fps)
        return cls(meta, xy, seen, own.mouse_ids, own.first_frame, len(own.xy_TMK2), notes)

    @classmethod
    def from_raw(cls, table: pa.Table, meta: VideoMeta, *, max_gap_frames: int = 15) -> PoseClip:
        """From raw tracking rows (px): curates them first, with the very code of the Glue job."""
        from etholake.curate.tracking import curate_tracking

        return cls.from_curated(curate_tracking(table, meta, max_gap_frames=max_gap_frames).table, meta)

    def clock_times(self) -> npt.NDArray[np.float64]:
        """Video frame (fractional) at each tick of the common clock."""
        ticks = np.arange(len(self.xy_TMK2), dtype=np.float64)
        return self.first_frame + ticks * (self.meta.fps / CLOCK_HZ)

    def to_own_frames(self, values_TC: Floats) -> Floats:
        """Values on the common clock → on the video's own frames [n_frames, C], linearly interpolated."""
        at = np.arange(self.n_frames) * (CLOCK_HZ / self.meta.fps)
        low = np.clip(np.floor(at).astype(int), 0, len(values_TC) - 1)
        high = np.minimum(low + 1, len(values_TC) - 1)
        weight = np.clip(at - low, 0, 1).astype(np.float32)[:, None]
        return (1 - weight) * values_TC[low] + weight * values_TC[high]


@dataclass(frozen=True)
class _Own:
    """Unified tracks on the video's own frames; NaN where not measured."""

    xy_TMK2: Floats
    mouse_ids: tuple[int, ...]
    first_frame: int


def _dense(
    frame: npt.NDArray[Any],
    mouse: npt.NDArray[Any],
    code: npt.NDArray[Any],
    xy_N2: Floats,
    names: Sequence[str],
) -> _Own:
    mice = np.unique(mouse)
    first = int(frame.min())
    by_part = np.full((int(frame.max()) - first + 1, len(mice), len(names), 2), np.nan, dtype=np.float32)
    by_part[frame - first, np.searchsorted(mice, mouse), code] = xy_N2
    return _Own(_unify(by_part, names), tuple(int(m) for m in mice), first)


def _unify(by_part: Floats, names: Sequence[str]) -> Floats:
    """[T, M, parts, 2] of a lab → [T, M, K, 2]: the first source that was measured in a frame wins."""
    index = {name: i for i, name in enumerate(names)}
    unified = np.full((*by_part.shape[:2], len(UNIFIED_PARTS), 2), np.nan, dtype=np.float32)
    for k, part in enumerate(UNIFIED_PARTS):
        for source in UNIFIED_PART_SOURCES[part]:
            if source in index:
                unified[:, :, k] = np.where(
                    np.isnan(unified[:, :, k]), by_part[:, :, index[source]], unified[:, :, k]
                )
    return unified


def _scaled_by_body(own: _Own) -> tuple[_Own, str]:
    """Without px/cm: the median nose (or neck) to tail-base length is taken for `NOMINAL_BODY_CM`."""
    nose, neck, tail = (own.xy_TMK2[:, :, UNIFIED_PARTS.index(p)] for p in ("nose", "neck", "tail_base"))
    front = np.where(np.isnan(nose), neck, nose)
    length = np.linalg.norm(front - tail, axis=-1)
    if not np.isfinite(length).any():
        raise DataError("The video has no px/cm, and no frame with both ends of a mouse to estimate it from.")
    scale = float(np.nanmedian(length)) / NOMINAL_BODY_CM
    if scale <= 0:
        raise DataError("The video has no px/cm, and its mice have no length to estimate it from.")
    centre = np.nanmean(own.xy_TMK2, axis=(0, 1, 2))
    note = f"no px/cm: scaled so that the median body is {NOMINAL_BODY_CM} cm long ({scale:.2f} px/cm)"
    return _Own((own.xy_TMK2 - centre) / np.float32(scale), own.mouse_ids, own.first_frame), note


def _on_clock(xy_TMK2: Floats, fps: float) -> tuple[Floats, Bools]:
    """Linear interpolation onto the common clock, over gaps of at most `MAX_BRIDGE_S`."""
    T, M, K, _ = xy_TMK2.shape
    ticks = np.arange(max(1, int(np.floor((T - 1) * CLOCK_HZ / fps + 1e-6)) + 1)) * (fps / CLOCK_HZ)
    out = np.full((len(ticks), M, K, 2), np.nan, dtype=np.float32)
    seen = np.zeros((len(ticks), M, K), dtype=bool)
    nearest = np.minimum(np.round(ticks).astype(int), T - 1)
    bridge = MAX_BRIDGE_S * fps
    for m in range(M):
        for k in range(K):
            track = xy_TMK2[:, m, k]
            measured = np.flatnonzero(~np.isnan(track[:, 0]))
            if not measured.size:
                continue
            position = np.searchsorted(measured, ticks)
            before = measured[np.clip(position - 1, 0, len(measured) - 1)]
            after = measured[np.clip(position, 0, len(measured) - 1)]
            exact = after == ticks
            near = exact | ((before <= ticks) & (after >= ticks) & (after - before <= bridge))
            near |= np.abs(ticks - measured[-1]) < 1  # the clock's last tick may lie behind the last frame
            for axis in range(2):
                value = np.interp(ticks, measured, track[measured, axis])
                out[:, m, k, axis] = np.where(near, value, np.nan)
            seen[:, m, k] = ~np.isnan(track[nearest, 0])
    return out, seen


def require_unified_parts(names: Sequence[str]) -> None:
    """Raise ContractError if none of a lab's parts can be unified."""
    known = {source for sources in UNIFIED_PART_SOURCES.values() for source in sources}
    if not known & set(names):
        raise ContractError(f"None of the body parts {sorted(names)} is known; expected some of {sorted(known)}.")
