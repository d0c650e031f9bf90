"""Make whole data sets: `simulate` invents labs, `add_tracking` gives tracks to annotations that exist."""

from __future__ import annotations

import csv
import shutil
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.contract import BODY_PARTS, SELF_ACTIONS
from etholake.curate.behaviors import parse_list
from etholake.digest import bytes_digest
from etholake.errors import DataError, UsageError
from etholake.formats import layout as raw
from etholake.progress import OnProgress
from etholake.simulate import dirt as dirtying
from etholake.simulate import layout, rigs
from etholake.simulate.camera import Camera, camera
from etholake.simulate.film import Filming, film
from etholake.simulate.motion import Scene, SimulatedEvent, tracks
from etholake.simulate.render import PARTS as DRAWN_PARTS

__all__ = ["SimulationReport", "add_tracking", "simulate"]

Floats = npt.NDArray[np.float32]

MAX_SECONDS = 100_000  # a video is made as a whole, in memory


@dataclass(frozen=True)
class SimulationReport:
    """Counts of what was written."""

    folder: str
    labs: int
    videos: int
    rows: int
    seconds: float

    def __str__(self) -> str:
        rate = self.rows / max(self.seconds, 1e-9)
        return (
            f"{self.videos} simulated videos of {self.labs} labs, {self.rows:,} tracking rows in {self.folder} "
            f"({rate:,.0f} rows/s)"
        )


def simulate(
    out: Path,
    *,
    labs: int | Sequence[str] = 4,
    videos: int = 6,
    seconds: float = 75.0,
    seed: int = 0,
    dirt: float = 0.1,
    test_videos: int = 1,
    filming: Filming | None = None,
    on_progress: OnProgress | None = None,
) -> SimulationReport:
    """Write a data set of invented labs.

    Parameters
    ----------
    out
        A folder that is new or empty, or was made by these very arguments.
    labs
        How many, or their names (`Sim` is put before a name that does not begin so).
    videos, test_videos
        Per lab: in train.csv (annotated, but for the unlabelled ones that dirt brings), and in test.csv.
    seconds
        Length of a video.
    dirt
        Rate of missing points and frames, swaps, stray quotes, zero-length and overlong intervals, unlabelled
        videos: 0 is clean, 1 is worse than any lab. Above 0 every kind of dirt in the metadata occurs at least
        once, where there are labs and videos enough (one lab's quotes, one lab's unlabelled video).
    filming
        Render every video as well, and write what is true of it to `truth/`; the camera sets the scale (px/cm).

    Raises
    ------
    UsageError
        An argument is out of range, or the folder holds something else already.
    """
    names = rigs.names(labs)
    _check_arguments(videos, test_videos, seconds, seed, dirt)
    counts = f"videos={videos} test_videos={test_videos} seconds={seconds:g} seed={seed} dirt={dirt:g}"
    counts += f" video={filming.size} camera={filming.camera}" if filming else ""
    _mark(out, f"labs={','.join(names)} {counts}")
    began, rows = time.monotonic(), 0
    tables: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    total = len(names) * (videos + test_videos)
    for index, name in enumerate(names):
        rig, view = rigs.rig(name, seed, index), None
        if filming:
            view = camera(name, seed, index, rig.width_cm, rig.height_cm, filming.size, filming.camera)
            rig = replace(rig, pix_per_cm=view.pix_per_cm)
        for number in range(videos + test_videos):
            split = "train" if number < videos else "test"
            video_id = 100_000_000 + zlib.crc32(f"{seed}/{name}/{number}".encode()) % 900_000_000
            random = np.random.default_rng([seed, zlib.crc32(name.encode()), number, 2])
            rows += _video(out, split, rig, video_id, seconds, dirt, random, view)
            least = 1 if dirt > 0 and index == 0 else 0
            unlabelled = split == "train" and videos > 2 and number < max(least, round(dirt * videos / 2))
            hidden = split == "test" or unlabelled
            if hidden:
                _annotation_path(out, rig.name, video_id).unlink(missing_ok=True)
            tables[split].append(
                _metadata(rig, video_id, seconds, quotes=dirt > 0 and index == 1, empty=unlabelled)
            )
            if on_progress:
                on_progress(index * (videos + test_videos) + number + 1, total, name)
        if dirt > 0 and index == 0:  # an annotated video that no metadata name, as in CRIM13
            random = np.random.default_rng([seed, 3])
            rows += _video(out, "train", rig, 99_999_999, min(seconds, 10.0), dirt, random)
    for split, table in tables.items():
        if table:
            raw.write_csv(out / f"{split}.csv", table)
        else:  # a csv without rows is no metadata of videos: ingest refuses it
            (out / f"{split}.csv").unlink(missing_ok=True)
    return SimulationReport(str(out), len(names), total, rows, time.monotonic() - began)


def _check_arguments(videos: int, test_videos: int, seconds: float, seed: int, dirt: float) -> None:
    if videos < 1 or test_videos < 0 or seed < 0 or not 0 < seconds <= MAX_SECONDS or not 0 <= dirt <= 1:
        raise UsageError(
            f"Expected videos >= 1, test_videos >= 0, seed >= 0, 0 < seconds <= {MAX_SECONDS:,} and "
            f"dirt of 0 to 1, but got videos={videos}, test_videos={test_videos}, seed={seed}, seconds={seconds}, "
            f"dirt={dirt}."
        )


def _mark(out: Path, what: str) -> None:
    """Mark what the folder is going to hold: a run that was killed may be run again, with these arguments.

    Anything else that lies in the folder would be mixed up with simulated tracks, so it is refused.
    """
    text, mark = layout.mark_text(what), out / layout.MARK
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is not a folder.")
    if out.exists() and any(out.iterdir()) and not (mark.is_file() and mark.read_text(encoding="utf-8") == text):
        raise UsageError(
            f"{out} holds something already that these arguments did not make: name a new folder, or empty it."
        )
    out.mkdir(parents=True, exist_ok=True)
    mark.write_text(text, encoding="utf-8")


def _annotation_path(out: Path, lab: str, video_id: int) -> Path:
    return out / "train_annotation" / lab / f"{video_id}.parquet"


def _video(
    out: Path,
    split: str,
    rig: rigs.Rig,
    video_id: int,
    seconds: float,
    dirt: float,
    random: np.random.Generator,
    view: Camera | None = None,
) -> int:
    """Write tracking, annotation and film of one video. Returns the number of tracking rows."""
    scene = rig.scene(seconds, video_id)
    events = rigs.schedule(rig, seconds, random)
    written = dirtying.dirty_annotations(rigs.annotate(rig, events, scene.frames), scene.frames, dirt, random)
    layout.write_annotation(_annotation_path(out, rig.name, video_id), written)
    path = out / f"{split}_tracking" / rig.name / f"{video_id}.parquet"
    if view is None:
        project = _from_above(scene, rig.pix_per_cm)
        return _write_tracks(path, scene, events, rig.parts, project, dirt, random, names=rig.names)[0]
    project = view.project
    rows, drawn = _write_tracks(
        path, scene, events, rig.parts, project, dirt, random, also=DRAWN_PARTS, names=rig.names
    )
    film(out, rig.name, video_id, project(drawn), events, view, rig.fps, np.random.default_rng([video_id, 6]))
    return rows


def _from_above(scene: Scene, pix_per_cm: float) -> Callable[[Floats], Floats]:
    """Return the map from cm to pixels of a camera that looks straight down."""
    centre = np.array([scene.width_cm, scene.height_cm], dtype=np.float32) / 2
    return lambda xy: ((xy * np.array([1, -1], dtype=np.float32) + centre) * pix_per_cm).astype(np.float32)


def _write_tracks(
    path: Path,
    scene: Scene,
    events: Sequence[SimulatedEvent],
    parts: Sequence[str],
    project: Callable[[Floats], Floats],
    dirt: float,
    random: np.random.Generator,
    also: Sequence[str] = (),
    names: Sequence[str] = (),
) -> tuple[int, Floats]:
    """Write the tracks of a video; return their rows, and the true positions [T, M, len(also), 2] in cm.

    `names` are those of `parts` and then of the scene's objects, where they are others than the vocabulary's.
    """
    positions = tracks(scene, events, (*parts, *also), random)
    xy, others = positions[:, :, : len(parts)], positions[:, :, len(parts) :]
    xy += 0.06 * random.standard_normal(xy.shape, dtype=np.float32)
    xy = dirtying.dirty_tracks(xy, parts, scene.fps, dirt, random)
    if scene.objects:
        objects = np.broadcast_to(
            np.array(scene.objects, dtype=np.float32), (*xy.shape[:2], len(scene.objects), 2)
        )
        xy = np.concatenate([xy, objects], axis=2)
    detected = dirtying.visible(xy.shape[:3], scene.fps, dirt, random)
    return layout.write_tracking(path, project(xy), detected, names or parts), others


def _metadata(rig: rigs.Rig, video_id: int, seconds: float, *, quotes: bool, empty: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"lab_id": rig.name, "video_id": video_id}
    for n in range(1, rig.mice + 1):
        row |= {
            f"mouse{n}_strain": "simulated",
            f"mouse{n}_sex": "male" if n % 2 else "female",
            f"mouse{n}_id": n,
            f"mouse{n}_condition": "simulated",
        }
    items = raw.items(rig.mice, rig.annotated, SELF_ACTIONS)
    return row | {
        "frames_per_second": rig.fps,
        "video_duration_sec": seconds,
        "pix_per_cm_approx": rig.pix_per_cm,
        "video_width_pix": round(rig.width_cm * rig.pix_per_cm),
        "video_height_pix": round(rig.height_cm * rig.pix_per_cm),
        "arena_width_cm": rig.width_cm,
        "arena_height_cm": rig.height_cm,
        "arena_shape": "square" if rig.width_cm == rig.height_cm else "rectangular",
        "arena_type": "simulated",
        "body_parts_tracked": raw.as_json(sorted(rig.names)),
        "behaviors_labeled": "" if empty else raw.as_json(dirtying.dirty_items(items) if quotes else items),
        "tracking_method": "simulated",
    }


# --- tracks for annotations that exist --------------------------------------------------------------------
def add_tracking(
    source: Path,
    out: Path,
    *,
    videos: int,
    labs: Sequence[str] | None = None,
    seed: int = 0,
    dirt: float = 0.1,
    only_chosen: bool = False,
    on_progress: OnProgress | None = None,
) -> SimulationReport:
    """Copy `source` (train.csv, test.csv, train_annotation/) to `out`, with tracking for `videos` of its videos.

    The motion follows the annotations; parts, rate, scale, sizes and mice are those of the metadata, in which
    these videos get ``tracking_method = simulated``. The shortest annotated videos of each lab come first, lab by
    lab in turn. With `only_chosen` the copy knows these videos only, else all of the source.

    Raises
    ------
    UsageError
        `videos`, `seed` or `dirt` is out of range, or `out` holds something else already.
    DataError
        The source is not in the layout, has no annotated video (of these labs), or a video's metadata lack what
        a track needs.
    """
    began, rows = time.monotonic(), 0
    _check_arguments(videos, 0, 1.0, seed, dirt)
    if not (source / "train.csv").is_file():
        raise DataError(f"{source} is not in the MABe layout: there is no train.csv.")
    with (source / "train.csv").open(encoding="utf-8", newline="") as file:
        metadata = list(csv.DictReader(file))
    chosen = _choose(source, metadata, labs)[:videos]
    if not chosen:
        raise DataError(
            f"{source} has no annotated video{f' of {list(labs)}' if labs else ''} to add tracking to."
        )
    which = " ".join(row["video_id"] for row in chosen)
    _mark(out, f"tracking of the videos {which} only, seed={seed} dirt={dirt:g} only_chosen={only_chosen}")
    _copy(source, out, metadata, chosen, only_chosen)
    for number, row in enumerate(chosen):
        rows += _add(source, out, row, seed, dirt)
        if on_progress:
            on_progress(number + 1, len(chosen), row["lab_id"])
    return SimulationReport(
        str(out), len({r["lab_id"] for r in chosen}), len(chosen), rows, time.monotonic() - began
    )


def _copy(
    source: Path,
    out: Path,
    metadata: Sequence[Mapping[str, str]],
    chosen: Sequence[Mapping[str, str]],
    only_chosen: bool,
) -> None:
    """Copy metadata and annotations; the chosen videos say that their tracks are simulated."""
    ids = {(row["lab_id"], row["video_id"]) for row in chosen}
    raw.write_csv(
        out / "train.csv",
        [
            {**row, "tracking_method": "simulated"} if (row["lab_id"], row["video_id"]) in ids else row
            for row in metadata
            if not only_chosen or (row["lab_id"], row["video_id"]) in ids
        ],
    )
    if not only_chosen:
        for name in ("test.csv", "sample_submission.csv"):
            if (source / name).is_file():
                shutil.copyfile(source / name, out / name)
        shutil.copytree(source / "train_annotation", out / "train_annotation", dirs_exist_ok=True)
        return
    for lab, video in sorted(ids):
        target = out / "train_annotation" / lab / f"{video}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / "train_annotation" / lab / f"{video}.parquet", target)


def _choose(
    source: Path, metadata: Sequence[Mapping[str, str]], labs: Sequence[str] | None
) -> list[Mapping[str, str]]:
    by_lab: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in metadata:
        file = source / "train_annotation" / row["lab_id"] / f"{row['video_id']}.parquet"
        if (labs is None or row["lab_id"] in labs) and file.is_file() and parse_list(row["behaviors_labeled"]):
            by_lab[row["lab_id"]].append(row)
    queues = [sorted(rows, key=_duration) for _, rows in sorted(by_lab.items())]
    longest = max((len(queue) for queue in queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)]


def _duration(row: Mapping[str, str]) -> tuple[float, str]:
    return float(row["video_duration_sec"] or "inf"), bytes_digest(row["video_id"].encode())


def _add(source: Path, out: Path, row: Mapping[str, str], seed: int, dirt: float) -> int:
    import pyarrow.parquet as pq

    fps, scale, width_px, height_px, duration = (_number(row, name) for name in _NEEDED)
    width, height = width_px / scale, height_px / scale
    frames = max(1, round(duration * fps))
    mice = max([2, *(n for n in range(1, 5) if row[f"mouse{n}_id"] or row[f"mouse{n}_strain"])])
    parts = [p for p in parse_list(row["body_parts_tracked"]) or [] if p in BODY_PARTS]
    if not parts:
        raise DataError(f"Video {row['video_id']} of {row['lab_id']} names no body part that the simulator knows.")
    annotated = pq.read_table(
        source / "train_annotation" / row["lab_id"] / f"{row['video_id']}.parquet"
    ).to_pylist()
    events = [
        SimulatedEvent(
            a["start_frame"], min(a["stop_frame"], frames), a["agent_id"] - 1, a["target_id"] - 1, a["action"]
        )
        for a in annotated
        if a["start_frame"] < min(a["stop_frame"], frames) and max(a["agent_id"], a["target_id"]) <= mice
    ]
    random = np.random.default_rng([seed, int(row["video_id"]), 4])
    path = out / "train_tracking" / row["lab_id"] / f"{row['video_id']}.parquet"
    scene = Scene(frames, mice, fps, width, height)
    return _write_tracks(path, scene, events, parts, _from_above(scene, scale), dirt, random)[0]


_NEEDED = ("frames_per_second", "pix_per_cm_approx", "video_width_pix", "video_height_pix", "video_duration_sec")


def _number(row: Mapping[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except (KeyError, ValueError):
        value = float("nan")
    if not 0 < value < float("inf"):
        raise DataError(
            f"Video {row['video_id']} of {row['lab_id']}: {name} must be a number above 0, but train.csv has "
            f"{row.get(name)!r}. Give it there, or choose other labs."
        )
    return value
