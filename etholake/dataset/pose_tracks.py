"""One video's tracks as dense arrays at 30 frames a second: from the curated zone, or from raw rows.

Shape letters: T frames at 30 Hz, M animals, K unified body parts (`contract.UNIFIED_PARTS`), 2 = (x, y).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.contract import (
    BODY_PARTS,
    HEADPIECE_PARTS,
    MIN_FPS,
    RULES,
    UNIFIED_PART_SOURCES,
    UNIFIED_PARTS,
    guess_parts,
)
from etholake.dataset.video_meta import Triplet, VideoMeta
from etholake.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from etholake.curate.tracking import CuratedTracking
    from etholake.video.stored_clips import FrameSource

__all__ = [
    "MODEL_FPS", "PartSources", "PoseTracks", "chosen_source", "read_mapped",
]  # fmt: skip

MODEL_FPS = 30.0  # every video is resampled to this rate, so that a window is a time
MAX_OWN_PARTS = 8  # of a lab's own points beside the unified parts: they are memory and features
MAX_BRIDGE_S = 1.0  # a point is interpolated between measured ones that are at most this far apart
NOMINAL_BODY_CM = 8.0  # nose to tail base of a mouse; the scale of a video that has no px/cm
TRAINED_FPS = 10.0  # training lowers the rate to a third at most (`config.Augmentation.lower_rate`)
# Rules that no row is left out for, but that make a prediction worth little: an answer names them.
DOUBTS = frozenset({"axes-exchanged", "point-at-origin", "point-outside-frame", "scale-implausible"})
STRAY_GAP_S, STRAY_FRACTION = 600.0, 0.01  # rows so far from all others, and so few, are wrong frame numbers
MAX_HOURS = 24.0  # longer than this, a lone wrong frame number is likelier than a video

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
PartSources = Mapping[str, tuple[str, ...]]  # unified part -> names of parts that are read for it, best first


@dataclass(frozen=True)
class PoseTracks:
    """Unified tracks of one video at 30 frames a second.

    Attributes
    ----------
    xy_TMK2
        float32, cm from the arena centre; NaN where a part is missing for longer than `MAX_BRIDGE_S`.
    observed_TMK
        True where the part was measured at the nearest video frame, False where it was interpolated.
    mouse_ids
        Ids of the M mice.
    first_frame, n_frames
        The video's own frames that are covered: ``first_frame <= f < first_frame + n_frames``.
    skipped
        How many frames at 30 Hz of the video lie before the arrays: above 0 for a part of a video.
    own_parts, own_TMJ2
        Names and tracks of the J points that are no unified part: a lab's own body parts, or objects.
    clips
        The crops of the video's animals; None without. Models that read pixels need them.
    z_TMK
        The third coordinate of three-dimensional tracks in cm, from any origin; None of two-dimensional ones. NaN
        where the part or its z is missing.
    """

    meta: VideoMeta
    xy_TMK2: Floats
    observed_TMK: Bools
    mouse_ids: tuple[int, ...]
    first_frame: int
    n_frames: int
    notes: tuple[str, ...] = field(default=())
    skipped: int = 0
    own_parts: tuple[str, ...] = ()
    own_TMJ2: Floats = field(default_factory=lambda: np.zeros((0, 0, 0, 2), dtype=np.float32))
    clips: FrameSource | None = None
    z_TMK: Floats | None = None

    @property
    def video_id(self) -> int:
        """The number of the video in the lake."""
        return self.meta.video_id

    @property
    def lab_id(self) -> str:
        """The laboratory that recorded the video."""
        return self.meta.lab_id

    @property
    def fps(self) -> float:
        """Frames per second of the video itself, not of these arrays."""
        return self.meta.fps

    @property
    def labeled_behaviors(self) -> tuple[Triplet, ...]:
        """The (agent, target, action) that were annotated wherever they occurred; others may occur unannotated."""
        return self.meta.labeled_behaviors

    @property
    def parts(self) -> tuple[str, ...]:
        """The K unified parts."""
        return UNIFIED_PARTS

    @classmethod
    def from_curated(
        cls, table: pa.Table, meta: VideoMeta, sources: PartSources = UNIFIED_PART_SOURCES
    ) -> PoseTracks:
        """Make tracks from the rows of `tracking_curated` of one video, in any order.

        Imputed rows are not used: this class interpolates, and marks where. Without px/cm (no `x_cm` at all) the
        video is scaled by the length of its animals, with a note. `sources` has the form of
        `UNIFIED_PART_SOURCES`.

        A name that `sources` does not hold is guessed (`contract.guess_part`); a guess, and a name that says
        nothing, is a note. Points without a unified part become `own_parts`.

        Raises DataError if there are no measured points, none of the parts is known, fps is below `MIN_FPS`, the
        frames span more than `MAX_HOURS`, or no body length can be measured where it is needed. A column `z` (px)
        with a value makes the tracks three-dimensional.
        """
        if meta.fps < MIN_FPS:
            raise DataError(
                f"Video {meta.video_id} has {meta.fps:g} frames/s (frames_per_second), too few for features of "
                f"motion at {MODEL_FPS:g} frames/s: at least {MIN_FPS:g} are needed. "
                "Correct frames_per_second if it is wrong, else record faster."
            )
        keep = np.flatnonzero(~table["is_imputed"].to_numpy().astype(bool))
        if not keep.size:
            raise DataError(f"Video {meta.video_id} has no measured points: nothing can be predicted for it.")
        frame, mouse = (table[name].to_numpy()[keep] for name in ("video_frame", "mouse_id"))
        part = table["bodypart"].combine_chunks().dictionary_encode()
        code, names = part.indices.to_numpy()[keep], part.dictionary.to_pylist()
        near = _without_strays(frame, meta.fps)
        stray_notes: tuple[str, ...] = ()
        if not near.all():
            far = frame[~near]
            stray_notes = (
                f"{far.size} rows left out: their frames ({far.min()} to {far.max()}) lie more than "
                f"{STRAY_GAP_S / 60:g} min from all others",
            )
            keep, frame, mouse, code = keep[near], frame[near], mouse[near], code[near]
        hours = (int(frame.max()) - int(frame.min()) + 1) / meta.fps / 3600
        if hours > MAX_HOURS:
            raise DataError(
                f"Video {meta.video_id}: the frames {frame.min()} to {frame.max()} at {meta.fps:g} frames/s "
                f"would be {hours:.1f} h, more than {MAX_HOURS:g} h. Check video_frame and frames_per_second, "
                "or cut the video."
            )
        sources, part_notes = _with_guesses(names, sources)
        in_cm = table["x_cm"].null_count < table.num_rows
        x, y = (table[name].to_numpy() for name in (("x_cm", "y_cm") if in_cm else ("x", "y")))
        rows = (frame, mouse, code, np.stack([x[keep], y[keep]], axis=1).astype(np.float32), names)
        video = _dense(*rows, [sources[part] for part in UNIFIED_PARTS])
        own_parts = _own_parts(code, names, sources)
        own_xy = _dense(*rows, [(part,) for part in own_parts]).xy_TMK2
        if np.isnan(video.xy_TMK2).all():
            readable = "; ".join(f"{part} ({' or '.join(sources[part])})" for part in UNIFIED_PARTS)
            raise DataError(
                f"Video {meta.video_id} has none of the body parts that models read. It has "
                f"{', '.join(sorted(names))}; readable are {readable}. Name yours with the setting part_map, for "
                f"example {sorted(names)[0]}=nose, and train with it."
            )
        notes = part_notes + stray_notes
        if not in_cm:
            centre, scale, note = _body_scale(video, meta.video_id)
            video = replace(video, xy_TMK2=(video.xy_TMK2 - centre) / scale)
            own_xy = (own_xy - centre) / scale
            notes += (note,)
        if meta.fps < TRAINED_FPS:
            slow = (
                f"{meta.fps:g} frames/s: fewer than in training ({TRAINED_FPS:g}), predictions are less reliable"
            )
            notes += (slow,)
        xy, observed = _at_model_rate(video.xy_TMK2, meta.fps)
        own, _ = _at_model_rate(own_xy, meta.fps)
        z_TMK = None
        if (z := _depth(table, keep)) is not None:
            per_cm = _depth_scale(meta) if in_cm else float(scale)
            twice = (frame, mouse, code, np.stack([z, z], axis=1) / np.float32(per_cm), names)
            depth = _dense(*twice, [sources[part] for part in UNIFIED_PARTS]).xy_TMK2
            z_TMK = _at_model_rate(depth, meta.fps)[0][..., 0]
        first, n_frames = video.first_frame, len(video.xy_TMK2)
        return cls(
            meta,
            xy,
            observed,
            video.mouse_ids,
            first,
            n_frames,
            notes,
            own_parts=own_parts,
            own_TMJ2=own,
            z_TMK=z_TMK,
        )

    @classmethod
    def untracked(cls, meta: VideoMeta, mouse_ids: Sequence[int], n_frames: int) -> PoseTracks:
        """Return the tracks of a video of which no point is known, for models of pixels; they take no memory.

        Raises DataError if fps is below `MIN_FPS`.
        """
        if meta.fps < MIN_FPS:
            raise DataError(f"Video {meta.video_id} has {meta.fps:g} frames/s; at least {MIN_FPS:g} are needed.")
        times = max(1, int(np.floor((n_frames - 1) * MODEL_FPS / meta.fps + 1e-6)) + 1)
        shape = (times, len(mouse_ids), len(UNIFIED_PARTS))
        xy = np.broadcast_to(np.float32(np.nan), (*shape, 2))
        return cls(meta, xy, np.broadcast_to(np.False_, shape), tuple(mouse_ids), 0, n_frames)

    @classmethod
    def from_raw(
        cls,
        table: pa.Table,
        meta: VideoMeta,
        *,
        max_gap_frames: int = 15,
        sources: PartSources = UNIFIED_PART_SOURCES,
    ) -> PoseTracks:
        """Make tracks from raw tracking rows (px), which are curated first with the code of the Glue job."""
        from etholake.curate.track import VideoScale
        from etholake.curate.tracking import curate_tracking

        scale = VideoScale(
            meta.video_id, meta.lab_id, meta.fps, meta.pix_per_cm, meta.width_pix, meta.height_pix,
            meta.arena_width_cm, meta.arena_height_cm, meta.min_likelihood,
        )  # fmt: skip
        curated = curate_tracking(table, scale, max_gap_frames=max_gap_frames)
        tracks = cls.from_curated(curated.table, meta, sources)
        notes = [f"rule {rule}: {RULES[rule].sentence}" for rule in curated.flags if rule in DOUBTS]
        if curated.counts.rows_quarantined:
            notes.append(_rejected(curated))
        return replace(tracks, notes=(*tracks.notes, *notes))

    def mapped(self, folder: Path) -> PoseTracks:
        """Write the arrays to `folder` (made if missing) and return the same tracks with memory-mapped arrays.

        The files are `xy.npy`, `own.npy` (float32), `observed.npy` (boolean) and, of three-dimensional tracks,
        `z.npy`; two animals take 4.3 kB a second without own parts.
        """
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "xy.npy", self.xy_TMK2)
        np.save(folder / "observed.npy", self.observed_TMK)
        np.save(folder / "own.npy", self.own_TMJ2)
        if self.z_TMK is None:
            (folder / "z.npy").unlink(missing_ok=True)  # of an earlier use of the folder
        else:
            np.save(folder / "z.npy", self.z_TMK)
        xy, observed, own, z = read_mapped(folder)
        return replace(self, xy_TMK2=xy, observed_TMK=observed, own_TMJ2=own, z_TMK=z)

    def part(self, low: int, high: int) -> PoseTracks:
        """Return the tracks with the arrays of the frames ``low <= t < high`` at 30 Hz alone."""
        z = None if self.z_TMK is None else self.z_TMK[low:high]
        return replace(self, xy_TMK2=self.xy_TMK2[low:high], observed_TMK=self.observed_TMK[low:high], z_TMK=z)

    def without(self, hidden_TMK: Bools) -> PoseTracks:
        """Return the tracks with some points missing."""
        nan = np.float32(np.nan)
        return replace(
            self, xy_TMK2=np.where(hidden_TMK[..., None], nan, self.xy_TMK2),
            observed_TMK=self.observed_TMK & ~hidden_TMK,
            z_TMK=None if self.z_TMK is None else np.where(hidden_TMK, nan, self.z_TMK),
        )  # fmt: skip

    def session_times(self) -> npt.NDArray[np.float64]:
        """Return the time since frame 0 of the video at each frame at 30 Hz [T], in seconds."""
        frames = self.skipped + np.arange(len(self.xy_TMK2), dtype=np.float64)
        return self.first_frame / self.meta.fps + frames / MODEL_FPS

    def frame_times(self) -> npt.NDArray[np.float64]:
        """Return the video's own frame (fractional) at each frame at 30 Hz [T]."""
        frames = np.arange(len(self.xy_TMK2), dtype=np.float64)
        return self.first_frame + frames * (self.meta.fps / MODEL_FPS)

    def to_video_frames(self, values_TC: Floats) -> Floats:
        """Interpolate values [T, C] at 30 Hz linearly to the video's own frames [n_frames, C]."""
        at = np.arange(self.n_frames) * (MODEL_FPS / self.meta.fps)
        low = np.clip(np.floor(at).astype(int), 0, len(values_TC) - 1)
        # Where `at` is whole, the next frame must not count: it may be NaN.
        high = np.minimum(np.ceil(at).astype(int), len(values_TC) - 1)
        weight = np.clip(at - low, 0, 1).astype(np.float32)[:, None]
        return (1 - weight) * values_TC[low] + weight * values_TC[high]


def read_mapped(folder: Path) -> tuple[Floats, Bools, Floats, Floats | None]:
    """Return the arrays that `PoseTracks.mapped` wrote: unified tracks, where they are observed, own parts, z."""
    xy, observed, own = (_read_array(folder / f"{name}.npy") for name in ("xy", "observed", "own"))
    z = _read_array(folder / "z.npy") if (folder / "z.npy").is_file() else None
    return xy, observed, own, z


def _read_array(path: Path) -> npt.NDArray[Any]:
    """Map an array into memory; one without values cannot be mapped and is read."""
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r") if path.stat().st_size > 128 else np.load(path)
    return array


def _rejected(curated: CuratedTracking) -> str:
    """Return a note on the raw rows that curation left out, by rule."""
    rows: Counter[str] = Counter()
    for row in curated.quarantine.to_pylist():
        rows[row["rule"]] += row["rows"]
    counts = curated.counts
    reasons = "; ".join(f"{n:,} by rule {rule}: {RULES[rule].sentence}" for rule, n in rows.most_common())
    return f"{counts.rows_quarantined:,} of {counts.rows_in:,} rows left out: {reasons}"


@dataclass(frozen=True)
class _VideoFrames:
    """Unified tracks on the video's own frames; NaN where not measured."""

    xy_TMK2: Floats
    mouse_ids: tuple[int, ...]
    first_frame: int


def _depth(table: pa.Table, keep: npt.NDArray[Any]) -> Floats | None:
    """Return the column `z` of the kept rows in px, NaN where missing; None without a value."""
    if "z" not in table.column_names or table["z"].null_count == table.num_rows:
        return None
    z = table["z"].to_numpy().astype(np.float32)[keep]
    return z if np.isfinite(z).any() else None


def _depth_scale(meta: VideoMeta) -> float:
    """Return the px/cm of z. Raises DataError if it is not known."""
    if not meta.pix_per_cm:
        raise DataError(
            f"Video {meta.video_id} has three-dimensional tracks (z), but no pix_per_cm_approx for them."
        )
    return meta.pix_per_cm


def _without_strays(frame: npt.NDArray[Any], fps: float) -> Bools:
    """Return which rows [N] lie near the bulk: a lone wrong frame number must not cost hours of empty frames."""
    frames, counts = np.unique(frame, return_counts=True)
    block = np.concatenate([[0], np.cumsum(np.diff(frames) > STRAY_GAP_S * fps)])
    rows = np.bincount(block, weights=counts)
    kept = rows >= STRAY_FRACTION * rows.sum()
    return kept[block[np.searchsorted(frames, frame)]]


def _with_guesses(names: Sequence[str], sources: PartSources) -> tuple[PartSources, tuple[str, ...]]:
    """Return the sources with guessed names last, and notes on guessed names and on others."""
    readable = {name for part_names in sources.values() for name in part_names}
    unknown = sorted(set(names) - readable - set(BODY_PARTS))
    guesses = guess_parts(unknown, readable)
    notes: tuple[str, ...] = ()
    if guesses:
        pairs = ", ".join(f"{name} as {part}" for name, part in guesses.items())
        notes += (f"body parts read by a guess of their names: {pairs}; correct it with the setting part_map",)
    if unread := [name for name in unknown if name not in guesses]:
        notes += (
            f"body parts that only trees read, by their own names: {', '.join(unread)}; map what a network should "
            f"read with the setting part_map, for example {unread[0]}=body_center",
        )
    extended = dict(sources)
    for name, part in guesses.items():
        extended[part] = (*extended[part], name)
    return extended, notes


def _own_parts(code: npt.NDArray[Any], names: Sequence[str], sources: PartSources) -> tuple[str, ...]:
    """Return the names that stand for no unified part, sorted; the `MAX_OWN_PARTS` with most points.

    Parts of a headpiece are left out: they move with the head.
    """
    read = {name for part_names in sources.values() for name in part_names} | set(HEADPIECE_PARTS)
    counts = dict(zip(names, np.bincount(code, minlength=len(names)).tolist(), strict=True))
    own = [name for name in names if name not in read and counts[name]]
    return tuple(sorted(sorted(own, key=lambda name: (-counts[name], name))[:MAX_OWN_PARTS]))


def _dense(
    frame: npt.NDArray[Any],
    mouse: npt.NDArray[Any],
    code: npt.NDArray[Any],
    xy_N2: Floats,
    names: Sequence[str],
    sources: Sequence[Sequence[str]],
) -> _VideoFrames:
    """Turn rows of a lab's own parts into dense tracks of K parts, each read from the best of its `sources`.

    `code` indexes `names`.
    """
    mice, row = np.unique(mouse, return_inverse=True)
    first = int(frame.min())
    cell = row * len(names) + code
    counts = np.bincount(cell, minlength=len(mice) * len(names)).reshape(len(mice), len(names))
    xy = np.full((int(frame.max()) - first + 1, len(mice), len(sources), 2), np.nan, dtype=np.float32)
    for m in range(len(mice)):
        for k, part_names in enumerate(sources):
            source = chosen_source(part_names, dict(zip(names, counts[m], strict=True)))
            if source is not None:
                rows = np.flatnonzero(cell == m * len(names) + names.index(source))
                xy[frame[rows] - first, m, k] = xy_N2[rows]
    return _VideoFrames(xy, tuple(int(m) for m in mice), first)


def chosen_source(sources: Sequence[str], measured: Mapping[str, int]) -> str | None:
    """Return the source that is read for a unified part: the first with at least half as many points as the best.

    There is one source per animal and video, because a change of source from frame to frame would look like
    motion.
    """
    present = [source for source in sources if measured.get(source)]
    most = max((measured[source] for source in present), default=0)
    return next((source for source in present if 2 * measured[source] >= most), None)


def _body_scale(video: _VideoFrames, video_id: int) -> tuple[Floats, np.float32, str]:
    """Return centre, px/cm and a note for a video without px/cm.

    They make its median nose (or neck) to tail-base length `NOMINAL_BODY_CM`.
    """
    nose, neck, tail = (video.xy_TMK2[:, :, UNIFIED_PARTS.index(p)] for p in ("nose", "neck", "tail_base"))
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
    centre = np.nanmean(video.xy_TMK2, axis=(0, 1, 2))
    note = f"no px/cm: scaled so that the median body is {NOMINAL_BODY_CM} cm long ({scale:.2f} px/cm)"
    return centre, np.float32(scale), note


def _at_model_rate(xy_TMK2: Floats, fps: float) -> tuple[Floats, Bools]:
    """Interpolate linearly to 30 frames a second, over gaps of at most `MAX_BRIDGE_S`."""
    T, M, K, _ = xy_TMK2.shape
    times = np.arange(max(1, int(np.floor((T - 1) * MODEL_FPS / fps + 1e-6)) + 1)) * (fps / MODEL_FPS)
    out = np.full((len(times), M, K, 2), np.nan, dtype=np.float32)
    observed = np.zeros((len(times), M, K), dtype=bool)
    nearest = np.minimum(np.round(times).astype(int), T - 1)
    bridge = MAX_BRIDGE_S * fps
    for m in range(M):
        for k in range(K):
            track = xy_TMK2[:, m, k]
            measured = np.flatnonzero(~np.isnan(track[:, 0]))
            if not measured.size:
                continue
            position = np.searchsorted(measured, times)
            before = measured[np.clip(position - 1, 0, len(measured) - 1)]
            after = measured[np.clip(position, 0, len(measured) - 1)]
            exact = after == times
            near = exact | ((before <= times) & (after >= times) & (after - before <= bridge))
            near |= np.abs(times - measured[-1]) < 1  # the last time may lie behind the last frame
            for axis in range(2):
                value = np.interp(times, measured, track[measured, axis])
                out[:, m, k, axis] = np.where(near, value, np.nan)
            observed[:, m, k] = ~np.isnan(track[nearest, 0])
    return out, observed
