"""One video's tracks as dense arrays on a common clock: from the curated zone, or from raw rows.

Shape letters: T frames, M mice, K unified body parts (`contract.UNIFIED_PARTS`), 2 = (x, y).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.contract import UNIFIED_PART_SOURCES, UNIFIED_PARTS
from etholake.curate.behaviors import parse_items, parse_list
from etholake.errors import DataError, raise_collected

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CLOCK_HZ", "MIN_FPS", "PartSources", "PoseTracks", "VideoMeta"]

CLOCK_HZ = 30.0  # every video is seen at this rate, so that windows are in seconds
MAX_BRIDGE_S = 1.0  # a point is interpolated between measured ones that are at most this far apart
NOMINAL_BODY_CM = 8.0  # nose to tail base of a mouse; the scale of a video that has no px/cm
MIN_FPS = 5.0  # below it a frame is missing for longer than many a behaviour lasts, and speeds say nothing
TRAINED_FPS = 10.0  # training shows a third of the clock's frames at the least (`config.Augmentation.lower_rate`)
MAX_HOURS = 24.0  # longer than this, a lone wrong frame number is likelier than a video

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Triplet = tuple[int, int, str]
PartSources = Mapping[str, tuple[str, ...]]  # unified part -> names of parts that may stand for it, best first


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as err:
        raise DataError(f"{name} must be a number or left out, but got {value!r}.") from err
    return number if np.isfinite(number) else None


def _whitelist(value: Any) -> tuple[Triplet, ...]:
    """Triplets of a list of items, of the JSON of one, or of nothing; target == agent for a self action."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ()
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
    """What must be known of a video besides its tracks. None where unknown."""

    video_id: int
    lab_id: str
    fps: float
    pix_per_cm: float | None = None
    width_pix: float | None = None
    height_pix: float | None = None
    arena_width_cm: float | None = None
    arena_height_cm: float | None = None
    behaviors: tuple[Triplet, ...] = ()
    n_mice: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> VideoMeta:
        """From a row of `metadata_train` or `metadata_test` (or the same fields in a request's JSON).

        Raises DataError if lab, video or fps are missing, fps is not above zero, a number is none, or an item
        of `behaviors_labeled` is no triplet (stray quotes are repaired).
        """
        missing = [name for name in ("video_id", "lab_id", "frames_per_second") if row.get(name) in (None, "")]
        if missing:
            raise DataError(f"The video's metadata lack {missing}.")
        fps = _number(row, "frames_per_second")
        if fps is None or fps <= 0:
            raise DataError(f"frames_per_second must be above 0, but got {row['frames_per_second']!r}.")
        try:
            video_id = int(row["video_id"])
        except (TypeError, ValueError) as err:
            raise DataError(f"video_id must be a whole number, but got {row['video_id']!r}.") from err
        n_mice = _number(row, "n_mice")
        return cls(
            video_id,
            str(row["lab_id"]),
            fps,
            pix_per_cm=_number(row, "pix_per_cm_approx"),
            width_pix=_number(row, "video_width_pix"),
            height_pix=_number(row, "video_height_pix"),
            arena_width_cm=_number(row, "arena_width_cm"),
            arena_height_cm=_number(row, "arena_height_cm"),
            behaviors=_whitelist(row.get("behaviors_labeled")),
            n_mice=None if n_mice is None else int(n_mice),
        )


@dataclass(frozen=True)
class PoseTracks:
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

    @property
    def video_id(self) -> int:
        return self.meta.video_id

    @property
    def lab_id(self) -> str:
        return self.meta.lab_id

    @property
    def fps(self) -> float:
        """Frames per second of the video itself, not of the common clock."""
        return self.meta.fps

    @property
    def behaviors(self) -> tuple[Triplet, ...]:
        """The (agent, target, action) that were looked for."""
        return self.meta.behaviors

    @property
    def parts(self) -> tuple[str, ...]:
        """The K unified parts."""
        return UNIFIED_PARTS

    @classmethod
    def from_curated(
        cls, table: pa.Table, meta: VideoMeta, sources: PartSources = UNIFIED_PART_SOURCES
    ) -> PoseTracks:
        """From rows of `tracking_curated` of one video, in any order; `sources` as `UNIFIED_PART_SOURCES`.

        Imputed rows are not used: this class interpolates, and says where. Without px/cm (no `x_cm` at all) the
        video is scaled by the length of its animals, with a note. Raises DataError without measured points, if
        none of the parts is known, if fps is below `MIN_FPS`, if the frames span more than `MAX_HOURS`, or if no
        body length can be had.
        """
        if meta.fps < MIN_FPS:
            raise DataError(
                f"Video {meta.video_id} has {meta.fps:g} frames/s (frames_per_second), too few for features of "
                f"motion on a clock of {CLOCK_HZ:g} Hz: at least {MIN_FPS:g} are needed. "
                "Correct frames_per_second if it is wrong, else record faster."
            )
        keep = np.flatnonzero(~table["is_imputed"].to_numpy().astype(bool))
        if not keep.size:
            raise DataError(f"Video {meta.video_id} has no measured points: there is nothing to recognise in it.")
        frame, mouse = (table[name].to_numpy()[keep] for name in ("video_frame", "mouse_id"))
        part = table["bodypart"].combine_chunks().dictionary_encode()
        code, names = part.indices.to_numpy()[keep], part.dictionary.to_pylist()
        hours = (int(frame.max()) - int(frame.min()) + 1) / meta.fps / 3600
        if hours > MAX_HOURS:
            raise DataError(
                f"Video {meta.video_id}: the frames {frame.min()} to {frame.max()} at {meta.fps:g} frames/s "
                f"would be {hours:.1f} h, more than {MAX_HOURS:g} h. Check video_frame and frames_per_second, "
                "or cut the video."
            )
        in_cm = table["x_cm"].null_count < table.num_rows
        x, y = (table[name].to_numpy() for name in (("x_cm", "y_cm") if in_cm else ("x", "y")))
        own = _unified(frame, mouse, code, np.stack([x[keep], y[keep]], axis=1).astype(np.float32), names, sources)
        if np.isnan(own.xy_TMK2).all():
            known = "; ".join(f"{part} ({' or '.join(sources[part])})" for part in UNIFIED_PARTS)
            raise DataError(
                f"Video {meta.video_id} has none of the body parts that the recogniser knows. It has "
                f"{', '.join(sorted(names))}; known are {known}. Name yours with the setting part_map, for "
                f"example {sorted(names)[0]}=nose, and train with it."
            )
        notes: tuple[str, ...] = ()
        if not in_cm:
            own, note = _scaled_by_body(own, meta.video_id)
            notes = (note,)
        if meta.fps < TRAINED_FPS:
            notes += (f"{meta.fps:g} frames/s: fewer than training has shown ({TRAINED_FPS:g}), expect less",)
        xy, seen = _on_clock(own.xy_TMK2, meta.fps)
        return cls(meta, xy, seen, own.mouse_ids, own.first_frame, len(own.xy_TMK2), notes)

    @classmethod
    def from_raw(
        cls,
        table: pa.Table,
        meta: VideoMeta,
        *,
        max_gap_frames: int = 15,
        sources: PartSources = UNIFIED_PART_SOURCES,
    ) -> PoseTracks:
        """From raw tracking rows (px): curates them first, with the very code of the Glue job."""
        from etholake.curate.tracking import curate_tracking

        return cls.from_curated(curate_tracking(table, meta, max_gap_frames=max_gap_frames).table, meta, sources)

    def mapped(self, folder: Path) -> PoseTracks:
        """Write the arrays to `folder` (made if missing) and give the same clip with them memory-mapped.

        float32 `xy.npy` and boolean `seen.npy`: at 30 Hz, 2 mice and 8 parts 4.3 kB a second.
        """
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "xy.npy", self.xy_TMK2)
        np.save(folder / "seen.npy", self.seen_TMK)
        xy, seen = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("xy", "seen"))
        return replace(self, xy_TMK2=xy, seen_TMK=seen)

    def clock_times(self) -> npt.NDArray[np.float64]:
        """Video frame (fractional) at each tick of the common clock."""
        ticks = np.arange(len(self.xy_TMK2), dtype=np.float64)
        return self.first_frame + ticks * (self.meta.fps / CLOCK_HZ)

    def to_own_frames(self, values_TC: Floats) -> Floats:
        """Values on the common clock → on the video's own frames [n_frames, C], linearly interpolated."""
        at = np.arange(self.n_frames) * (CLOCK_HZ / self.meta.fps)
        low = np.clip(np.floor(at).astype(int), 0, len(values_TC) - 1)
        high = np.minimum(np.ceil(at).astype(int), len(values_TC) - 1)  # at a tick, no neighbour is asked
        weight = np.clip(at - low, 0, 1).astype(np.float32)[:, None]
        return (1 - weight) * values_TC[low] + weight * values_TC[high]


@dataclass(frozen=True)
class _Own:
    """Unified tracks on the video's own frames; NaN where not measured."""

    xy_TMK2: Floats
    mouse_ids: tuple[int, ...]
    first_frame: int


def _unified(
    frame: npt.NDArray[Any],
    mouse: npt.NDArray[Any],
    code: npt.NDArray[Any],
    xy_N2: Floats,
    names: Sequence[str],
    sources: PartSources,
) -> _Own:
    """Long rows of a lab's own parts → dense unified parts. `code` indexes `names`."""
    mice, row = np.unique(mouse, return_inverse=True)
    first = int(frame.min())
    cell = row * len(names) + code
    counts = np.bincount(cell, minlength=len(mice) * len(names)).reshape(len(mice), len(names))
    xy = np.full((int(frame.max()) - first + 1, len(mice), len(UNIFIED_PARTS), 2), np.nan, dtype=np.float32)
    for m in range(len(mice)):
        for k, part in enumerate(UNIFIED_PARTS):
            source = _source(sources[part], dict(zip(names, counts[m], strict=True)))
            if source is not None:
                rows = np.flatnonzero(cell == m * len(names) + names.index(source))
                xy[frame[rows] - first, m, k] = xy_N2[rows]
    return _Own(xy, tuple(int(m) for m in mice), first)


def _source(sources: Sequence[str], measured: Mapping[str, int]) -> str | None:
    """Which of its sources stands for a unified part: the first that has half as many points as the best, if any.

    One source per mouse and video: changing it from frame to frame would look like motion.
    """
    present = [source for source in sources if measured.get(source)]
    most = max((measured[source] for source in present), default=0)
    return next((source for source in present if 2 * measured[source] >= most), None)


def _scaled_by_body(own: _Own, video_id: int) -> tuple[_Own, str]:
    """Without px/cm: the median nose (or neck) to tail-base length is taken for `NOMINAL_BODY_CM`."""
    nose, neck, tail = (own.xy_TMK2[:, :, UNIFIED_PARTS.index(p)] for p in ("nose", "neck", "tail_base"))
    front = np.where(np.isnan(nose), neck, nose)
    length = np.linalg.norm(front - tail, axis=-1)
    if not np.isfinite(length).any():
        raise DataError(
            f"Video {video_id} has no px/cm, and no frame with both ends of a mouse to estimate it from. "
            "Give pix_per_cm_approx."
        )
    scale = float(np.nanmedian(length)) / NOMINAL_BODY_CM
    if scale <= 0:
        raise DataError(f"Video {video_id} has no px/cm, and its mice have no length. Give pix_per_cm_approx.")
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
