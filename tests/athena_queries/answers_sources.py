"""Answers about annotated and predicted events side by side, and the comparison of groups, by scipy."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from answers import TRIPLET, Base, answers, labelled_frames, labelled_seconds, videos

EAST, WEST = {"lab_id": "east"}, {"lab_id": "west"}
KEY = ["split", "lab_id", "video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame"]
SOURCE = ["source", "run_id"]


def _events(base: Base, lab_id: str) -> pd.DataFrame:
    annotated = base["annotations_enriched"][[*KEY, "issue"]].assign(source="annotated", run_id="")
    annotated["overlong"] = (annotated["issue"] == "interval-overlong").astype(int)
    predicted = base["predictions"][[*KEY, "run_id"]].assign(source="predicted", overlong=0)
    table = pd.concat([annotated, predicted])
    return table[(table["lab_id"] == lab_id) & (table["stop_frame"] > table["start_frame"])]


def _seconds(base: Base, group: pd.DataFrame) -> float:
    """Frames of each target counted once, within the video, in seconds."""
    video = videos(base).set_index("video_id").loc[group["video_id"].iloc[0]]
    fps, end = video["frames_per_second"], np.ceil(video["frames_per_second"] * video["video_duration_sec"])
    frames = {
        (e.target_id, f)
        for e in group[group["overlong"] == 0].itertuples()
        for f in range(e.start_frame, e.stop_frame)
        if f < end
    }  # fmt: skip
    return float(len(frames) / fps)


def _watched(base: Base, video_id: int, run_id: str) -> float:
    """Seconds of a video that were annotated (all, if `run_id` is empty) or that the run predicted."""
    video = videos(base).set_index("video_id").loc[video_id]
    if not run_id:
        return float(video["video_duration_sec"])
    span = base["predicted_videos"].query("video_id == @video_id and run_id == @run_id").iloc[0]
    return float((span["stop_frame"] - span["start_frame"]) / video["frames_per_second"])


def _blank(run_id: str) -> str | None:
    return run_id or None


@answers(EAST, WEST)
def time_budget_by_source(base: Base, lab_id: str) -> pd.DataFrame:
    by = ["split", "video_id", "agent_id", "action", *SOURCE]
    rows = []
    for key, group in _events(base, lab_id).groupby(by):
        seconds = _seconds(base, group)
        share = 100 * seconds / (_looked_at(base, group) if not key[-1] else _watched(base, key[1], str(key[-1])))
        overlong = int(group["overlong"].sum())
        rows.append((*key[:-1], _blank(key[-1]), len(group) - overlong, seconds, share, overlong))
    return pd.DataFrame(rows, columns=[*by, "events", "seconds", "percent_of_time", "overlong"])


def _looked_at(base: Base, events: pd.DataFrame) -> float:
    """Seconds in which the action of some annotated events was looked for: the most of any of their targets."""
    video = videos(base).set_index("video_id").loc[events["video_id"].iloc[0]]
    partly = labelled_frames(base)
    seen = [partly.get(row) for row in events[TRIPLET].itertuples(index=False, name=None)]
    return max(
        float(video["video_duration_sec"]) if frames is None else len(frames) / float(video["frames_per_second"])
        for frames in seen
    )


@answers(EAST, WEST)
def pairs_by_source(base: Base, lab_id: str) -> pd.DataFrame:
    by = ["split", "video_id", "agent_id", "target_id", "action", *SOURCE]
    social = _events(base, lab_id).query("agent_id != target_id")
    rows = [
        (*key[:-1], _blank(key[-1]), int((group["overlong"] == 0).sum()), _seconds(base, group),
         int(group["overlong"].sum()))
        for key, group in social.groupby(by)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=[*by, "events", "seconds", "overlong"])


@answers(EAST, WEST)
def transitions_by_source(base: Base, lab_id: str) -> pd.DataFrame:
    count: Counter[tuple[str, str, str, str]] = Counter()
    for key, group in _events(base, lab_id).groupby([*SOURCE, "split", "video_id", "agent_id"]):
        ordered = sorted(group.itertuples(), key=lambda e: (e.start_frame, e.stop_frame, e.target_id, e.action))
        count.update((*key[:2], one.action, following.action) for one, following in pairwise(ordered))
    whole: Counter[tuple[str, str, str]] = Counter()
    for key, n in count.items():
        whole[key[:3]] += n
    rows = [(k[0], _blank(k[1]), k[2], k[3], n, 100 * n / whole[k[:3]]) for k, n in count.items()]
    return pd.DataFrame(rows, columns=[*SOURCE, "action", "next_action", "transitions", "percent_of_action"])


def _holm(values: list[float | None]) -> list[float | None]:
    """Return the p-values, corrected by Holm over those that are there."""
    order = sorted((p, i) for i, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    highest = 0.0
    for place, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - place)))
        corrected[i] = highest
    return corrected


def _compared(a: list[float], b: list[float]) -> tuple[Any, ...]:
    """Return (effect, its interval, p) of two samples."""
    from scipy import stats

    effect = float(np.mean(a) - np.mean(b))
    low = high = p = None
    if min(len(a), len(b)) >= 2 and np.var([*a]) + np.var([*b]) > 0:
        welch = stats.ttest_ind(a, b, equal_var=False)
        if welch.df >= 4:
            interval = welch.confidence_interval()
            low, high = float(interval.low), float(interval.high)
    if min(len(a), len(b)) >= 3 and len({*a, *b}) > 1:
        p = float(stats.mannwhitneyu(a, b, method="asymptotic").pvalue)
    return effect, low, high, p


@answers(EAST, WEST)
def group_comparison(base: Base, lab_id: str) -> pd.DataFrame:
    table = base["metadata_train"].query("lab_id == @lab_id").set_index("video_id")
    events = _events(base, lab_id).query("split == 'train'")
    labeled = base["labeled_behaviors"].query("lab_id == @lab_id and split == 'train'")
    watched = set(labeled[["video_id", "agent_id", "action"]].itertuples(index=False, name=None))
    runs = {("annotated", ""): set(table.index[table["has_annotation"]])}
    for run, group in base["predicted_videos"].query("lab_id == @lab_id and split == 'train'").groupby("run_id"):
        runs["predicted", str(run)] = set(group["video_id"])
    rows = []
    for (source, run), seen in runs.items():
        own = events.query("source == @source and run_id == @run")
        shares: dict[tuple[int, int, str], float] = {}
        overlong: dict[tuple[int, int, str], int] = {}
        for video, mouse, action in watched:
            if video in seen:
                group = own.query("video_id == @video and agent_id == @mouse and action == @action")
                seconds = _seconds(base, group) if len(group) else 0.0
                whole = {"video_id": video, **table.loc[video].to_dict()}
                looked_at = _watched(base, video, run) if run else labelled_seconds(base, whole, mouse, action)
                shares[video, mouse, action] = 100 * seconds / looked_at
                overlong[video, mouse, action] = int(group["overlong"].sum())
        for factor in ("condition", "strain", "sex", "age"):
            samples: dict[str, dict[str, list[float]]] = {}
            late: Counter[tuple[str, str]] = Counter()
            for (video, mouse, action), share in sorted(shares.items()):
                name = table.loc[video].get(f"mouse{mouse}_{factor}")
                if isinstance(name, str):
                    samples.setdefault(name, {}).setdefault(action, []).append(share)
                    late[name, action] += overlong[video, mouse, action]
            for a, b in combinations(sorted(samples), 2):
                actions = sorted(set(samples[a]) & set(samples[b]))
                comparisons = [_compared(samples[a][x], samples[b][x]) for x in actions]
                corrected = _holm([f[3] for f in comparisons])
                tests = sum(f[3] is not None for f in comparisons)
                for action, one, p_holm in zip(actions, comparisons, corrected, strict=True):
                    x, y = samples[a][action], samples[b][action]
                    means = (float(np.mean(x)), float(np.mean(y)))
                    rows.append((source, run, factor, a, b, action, len(x), len(y), *means, *one[:3],
                                 "Mann-Whitney U", one[3], p_holm, tests,
                                 late[a, action] + late[b, action]))  # fmt: skip
    columns = [
        *SOURCE, "factor", "group_a", "group_b", "action", "n_a", "n_b", "mean_a_percent", "mean_b_percent",
        "effect_points", "effect_low", "effect_high", "test", "p", "p_holm", "tests", "overlong",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
