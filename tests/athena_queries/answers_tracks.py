"""Answers about tracking: quality, gaps, jumps, motion in and around behaviour, drift between labs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from answers import Base, answers, train_events, videos

TRACK = ["split", "lab_id", "video_id", "mouse_id", "bodypart"]
EAST, WEST = {"lab_id": "east", "bodypart": "nose"}, {"lab_id": "west", "bodypart": "body_center"}


def _quality(tracks: pd.DataFrame, mean: str) -> dict[str, float]:
    """Points of one group of track summaries, as shares of the frames in which the mouse was there."""
    expected = tracks["frames_present"].sum()
    lost = tracks["points_imputed"].sum() + tracks["points_missing"].sum()
    return {mean: 100 * lost / expected}


def _speed(tracks: pd.DataFrame) -> float | None:
    seconds = tracks["tracked_sec"].sum()
    return tracks["path_cm"].sum() / seconds if seconds else None


@answers()
def missing_points(base: Base) -> pd.DataFrame:
    """From the points themselves: which frames of a mouse lack the part."""
    points = base["tracking_curated"]
    rows = []
    for (split, lab), own in points.groupby(["split", "lab_id"]):
        there = own[~own["is_imputed"]][["video_id", "mouse_id", "video_frame"]].drop_duplicates()
        for part, group in own.groupby("bodypart"):
            having = group[["video_id", "mouse_id"]].drop_duplicates()
            expected = len(there.merge(having, on=["video_id", "mouse_id"]))
            imputed = int(group["is_imputed"].sum())
            missing = expected - len(group)
            rows.append((split, lab, part, expected, len(group) - imputed, imputed, missing))
    columns = ["split", "lab_id", "bodypart", "points_expected", "measured", "imputed", "missing"]
    table = pd.DataFrame(rows, columns=columns)
    whole = table["points_expected"]
    return table.assign(
        imputed_percent=100 * table["imputed"] / whole, missing_percent=100 * table["missing"] / whole
    )


@answers()
def tracking_quality(base: Base) -> pd.DataFrame:
    rows = []
    for key, group in base["track_summary"].groupby(TRACK[:3]):
        has_cm = group["jumps"].notna().any()
        rows.append(
            dict(zip(TRACK[:3], key, strict=True))
            | _quality(group, "unmeasured_percent")
            | {
                "mice": group["mouse_id"].nunique(), "parts": group["bodypart"].nunique(),
                "gaps": group["gaps"].sum(), "longest_gap_frames": group["longest_gap_frames"].max(),
                "jumps": group["jumps"].sum() if has_cm else None,
                "max_speed_cm_s": group["max_speed"].max() if has_cm else None,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@answers()
def gaps_by_part(base: Base) -> pd.DataFrame:
    """From the points themselves: steps of more than one frame between measured points."""
    points = base["tracking_curated"].query("not is_imputed").sort_values([*TRACK, "video_frame"])
    step = points.groupby(TRACK)["video_frame"].diff()
    points = points.assign(lost=step.sub(1).fillna(0))
    rows = []
    for key, group in points.groupby(["split", "lab_id", "bodypart"]):
        tracks = group.groupby(["video_id", "mouse_id"])
        gaps, frames = int((group["lost"] > 0).sum()), group["lost"].sum()
        spans = (tracks["video_frame"].max() - tracks["video_frame"].min() + 1).sum()
        rows.append(
            (*key, tracks.ngroups, int((tracks["lost"].max() > 0).sum()), gaps, frames,
             frames / gaps if gaps else None, group["lost"].max(), 100 * frames / spans)
        )  # fmt: skip
    columns = [
        "split",
        "lab_id",
        "bodypart",
        "tracks",
        "tracks_with_gaps",
        "gaps",
        "gap_frames",
        "mean_gap_frames",
    ]
    return pd.DataFrame(rows, columns=[*columns, "longest_gap_frames", "gap_percent"])


@answers()
def suspected_swaps(base: Base) -> pd.DataFrame:
    rows = []
    for key, group in base["track_summary"].dropna(subset="jumps").groupby(TRACK[:3]):
        mice = [own for _, own in group.groupby("mouse_id")]
        seconds = sum(m["tracked_sec"].max() for m in mice)
        if group["jumps"].sum() > 0:
            rows.append(
                dict(zip(TRACK[:3], key, strict=True))
                | {
                    "jumps": group["jumps"].sum(), "jumping_mice": sum(m["jumps"].sum() > 0 for m in mice),
                    "jumps_per_mouse_minute": 60 * group["jumps"].sum() / seconds,
                    "max_speed_cm_s": group["max_speed"].max(),
                    "swap_suspected": sum((m["jumps"] > 0).mean() >= 0.5 for m in mice) >= 2,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@answers(EAST, WEST)
def distance_travelled(base: Base, lab_id: str, bodypart: str) -> pd.DataFrame:
    """From the points themselves: the steps between measured ones."""
    points = base["tracking_curated"].query(
        "split == 'train' and lab_id == @lab_id and bodypart == @bodypart and not is_imputed"
    )
    rows = []
    meta = base["metadata_train"].set_index("video_id")
    for (video, mouse), track in points.sort_values("video_frame").groupby(["video_id", "mouse_id"]):
        elapsed = np.diff(track["video_frame"])
        near = elapsed <= 15
        steps = np.hypot(np.diff(track["x_cm"]), np.diff(track["y_cm"]))[near]
        seconds = elapsed[near] / (meta.at[video, "frames_per_second"] or np.nan)
        traits = [meta.at[video, f"mouse{mouse}_{name}"] for name in ("strain", "sex")]
        has_times = not np.isnan(seconds).any()
        figures = (seconds.sum(), steps.sum(), steps.sum() / seconds.sum(), (steps / seconds).max())
        rows.append((video, mouse, *traits, *(figures if has_times else (None,) * 4)))
    columns = [
        "video_id",
        "mouse_id",
        "strain",
        "sex",
        "tracked_sec",
        "path_cm",
        "mean_speed_cm_s",
        "max_speed_cm_s",
    ]
    return pd.DataFrame(rows, columns=columns)


@answers({"bodypart": "nose"}, {"bodypart": "body_center"})
def speed_by_strain(base: Base, bodypart: str) -> pd.DataFrame:
    tracks = base["track_summary"].query("split == 'train' and bodypart == @bodypart and tracked_sec > 0")
    meta = base["metadata_train"].set_index("video_id")
    for name in ("strain", "sex"):
        values = [meta.at[t.video_id, f"mouse{t.mouse_id}_{name}"] for t in tracks.itertuples()]
        tracks = tracks.assign(**{name: [v if isinstance(v, str) else "unknown" for v in values]})
    rows = []
    for key, group in tracks.groupby(["lab_id", "strain", "sex"]):
        own = group["path_cm"] / group["tracked_sec"]
        rows.append((*key, len(group), group["tracked_sec"].sum() / 3600, _speed(group), own.min(), own.max()))
    columns = ["lab_id", "strain", "sex", "mice", "tracked_hours", "mean_speed_cm_s"]
    return pd.DataFrame(rows, columns=[*columns, "slowest_mouse_cm_s", "fastest_mouse_cm_s"])


# --- motion and behaviour ----------------------------------------------------------------------------------
def _points(base: Base, lab_id: str, bodypart: str) -> dict[tuple[int, int], pd.DataFrame]:
    """{(video, mouse): rows by frame} of a part."""
    own = base["tracking_curated"].query("split == 'train' and lab_id == @lab_id and bodypart == @bodypart")
    return {key: group.set_index("video_frame") for key, group in own.groupby(["video_id", "mouse_id"])}


def _frames(events: pd.DataFrame) -> set[int]:
    return {
        f
        for start, stop in zip(events["start_frame"], events["stop_frame"], strict=True)
        for f in range(start, stop)
    }


@answers(EAST, WEST)
def motion_during_behaviour(base: Base, lab_id: str, bodypart: str) -> pd.DataFrame:
    points, cells = _points(base, lab_id, bodypart), dict[str, list[tuple[float, float, float]]]()
    keys = ["video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame"]
    for video, a, b, action, start, stop in (
        train_events(base, lab_id)[keys].drop_duplicates().itertuples(index=False, name=None)
    ):
        agent, target = points[video, a], points[video, b]
        for f in range(start, stop):
            one = agent.loc[f] if f in agent.index else None
            two = target.loc[f] if f in target.index and a != b else None
            if one is None and two is None:
                continue
            both = one is not None and two is not None
            cells.setdefault(action, []).append(
                (
                    np.nan if one is None else one["speed"],
                    np.nan if two is None else two["speed"],
                    np.hypot(one["x_cm"] - two["x_cm"], one["y_cm"] - two["y_cm"]) if both else np.nan,
                )
            )
    rows = [(action, len(v), *pd.DataFrame(v).astype(float).mean()) for action, v in cells.items()]
    return pd.DataFrame(rows, columns=["action", "frames", "agent_speed_cm_s", "target_speed_cm_s", "distance_cm"])


@answers(EAST, WEST)
def speed_inside_outside(base: Base, lab_id: str, bodypart: str) -> pd.DataFrame:
    points, cells = _points(base, lab_id, bodypart), dict[str, tuple[list[float], list[float]]]()
    asked = base["labeled_behaviors"].query("lab_id == @lab_id")
    for video, mouse, action in (
        asked[["video_id", "agent_id", "action"]].drop_duplicates().itertuples(index=False)
    ):
        if (video, mouse) not in points:
            continue
        speed = points[video, mouse]["speed"].dropna()
        events = train_events(base, lab_id).query(
            "video_id == @video and agent_id == @mouse and action == @action"
        )
        inside = speed.index.isin(_frames(events))
        cell = cells.setdefault(action, ([], []))
        cell[0].extend(speed[inside])
        cell[1].extend(speed[~inside])
    return _inside_outside(cells, "speed_{}_cm_s")


@answers(EAST, WEST)
def distance_inside_outside(base: Base, lab_id: str, bodypart: str) -> pd.DataFrame:
    points, cells = _points(base, lab_id, bodypart), dict[str, tuple[list[float], list[float]]]()
    asked = base["labeled_behaviors"].query("lab_id == @lab_id and agent_id != target_id")
    for t in asked.itertuples():
        if not {(t.video_id, t.agent_id), (t.video_id, t.target_id)} <= set(points):
            continue
        one, two = points[t.video_id, t.agent_id], points[t.video_id, t.target_id]
        both = one.join(two, how="inner", lsuffix="_a", rsuffix="_b")
        distance = np.hypot(both["x_cm_a"] - both["x_cm_b"], both["y_cm_a"] - both["y_cm_b"])
        events = train_events(base, lab_id).query("video_id == @t.video_id and action == @t.action")
        events = events.query("agent_id == @t.agent_id and target_id == @t.target_id")
        inside = distance.index.isin(_frames(events))
        cell = cells.setdefault(t.action, ([], []))
        cell[0].extend(distance[inside])
        cell[1].extend(distance[~inside])
    return _inside_outside(cells, "distance_{}_cm")


def _inside_outside(cells: dict[str, tuple[list[float], list[float]]], name: str) -> pd.DataFrame:
    rows = [(action, len(i), len(o), np.mean(i), np.mean(o)) for action, (i, o) in cells.items()]
    columns = ["action", "frames_inside", "frames_outside", name.format("inside"), name.format("outside")]
    return pd.DataFrame(rows, columns=columns)


@answers(
    {"lab_id": "east", "video_id": "30", "mouse_id": "2", "bodypart": "nose"},
    {"lab_id": "east", "video_id": "35", "mouse_id": "3", "bodypart": "body_center"},
    {"lab_id": "east", "video_id": "40", "mouse_id": "1", "bodypart": "nose"},
)
def trajectory(base: Base, lab_id: str, video_id: str, mouse_id: str, bodypart: str) -> pd.DataFrame:
    points = base["tracking_curated"]
    own = points[(points["lab_id"] == lab_id) & (points["bodypart"] == bodypart)]
    own = own[(own["video_id"] == int(video_id)) & (own["mouse_id"] == int(mouse_id))]
    return own[["video_frame", "x_cm", "y_cm", "speed", "is_imputed"]]


# --- labs against labs --------------------------------------------------------------------------------------
@answers()
def train_test_difference(base: Base) -> pd.DataFrame:
    rows = []
    tested = set(base["metadata_test"]["lab_id"])
    for (lab, split), group in videos(base).groupby(["lab_id", "split"]):
        tracks = base["track_summary"].query("lab_id == @lab and split == @split")
        if lab in tested:
            rows.append(
                {
                    "lab_id": lab, "split": split, "videos": len(group), "parts": tracks["bodypart"].nunique(),
                    "mean_fps": group["frames_per_second"].mean(), "mean_mice": group["n_mice"].mean(),
                    "mean_pix_per_cm": group["pix_per_cm_approx"].mean(),
                    "mean_minutes": group["video_duration_sec"].mean() / 60, "mean_speed_cm_s": _speed(tracks),
                }
                | (_quality(tracks, "unmeasured_percent") if len(tracks) else {"unmeasured_percent": None})
            )  # fmt: skip
    return pd.DataFrame(rows)


@answers({"lab_id": "east"}, {"lab_id": "south"})
def lab_drift(base: Base, lab_id: str) -> pd.DataFrame:
    labs = {}
    for lab, group in videos(base).query("split == 'train' or lab_id == @lab_id").groupby("lab_id"):
        tracks = base["track_summary"].query("lab_id == @lab and (split == 'train' or lab_id == @lab_id)")
        seconds = tracks["tracked_sec"].sum()
        labs[lab] = {
            "frames_per_second": group["frames_per_second"].mean(), "mice": group["n_mice"].mean(),
            "pix_per_cm": group["pix_per_cm_approx"].mean(), "parts": group["body_parts_tracked"].map(len).mean(),
            "minutes_per_video": group["video_duration_sec"].mean() / 60,
            **_quality(tracks, "unmeasured_percent"), "mean_speed_cm_s": _speed(tracks),
            "jumps_per_track_minute": 60 * tracks["jumps"].sum() / seconds if seconds else None,
        }  # fmt: skip
    table = pd.DataFrame(labs).astype(float)
    others = table.drop(columns=lab_id)
    values = table[lab_id]
    outside = [
        None if np.isnan(v) else v < lo or v > hi
        for v, lo, hi in zip(values, others.min(axis=1), others.max(axis=1), strict=True)
    ]
    return pd.DataFrame(
        {
            "metric": values.index, "value_here": values, "other_labs": others.notna().sum(axis=1),
            "lowest_elsewhere": others.min(axis=1), "mean_elsewhere": others.mean(axis=1),
            "highest_elsewhere": others.max(axis=1),
            "z_score": ((values - others.mean(axis=1)) / others.std(axis=1)).replace([np.inf, -np.inf], np.nan),
            "outside_range": outside,
        }
    )  # fmt: skip


@answers({"lab_id": "east"}, {"lab_id": "north"})
def lab_drift_by_part(base: Base, lab_id: str) -> pd.DataFrame:
    tracks = base["track_summary"].query("split == 'train' or lab_id == @lab_id")
    cells = {
        key: (_speed(group), _quality(group, "percent")["percent"])
        for key, group in tracks.groupby(["bodypart", "lab_id"])
    }
    rows = []
    for part in sorted({part for part, _ in cells}):
        cell = cells.get((part, lab_id), (None, None))
        others = pd.DataFrame([v for k, v in cells.items() if k[0] == part and k[1] != lab_id], columns=["s", "m"])
        mean = others.astype(float).mean()
        rows.append((part, (part, lab_id) in cells, len(others), cell[0], mean["s"], cell[1], mean["m"]))
    columns = ["bodypart", "tracked_here", "other_labs", "speed_here_cm_s", "speed_elsewhere_cm_s"]
    return pd.DataFrame(rows, columns=[*columns, "missing_here_percent", "missing_elsewhere_percent"])
