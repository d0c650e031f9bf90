"""Stage impute: fill missing points of raw tracks by a pre-trained model. Nothing in the lake changes.

In: a folder in the MABe layout. Out: the same tracks, ``<split>_tracking/<lab>/<video>.parquet``, with a row more
for every point that was filled in; `is_imputed` is true there, and `method` names the model's family. A part that
is never tracked of an animal is not made up, and neither is a point outside the tracked frames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etholake import logs
from etholake.contract import SPLITS, UNIFIED_PARTS, lab_folder, unified_part_sources, whole_number
from etholake.csv_rows import open_rows
from etholake.curate.tracking import curate_tracking
from etholake.dataset.part_sources import chosen_source
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, UsageError
from etholake.models.archive import load_model
from etholake.models.network_family import NetworkFamily
from etholake.models.network_model import NetworkModel
from etholake.models.registry import FAMILIES
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model.models import unpacked

__all__ = ["filled_rows", "run", "tracking_files"]

KEYS = ("video_frame", "mouse_id", "bodypart")


def run(
    settings: Settings,
    model: str,
    data: Path,
    output: Path,
    videos: Collection[int] = (),
    on_progress: OnProgress | None = None,
) -> StageResult:
    """Fill the tracks of a folder, or of some of its videos.

    `details` has the rows measured and filled by video. `model` is a folder, a `model.tar.gz` or an ``s3://`` URI,
    as for ``train --from``. Videos that cannot be filled are named in `details["skipped"]`.

    Raises
    ------
    UsageError
        The model is of a family that fills nothing, `output` is the folder of the data, or a video is not there.
    DataError
        No video of the folder could be filled.
    """
    tick = on_progress or silent
    if output.resolve() == data.resolve():
        raise UsageError(f"--out must be another folder than {data}: the measured tracks are never overwritten.")
    rows = tracking_files(data, videos)
    written: dict[str, dict[str, int]] = {}
    skipped: dict[str, str] = {}
    with unpacked(settings, model) as folder:
        loaded = load_model(folder)
        family = FAMILIES.get(loaded.family)
        if (
            not isinstance(loaded, NetworkModel)
            or not isinstance(family, NetworkFamily)
            or not family.can_pretrain
        ):
            raise UsageError(
                f"A model of the family '{loaded.family}' fills no missing points: name one of "
                "`etholake pretrain`."
            )
        for number, (source, row) in enumerate(rows):
            tick(number, len(rows), str(source.name))
            try:
                table = pq.ParquetFile(source).read()
                filled = filled_rows(table, VideoMeta.from_row({**row, "behaviors_labeled": None}), loaded)
            except (DataError, pa.ArrowException, OSError) as err:
                skipped[row["video_id"]] = str(err)
                continue
            target = output / source.relative_to(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(filled, target, compression="zstd")
            n = int(np.count_nonzero(filled["is_imputed"].to_numpy()))
            written[row["video_id"]] = {"measured": filled.num_rows - n, "filled": n}
    if not written:
        raise DataError("No video could be filled. " + " ".join(f"{v}: {reason}" for v, reason in skipped.items()))
    for video, reason in skipped.items():
        logs.log_event("skipped", reason, video=int(video))
    total = sum(counts["filled"] for counts in written.values())
    summary = f"{total:,} points filled in {len(written)} videos, in {output}" + (
        f"; {len(skipped)} videos skipped: " + "; ".join(skipped.values()) if skipped else ""
    )
    return StageResult("impute", "done", summary, {"videos": written, "skipped": skipped})


def filled_rows(table: pa.Table, meta: VideoMeta, model: NetworkModel) -> pa.Table:
    """Return raw tracking rows (px) with those that the model fills in, sorted by frame, animal and part. Pure.

    Raises DataError if the tracks cannot be read, or their scale (px/cm) is not known.
    """
    curated = curate_tracking(table, meta, max_gap_frames=1).table
    if curated.num_rows and curated["x_cm"].null_count == curated.num_rows:
        raise DataError(
            f"Video {meta.video_id} has no px/cm: give pix_per_cm_approx, so that points can be placed."
        )
    tracks = PoseTracks.from_curated(curated, meta, unified_part_sources(model.part_map))
    measured = tracks.without(~tracks.observed_TMK)
    family = FAMILIES.get(model.family)
    assert isinstance(family, NetworkFamily)
    filled = family.fill(model, measured)
    scales = {axis: _line(curated, axis) for axis in "xy"}
    cm_TMKD = filled.xy_TMK2
    if filled.z_TMK is not None and meta.pix_per_cm:
        scales["z"] = (meta.pix_per_cm, 0.0)
        cm_TMKD = np.concatenate([cm_TMKD, filled.z_TMK[..., None]], axis=-1)
    cm_TMKD = filled.to_video_frames(cm_TMKD.reshape(len(cm_TMKD), -1)).reshape(
        tracks.n_frames, *cm_TMKD.shape[1:]
    )
    new = _new_rows(table, tracks, cm_TMKD, scales, unified_part_sources(model.part_map))
    n, m = table.num_rows, len(new["x"])
    old = table.append_column("is_imputed", pa.array([False] * n)).append_column(
        "method", pa.nulls(n, pa.string())
    )
    made = pa.table({**new, "is_imputed": [True] * m, "method": [model.family] * m})
    columns = [
        made[field.name].cast(field.type) if field.name in made.column_names else pa.nulls(m, field.type)
        for field in old.schema
    ]
    joined = pa.concat_tables([old, pa.table(columns, schema=old.schema)])
    return joined.sort_by([(key, "ascending") for key in KEYS])


def _new_rows(
    table: pa.Table,
    tracks: PoseTracks,
    cm_TMKD: Any,
    scales: Mapping[str, tuple[float, float]],
    sources: Mapping[str, tuple[str, ...]],
) -> dict[str, Any]:
    """Return columns of the rows that are filled in: those without a measured point in the raw rows."""
    finite = np.isfinite(table["x"].to_numpy().astype(float)) & np.isfinite(table["y"].to_numpy().astype(float))
    frames, mice = (table[name].to_numpy()[finite] for name in ("video_frame", "mouse_id"))
    parts = np.array(table["bodypart"].to_pylist(), dtype=object)[finite]
    columns: dict[str, list[Any]] = {name: [] for name in (*KEYS, *scales)}
    for m, mouse in enumerate(tracks.mouse_ids):
        names, counts = np.unique(parts[mice == mouse].astype(str), return_counts=True)
        for k, part in enumerate(UNIFIED_PARTS):
            source = chosen_source(sources[part], dict(zip(names.tolist(), counts.tolist(), strict=True)))
            if source is None:
                continue
            present = frames[(mice == mouse) & (parts == source)] - tracks.first_frame
            missing = np.ones(len(cm_TMKD), dtype=bool)
            missing[present[(present >= 0) & (present < len(missing))]] = False
            missing &= np.isfinite(cm_TMKD[:, m, k]).all(axis=-1)
            at = np.flatnonzero(missing)
            columns["video_frame"] += (at + tracks.first_frame).tolist()
            columns["mouse_id"] += [mouse] * len(at)
            columns["bodypart"] += [source] * len(at)
            for number, (axis, (slope, start)) in enumerate(scales.items()):
                columns[axis] += (cm_TMKD[at, m, k, number] * slope + start).tolist()
    return columns


def _line(curated: pa.Table, axis: str) -> tuple[float, float]:
    """Return slope and start of px = slope · cm + start, which curation has turned into cm."""
    px, cm = (curated[name].to_numpy().astype(float) for name in (axis, f"{axis}_cm"))
    both = np.isfinite(px) & np.isfinite(cm)
    low, high = (int(f(np.where(both, cm, np.nan))) for f in (np.nanargmin, np.nanargmax))
    if cm[low] == cm[high]:
        raise DataError(f"All points have the same {axis}: nothing can be placed along it.")
    slope = (px[high] - px[low]) / (cm[high] - cm[low])
    return float(slope), float(px[low] - slope * cm[low])


def tracking_files(data: Path, videos: Collection[int]) -> list[tuple[Path, dict[str, str]]]:
    """Return the tracking file and the metadata of every video that is asked for."""
    tracked = []
    for split in SPLITS:
        path = data / f"{split}.csv"
        if not path.is_file():
            continue
        with open_rows(path, "metadata", ("lab_id", "video_id")) as rows:
            for row in rows:
                video = whole_number(row["video_id"])
                file = lab_folder(data / f"{split}_tracking", row["lab_id"].strip()) / f"{video}.parquet"
                if video is not None and file.is_file() and (not videos or video in videos):
                    tracked.append((file, {**row, "video_id": str(video)}))
    if missing := sorted(set(videos) - {int(row["video_id"]) for _, row in tracked}):
        raise UsageError(f"{data} has no tracks of the videos {missing}.")
    if not tracked:
        raise DataError(f"{data} has no tracks: expected train.csv and train_tracking/<lab>/<video>.parquet.")
    return tracked
