"""One video's tracks as dense arrays at 30 frames a second: from the curated zone, or from raw rows.

Shape letters: T frames at 30 Hz, M animals, K unified body parts (`contract.UNIFIED_PARTS`), 2 = (x, y).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.contract import DOUBTS, MAX_FPS, MIN_FPS, RULES, UNIFIED_PART_SOURCES, UNIFIED_PARTS
from etholake.dataset.measured_points import MeasuredPoints
from etholake.dataset.part_sources import PartSources, choose_own_parts, with_guesses
from etholake.dataset.resampling import MODEL_FPS, at_model_rate
from etholake.dataset.video_meta import Triplet, VideoMeta
from etholake.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from etholake.curate.tracking import CuratedTracking
    from etholake.video.stored_clips import FrameSource

__all__ = ["PoseTracks", "read_mapped"]

NOMINAL_BODY_CM = 8.0  # nose to tail base of a mouse; the scale of a video that has no px/cm
TRAINED_FPS = 10.0  # training lowers the rate to a third at most (`config.Augmentation.lower_rate`)

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def _check_rate(meta: VideoMeta) -> None:
    """Raise DataError for a frame rate at which a model can say nothing."""
    if meta.fps < MIN_FPS:
        raise DataError(
            f"Video {meta.video_id} has {meta.fps:g} frames/s (frames_per_second), too few for features of "
            f"motion at {MODEL_FPS:g} frames/s: at least {MIN_FPS:g} are needed. "
            "Correct frames_per_second if it is wrong, else record faster."
        )
    if meta.fps > MAX_FPS:
        raise DataError(
            f"Video {meta.video_id} has {meta.fps:g} frames/s (frames_per_second), which no camera of behaviour "
            f"has: at most {MAX_FPS:g} are taken. Correct frames_per_second; is a decimal point missing?"
        )


@dataclass(frozen=True)
class PoseTracks:
    """Unified tracks of one video at 30 frames a second.

    Attributes
    ----------
    xy_TMK2
        float32, cm from the arena centre; NaN where a part is missing for longer than `resampling.MAX_BRIDGE_S`.
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

        A column `z` (px) with a value makes the tracks three-dimensional.

        Raises DataError if there are no measured points, none of the parts is known, fps is outside `MIN_FPS` to
        `MAX_FPS`, the frames span more than `measured_points.MAX_HOURS`, or no body length can be measured where
        it is needed.
        """
        _check_rate(meta)
        points = MeasuredPoints.from_curated(table, meta)
        sources, part_notes = with_guesses(points.names, sources)
        unified_sources = [sources[part] for part in UNIFIED_PARTS]
        own_parts = choose_own_parts(points.count_by_name(), sources)
        in_cm = table["x_cm"].null_count < table.num_rows
        x, y = (table[name].to_numpy()[points.rows_N] for name in (("x_cm", "y_cm") if in_cm else ("x", "y")))
        xy_N2 = np.stack([x, y], axis=1).astype(np.float32)
        xy, own = points.dense(xy_N2, unified_sources), points.dense(xy_N2, [(part,) for part in own_parts])
        if np.isnan(xy).all():
            raise _no_readable_part(points.names, sources, meta)
        notes = part_notes + points.notes
        if not in_cm:
            centre, scale, note = _body_scale(xy, meta.video_id)
            xy, own = (xy - centre) / scale, (own - centre) / scale
            notes += (note,)
        if meta.fps < TRAINED_FPS:
            notes += (
                f"{meta.fps:g} frames/s: fewer than in training ({TRAINED_FPS:g}), predictions are less reliable",
            )
        z_TMK = None
        if (z_N := _depth(table, points)) is not None:
            z_N = z_N / np.float32(_depth_scale(meta) if in_cm else scale)
            twice = points.dense(np.stack([z_N, z_N], axis=1), unified_sources)  # as if it were (x, y)
            z_TMK = at_model_rate(twice, meta.fps)[0][..., 0]
        xy_TMK2, observed_TMK = at_model_rate(xy, meta.fps)
        return cls(
            meta, xy_TMK2, observed_TMK, points.mouse_ids, points.first_frame, len(xy), notes,
            own_parts=own_parts, own_TMJ2=at_model_rate(own, meta.fps)[0], z_TMK=z_TMK,
        )  # fmt: skip

    @classmethod
    def untracked(cls, meta: VideoMeta, mouse_ids: Sequence[int], n_frames: int) -> PoseTracks:
        """Return the tracks of a video of which no point is known, for models of pixels; they take no memory.

        Raises DataError if fps is outside `MIN_FPS` to `MAX_FPS`.
        """
        _check_rate(meta)
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
        if meta.min_likelihood and "likelihood" not in table.column_names:
            notes.append(f"no column likelihood: min_likelihood ({meta.min_likelihood:g}) leaves no point out")
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


def _no_readable_part(names: Sequence[str], sources: PartSources, meta: VideoMeta) -> DataError:
    readable = "; ".join(f"{part} ({' or '.join(sources[part])})" for part in UNIFIED_PARTS)
    return DataError(
        f"Video {meta.video_id} has none of the body parts that models read. It has "
        f"{', '.join(sorted(names))}; readable are {readable}. Name yours with the setting part_map, for "
        f"example {sorted(names)[0]}=nose, and train with it."
    )


def _depth(table: pa.Table, points: MeasuredPoints) -> Floats | None:
    """Return the column `z` of the points [N] in px, NaN where missing; None without a value."""
    if "z" not in table.column_names or table["z"].null_count == table.num_rows:
        return None
    z_N: Floats = table["z"].to_numpy().astype(np.float32)[points.rows_N]
    return z_N if np.isfinite(z_N).any() else None


def _depth_scale(meta: VideoMeta) -> float:
    """Return the px/cm of z. Raises DataError if it is not known."""
    if not meta.pix_per_cm:
        raise DataError(
            f"Video {meta.video_id} has three-dimensional tracks (z), but no pix_per_cm_approx for them."
        )
    return meta.pix_per_cm


def _body_scale(xy_TMK2: Floats, video_id: int) -> tuple[Floats, np.float32, str]:
    """Return centre, px/cm and a note for a video without px/cm.

    They make its median nose (or neck) to tail-base length `NOMINAL_BODY_CM`.
    """
    nose, neck, tail = (xy_TMK2[:, :, UNIFIED_PARTS.index(p)] for p in ("nose", "neck", "tail_base"))
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
    centre = np.nanmean(xy_TMK2, axis=(0, 1, 2))
    note = f"no px/cm: scaled so that the median body is {NOMINAL_BODY_CM} cm long ({scale:.2f} px/cm)"
    return centre, np.float32(scale), note
