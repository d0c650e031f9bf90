"""A small lake as pandas frames: what the reports are asked about, and the summaries that the jobs would write.

Labs: `north` is made by hand (video 11, 10 frames/s, 10 s: mouse1 walks along x at 10 cm/s, mouse2 stands 3 cm
right and 4 cm below of it; mouse1 chases mouse2 on frames 0..19 and 40..59, rears on 20..39; mouse2 chases on
frame 60). `south` (video 21) is unlabelled, without rate and scale; 22 is its test video. `east` and `west` are
random, but the same in every run. Nothing here uses SQL, and nothing of `etholake` but the contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from summaries import behavior_summary, class_distribution, track_summary

from etholake.contract import ANIMAL_ARRAYS, TABLES, arrow_schema
from etholake.lake import Lake

Frames = Mapping[str, pd.DataFrame]  # table -> rows; the partition keys are ordinary columns
PARTS = ("body_center", "nose", "tail_base")
ACTIONS = {"east": ("attack", "chase", "rear"), "west": ("chase", "rear", "sniff")}
PARTLY = {31: [[0, 600], [700, 1000]], 41: [[0, 300], [350, 500]]}  # labelled spans of some triplets, by video
EVENT = ["lab_id", "split", "video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame"]


def make() -> dict[str, pd.DataFrame]:
    """All tables of the contract."""
    random = np.random.default_rng(11)
    videos = _videos()
    train = videos[videos["split"] == "train"]
    tracks = pd.concat([_north_tracks(), *(_random_tracks(v, random) for v in _described(videos))])
    labeled = _labeled(train)
    events = _enrich(pd.concat([_north_events(), _random_events(labeled, train, random)]), train, labeled)
    guesses = pd.concat([_predictions(run, events, train, random) for run in ("r1", "r2")], ignore_index=True)
    frames = {
        "predicted_videos": _predicted_videos(guesses, train),
        "metadata_train": train, "metadata_test": videos[videos["split"] == "test"], "labeled_behaviors": labeled,
        "tracking_curated": tracks, "annotations_enriched": events, "predictions": guesses,
        "scores": _scores(random), "curation_files": _curation_files(videos), "quarantine": _quarantine(),
    }  # fmt: skip
    frames["track_summary"] = track_summary(tracks, videos)
    frames["behavior_summary"] = behavior_summary(events)
    frames["class_distribution_stats"] = class_distribution(events)
    return {name: frame.reset_index(drop=True) for name, frame in frames.items()}


def write(lake: Lake, frames: Frames) -> None:
    """Every table, partition by partition, through `Lake.replace_table`."""
    for name, frame in frames.items():
        keys = list(TABLES[name].partitions)
        groups = frame.groupby(keys, sort=True) if keys else [((), frame)]
        for values, group in groups:
            lake.replace_table(name, _arrow(name, group), "a" * 16, dict(zip(keys, values, strict=True)) or None)


def _arrow(name: str, frame: pd.DataFrame) -> pa.Table:
    """Rows of a contract table; what the frame does not have is null, or the emptiest value."""
    empty = {"bool": False, "string": "", "list<item: string>": [], "list<element: string>": []}
    columns = []
    for field in arrow_schema(name):
        if field.name in frame:
            values = [None if _missing(v) else v for v in frame[field.name].tolist()]
        else:
            values = [None if field.nullable else empty.get(str(field.type), 0)] * len(frame)
        whole = pa.types.is_integer(field.type)
        columns.append(pa.array([int(v) if whole and v is not None else v for v in values], field.type))
    return pa.Table.from_arrays(columns, schema=arrow_schema(name))


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


# --- metadata ----------------------------------------------------------------------------------------------
def _videos() -> pd.DataFrame:
    rows = [
        _video("north", 11, "train", 10.0, 10.0, 2, parts=["nose", "tail_base"]),
        _video("south", 21, "train", None, 30.0, 2, annotated=False, scale=None, flags=["no-labels"]),
        _video("south", 22, "test", 20.0, 3600.0, 2, annotated=False, flags=["fps-missing", "no-labels"]),
    ]
    rows += [_video("east", 30 + i, "train", 10.0, 130.0 - 20 * i, 3) for i in range(3)]
    rows += [_video("west", 40 + i, "train", 5.0, 75.0 + 30 * i, 2, scale=12.5) for i in range(3)]
    rows += [_video("east", 35, "test", 12.0, 60.0, 3, annotated=False, scale=9.0)]
    return pd.DataFrame(rows)


def _video(
    lab: str, video: int, split: str, fps: float | None, seconds: float, mice: int, *,
    annotated: bool = True, scale: float | None = 10.0, flags: Any = (), parts: Any = PARTS,
) -> dict[str, Any]:  # fmt: skip
    strains, sexes = ("C57", "CD1", "C57", None), ("male", "female", "male", None)
    named = {f"mouse{n}_strain": strains[(n + video) % 3] for n in range(1, mice + 1)}
    named |= {f"mouse{n}_sex": sexes[n - 1] if lab != "west" else None for n in range(1, mice + 1)}
    conditions = ("saline", "drug")
    named |= {f"mouse{n}_condition": conditions[(n + video) % 2] for n in range(1, mice + 1)}
    named |= {f"mouse{n}_age": "8 weeks" for n in range(1, mice + 1)}
    fifth = [None, None, "of the fifth"] if (lab, split) == ("south", "train") else []
    return {
        "lab_id": lab, "video_id": video, "split": split, "frames_per_second": fps, "video_duration_sec": seconds,
        "pix_per_cm_approx": scale, "n_mice": mice, "has_tracking": True, "has_annotation": annotated,
        **({"video_name": "Käfig 4", "species": "wood mouse"} if video == 11 else {}),
        "body_parts_tracked": list(parts), "flags": list(flags), **named,
        **{
            column: [*(named[f"mouse{n}_{attribute}"] for n in range(1, mice + 1)), *fifth]
            for attribute, column in ANIMAL_ARRAYS.items()
        },
    }  # fmt: skip


def _described(videos: pd.DataFrame) -> list[Any]:
    return [v for v in videos.itertuples() if v.lab_id != "north" and v.video_id != 22]


# --- tracks ------------------------------------------------------------------------------------------------
def _north_tracks() -> pd.DataFrame:
    rows = [
        ("train", "north", 11, f, m, part, float(f + dx + side), float(dy), 10.0 if f else np.nan, False)
        for f in range(100)
        for m, dx, dy in ((1, 0, 0), (2, 3, 4))
        for part, side in (("nose", 0.5), ("tail_base", -0.5))
        if (f, m, part) != (50, 2, "nose")  # one point is absent; the next one moved as fast
    ]
    columns = ["split", "lab_id", "video_id", "video_frame", "mouse_id", "bodypart", "x_cm", "y_cm", "speed"]
    return pd.DataFrame(rows, columns=[*columns, "is_imputed"])


def _random_tracks(video: Any, random: np.random.Generator) -> pd.DataFrame:
    """Walks with absent mice, lost points (filled or not), and steps that no mouse can make."""
    has_rate = not np.isnan(video.frames_per_second or np.nan)
    fps = video.frames_per_second if has_rate else 30.0
    rows = []
    for mouse in range(1, video.n_mice + 1):
        frames = np.flatnonzero(random.random(int(fps * min(video.video_duration_sec, 130.0))) > 0.03)
        path = np.cumsum(random.normal(0, 4 / fps, (frames.size, 2)), axis=0) + random.normal(0, 5, 2)
        jump = random.random(frames.size) < 0.004
        for part in PARTS[: 2 + (mouse < 3)]:
            xy = path + random.normal(0, 0.05, path.shape) + np.where(jump, 60.0, 0.0)[:, None]
            rows.append(
                _track(video, mouse, part, frames, xy, random.random(frames.size), fps if has_rate else None)
            )
    return pd.concat(rows)


def _track(video: Any, mouse: int, part: str, frames: Any, xy: Any, luck: Any, fps: float | None) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    last: tuple[int, float, float] | None = None
    for frame, point, chance in zip(frames.tolist(), xy.astype(np.float32).tolist(), luck.tolist(), strict=True):
        if chance < 0.01:
            continue  # lost
        imputed = chance < 0.05
        if imputed and last is None:
            continue
        x, y = last[1:] if imputed and last is not None else point
        speed = None
        if not imputed and last is not None and fps and frame - last[0] <= 15:
            speed = float(np.float32(np.hypot(x - last[1], y - last[2]) * fps / (frame - last[0])))
        scaled = fps is not None
        rows.append(
            {"video_frame": frame, "x_cm": x if scaled else None, "y_cm": y if scaled else None, "speed": speed,
             "is_imputed": imputed}
        )  # fmt: skip
        last = last if imputed else (frame, x, y)
    table = pd.DataFrame(rows).astype({"x_cm": float, "y_cm": float, "speed": float})
    return table.assign(
        split=video.split, lab_id=video.lab_id, video_id=video.video_id, mouse_id=mouse, bodypart=part
    )


# --- annotations -------------------------------------------------------------------------------------------
def _labeled(train: pd.DataFrame) -> pd.DataFrame:
    rows = [("train", "north", 11, 1, 2, "chase"), ("train", "north", 11, 2, 1, "chase")]
    rows += [("train", "north", 11, 1, 1, "rear"), ("train", "north", 11, 2, 2, "rear")]
    for video in train[train["lab_id"].isin(list(ACTIONS))].itertuples():
        mice = range(1, video.n_mice + 1)
        for action in ACTIONS[video.lab_id]:
            pairs = [(a, b) for a in mice for b in mice if (a == b) == (action == "rear")]
            rows += [
                ("train", video.lab_id, video.video_id, a, b, action)
                for a, b in pairs
                if (a, action) != (2, "rear")
            ]
    table = pd.DataFrame(rows, columns=["split", "lab_id", "video_id", "agent_id", "target_id", "action"])
    in_part = (table["video_id"] == 31) & (table["action"] == "attack")  # of all mice; of `rear` for one of them
    in_part |= (table["video_id"] == 41) & (table["action"] == "rear") & (table["agent_id"] == 1)
    return table.assign(
        is_self=table["agent_id"] == table["target_id"], repaired=False,
        spans=[json.dumps(PARTLY[v]) if p else None for v, p in zip(table["video_id"], in_part, strict=True)],
    )  # fmt: skip


def _north_events() -> pd.DataFrame:
    rows = [(1, 2, "chase", 0, 20), (1, 2, "chase", 40, 60), (1, 1, "rear", 20, 40), (2, 1, "chase", 60, 61)]
    return pd.DataFrame([("north", "train", 11, *r) for r in rows], columns=EVENT)


def _random_events(labeled: pd.DataFrame, train: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Events of two thirds of the triplets; some overlap, are repeated, empty, overlong or were not looked for."""
    rows = []
    for t in labeled[labeled["lab_id"] != "north"].itertuples():
        video = train[train["video_id"] == t.video_id].iloc[0]
        frames = int(video["frames_per_second"] * video["video_duration_sec"])
        if random.random() < 0.34:
            continue
        for start in np.sort(random.integers(0, frames - 40, random.integers(2, 14))).tolist():
            rows.append((t.agent_id, t.target_id, t.action, start, start + int(random.integers(1, 60)), t))
    events = [(t.lab_id, "train", t.video_id, a, b, c, start, stop) for a, b, c, start, stop, t in rows]
    odd = [("east", "train", 30, 1, 2, "attack", 77, 77), ("east", "train", 30, 2, 2, "rear", 5, 25)]
    odd += [("west", "train", 41, 1, 2, "sniff", 500, 700), events[0]]
    return pd.DataFrame(events + odd, columns=EVENT)


def _enrich(events: pd.DataFrame, train: pd.DataFrame, labeled: pd.DataFrame) -> pd.DataFrame:
    events = events.reset_index(drop=True)
    triplet = ["lab_id", "video_id", "agent_id", "target_id", "action"]
    asked = set(labeled[triplet].itertuples(index=False, name=None))
    video = train.set_index("video_id")
    fps = events["video_id"].map(video["frames_per_second"])
    attributes = {
        f"{role}_{name}": [
            video.at[v, f"mouse{m}_{name}"] for v, m in zip(events["video_id"], events[f"{role}_id"], strict=True)
        ]
        for role in ("agent", "target")
        for name in ("strain", "sex")
    }
    return events.assign(
        frames_per_second=fps, start_sec=events["start_frame"] / fps, stop_sec=events["stop_frame"] / fps,
        duration_frames=events["stop_frame"] - events["start_frame"],
        duration_sec=(events["stop_frame"] - events["start_frame"]) / fps,
        **_counted(events, video["frames_per_second"] * video["video_duration_sec"], fps),
        is_self=events["agent_id"] == events["target_id"],
        issue=[
            "interval-overlong" if stop > frames else None
            for stop, frames in zip(
                events["stop_frame"],
                events["video_id"].map(video["frames_per_second"] * video["video_duration_sec"]),
                strict=True,
            )
        ],
        is_labeled=[t in asked for t in events[triplet].itertuples(index=False, name=None)],
        **attributes,
    )  # fmt: skip


def _counted(events: pd.DataFrame, frames_of: pd.Series, fps: pd.Series) -> dict[str, pd.Series]:
    """Frame by frame: an event counts the frames of its video that no earlier event of its triplet holds."""
    start, stop = events["start_frame"].copy(), events["stop_frame"].copy()
    held: dict[tuple[object, ...], set[int]] = {}
    order = events.sort_values(["start_frame", "agent_id", "target_id", "action", "stop_frame"], kind="stable")
    for event in order.itertuples():
        taken = held.setdefault((event.video_id, event.agent_id, event.target_id, event.action), set())
        end = frames_of[event.video_id]
        own = [f for f in range(event.start_frame, event.stop_frame) if f < end and f not in taken]
        taken |= set(range(event.start_frame, event.stop_frame))
        start[event.Index], stop[event.Index] = (own[0], own[-1] + 1) if own else (event.start_frame,) * 2
    return {"counted_start_frame": start, "counted_stop_frame": stop, "counted_sec": (stop - start) / fps}


# --- predictions -------------------------------------------------------------------------------------------
def _predictions(run: str, events: pd.DataFrame, train: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Half of the events, displaced, some as another action; inventions, also where nobody looked."""
    if run == "r1":
        north = [(1, 2, "chase", 10, 50, 0.8), (1, 2, "chase", 70, 75, 0.9), (1, 1, "rear", 20, 40, 0.31)]
    else:
        north = []
    rows = [("north", "train", 11, *r) for r in north]
    rows += [("south", "train", 21, 5, 1, "chase", 10, 20, 0.7)] if run == "r1" else []
    for e in events[(events["lab_id"] != "north") & (events["video_id"] != 32)].itertuples():
        if random.random() < 0.5:
            start = max(0, e.start_frame + int(random.integers(-8, 9)))
            action = e.action if e.is_self or random.random() < 0.7 else "chase"
            stop = start + max(1, e.duration_frames + int(random.integers(-10, 11)))
            rows.append((*e[1:4], e.agent_id, e.target_id, action, start, stop, random.uniform(0.2, 1)))
    for video in (21, 30, 31, 40, 41):
        lab = train.set_index("video_id").at[video, "lab_id"]
        for action, target in (("chase", 2), ("rear", 1), ("sniff", 2), ("nothing", 2)):
            start = int(random.integers(0, 300))
            rows.append((lab, "train", video, 1, target, action, start, start + 12, random.uniform(0.5, 1)))
    table = pd.DataFrame(rows, columns=[*EVENT, "confidence"]).assign(run_id=run)
    fps = table["video_id"].map(train.set_index("video_id")["frames_per_second"])
    return table.assign(start_sec=table["start_frame"] / fps, stop_sec=table["stop_frame"] / fps)


def _predicted_videos(predictions: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """The frames that each run predicted: the first three quarters; of video 32 too, where it found no event."""
    rows = []
    for run, group in predictions.groupby("run_id"):
        for video in sorted({*group["video_id"], 32}):
            row = train.set_index("video_id").loc[video]
            frames = 0.75 * (row["frames_per_second"] or 0) * row["video_duration_sec"]
            stop = 1 if np.isnan(frames) else max(1, int(frames))
            rows.append((run, "train", row["lab_id"], video, 0, stop))
    return pd.DataFrame(rows, columns=["run_id", "split", "lab_id", "video_id", "start_frame", "stop_frame"])


def _scores(random: np.random.Generator) -> pd.DataFrame:
    rows = [("r1", "north", "chase", 0.75, 3, 1, 1), ("r1", "north", "rear", 0.25, 1, 3, 3)]
    for run in ("r1", "r2"):
        for lab, actions in ACTIONS.items():
            for action in actions[: 3 if run == "r1" else 2]:
                rows.append((run, lab, action, float(random.random()), *random.integers(1, 99, 3).tolist()))
    columns = ["run_id", "lab_id", "action", "f_score", "tp_frames", "fp_frames", "fn_frames"]
    return pd.DataFrame(rows, columns=columns).assign(videos=1)


# --- what curation reports ---------------------------------------------------------------------------------
def _curation_files(videos: pd.DataFrame) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [{"source_file": "train.csv", "kind": "metadata", "split": "train", "rows_in": 8}]
    for v in videos.itertuples():
        where = {"split": v.split, "lab_id": v.lab_id, "video_id": v.video_id}
        n = v.video_id
        rows.append(
            {**where, "kind": "tracking", "source_file": f"t{n}", "rows_in": 400 + n, "rows_quarantined": n % 3,
             "rows_imputed": n % 7, "flags": ["point-duplicate"] if n % 2 else []}
        )  # fmt: skip
        if v.has_annotation:
            rows.append(
                {**where, "kind": "annotation", "source_file": f"a{n}", "rows_in": 5, "rows_quarantined": 1,
                 "flags": ["interval-duplicate", "interval-zero"]}
            )  # fmt: skip
    table = pd.DataFrame(rows)
    counts = {name: table[name].fillna(0).astype(int) for name in ("rows_in", "rows_quarantined", "rows_imputed")}
    flags = [f if isinstance(f, list) else [] for f in table["flags"]]
    return table.assign(**counts, flags=flags, rows_curated=counts["rows_in"] - counts["rows_quarantined"])


def _quarantine() -> pd.DataFrame:
    rows = [
        ("b", "train", "north", 11, 1, "unknown-mouse", "mouse 7"),
        ("a", "train", "north", 11, 3, "unknown-mouse", "mouse 9"),
        ("a", "train", "north", 11, 2, "unknown-mouse", "mouse 8"),
        ("c", "train", "south", None, 9, "truncated", "bad"),
    ]
    columns = ["source_file", "split", "lab_id", "video_id", "rows", "rule", "detail"]
    return pd.DataFrame(rows, columns=columns)
