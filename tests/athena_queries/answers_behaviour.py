"""Answers about annotated behaviour: durations, intervals, time budgets, pairs, sequences."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
from answers import Base, answers, labelled_seconds, nearest_rank, train_events

EAST, WEST = {"lab_id": "east"}, {"lab_id": "west"}
NOBODY = {"lab_id": "nobody"}


@answers()
def durations_per_action(base: Base) -> pd.DataFrame:
    rows = []
    for action, group in base["annotations_enriched"].groupby("action"):
        by_lab = [own["duration_sec"] for _, own in group.groupby("lab_id")]
        medians = [np.median(s) for s in by_lab]
        rows.append(
            {
                "action": action, "events": len(group), "labs": len(by_lab),
                "mean_sec": group["duration_sec"].mean(),
                "shortest_median_sec": min(medians), "longest_median_sec": max(medians),
                "longest_p95_sec": max(np.percentile(s, 95) for s in by_lab),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@answers(EAST, WEST, NOBODY)
def duration_histogram(base: Base, lab_id: str) -> pd.DataFrame:
    events = base["annotations_enriched"].query("lab_id == @lab_id").dropna(subset="duration_sec")
    edges = np.array([0, 0.25, 0.5, 1, 2, 4, 8, 16, 32])
    place = np.searchsorted(edges, events["duration_sec"], side="right") - 1
    table = events.assign(from_sec=edges[place]).groupby(["action", "from_sec"], as_index=False).agg(
        events=("action", "size"), seconds=("counted_sec", "sum")
    )  # fmt: skip
    return table.assign(
        percent_of_events=100 * table["events"] / table.groupby("action")["events"].transform("sum")
    )


@answers(EAST, WEST)
def inter_event_intervals(base: Base, lab_id: str) -> pd.DataFrame:
    waits: dict[str, list[float]] = {}
    kind = ["split", "video_id", "agent_id", "target_id", "action"]
    for key, group in base["annotations_enriched"].query("lab_id == @lab_id").groupby(kind):
        ordered = group.sort_values(["start_frame", "stop_frame"])[["start_sec", "stop_sec"]].to_numpy()
        pauses = [start - stop for (start, _), (_, stop) in zip(ordered[1:], ordered[:-1], strict=True)]
        waits.setdefault(key[-1], []).extend(p for p in pauses if p >= 0)
    rows = [
        (action, len(w), min(w), nearest_rank(pd.Series(w), 0.5), nearest_rank(pd.Series(w), 0.95), max(w))
        for action, w in waits.items()
        if w
    ]
    return pd.DataFrame(
        rows, columns=["action", "intervals", "shortest_sec", "median_sec", "p95_sec", "longest_sec"]
    )


@answers(EAST, WEST)
def time_budget(base: Base, lab_id: str) -> pd.DataFrame:
    table = train_events(base, lab_id).groupby(["video_id", "agent_id", "action"], as_index=False).agg(
        events=("action", "size"), seconds=("counted_sec", "sum")
    )  # fmt: skip
    length = table["video_id"].map(base["metadata_train"].set_index("video_id")["video_duration_sec"])
    return table.assign(percent_of_video=100 * table["seconds"] / length)


@answers()
def time_budget_by_strain(base: Base) -> pd.DataFrame:
    return _budget_by(base, "strain")


@answers()
def time_budget_by_sex(base: Base) -> pd.DataFrame:
    return _budget_by(base, "sex")


def _budget_by(base: Base, attribute: str) -> pd.DataFrame:
    """Video by video, mouse by mouse, action by action that was looked for of it."""
    sums: dict[tuple[str, str, str], list[float]] = {}
    asked = base["labeled_behaviors"]
    for video in base["metadata_train"].query("has_annotation").to_dict("records"):
        own = asked[asked["video_id"] == video["video_id"]]
        done = base["annotations_enriched"].query("video_id == @video['video_id'] and is_labeled")
        for mouse, action in sorted(set(zip(own["agent_id"], own["action"], strict=True))):
            what = video.get(f"mouse{mouse}_{attribute}")
            key = (video["lab_id"], what if isinstance(what, str) else "unknown", action)
            events = done[(done["agent_id"] == mouse) & (done["action"] == action)]
            cell = sums.setdefault(key, [0, 0.0, 0, 0.0])
            new = (
                1,
                labelled_seconds(base, video, mouse, action) / 3600,
                len(events),
                events["counted_sec"].sum(),
            )
            cell[:] = [a + b for a, b in zip(cell, new, strict=True)]
    columns = ["lab_id", attribute, "action", "mice", "watched_hours", "events", "seconds"]
    table = pd.DataFrame([(*key, *cell) for key, cell in sums.items()], columns=columns)
    return table.assign(
        percent_of_time=100 * table["seconds"] / (3600 * table["watched_hours"]),
        events_per_hour=table["events"] / table["watched_hours"],
    )


@answers(EAST, WEST, NOBODY)
def time_budget_by_minute(base: Base, lab_id: str) -> pd.DataFrame:
    meta = base["metadata_train"].query("lab_id == @lab_id and has_annotation")
    cells: dict[tuple[int, str], list[float]] = {}
    for event in train_events(base, lab_id).itertuples():
        for minute in range(1000):
            start, stop = (
                f / event.frames_per_second for f in (event.counted_start_frame, event.counted_stop_frame)
            )
            inside = min(stop, 60 * minute + 60) - max(start, 60 * minute)
            if inside > 0:
                cell = cells.setdefault((minute, event.action), [0, 0.0])
                cell[0], cell[1] = cell[0] + 1, cell[1] + inside
    rows = []
    for (minute, action), (events, seconds) in cells.items():
        watched = [min(d - 60 * minute, 60) for d in meta["video_duration_sec"] if d > 60 * minute]
        share = 100 * seconds / sum(watched) if watched else None
        rows.append((minute, action, len(watched) or None, events, seconds, share))
    columns = ["video_minute", "action", "videos", "events", "seconds", "percent_of_time"]
    return pd.DataFrame(rows, columns=columns)


@answers(EAST, WEST)
def who_does_what_to_whom(base: Base, lab_id: str) -> pd.DataFrame:
    rows = []
    kind = ["split", "video_id", "agent_id", "target_id", "action"]
    for key, group in base["annotations_enriched"].query("lab_id == @lab_id").groupby(kind):
        video = base["metadata_train"].set_index("video_id").loc[key[1]]
        traits = [video[f"mouse{mouse}_{what}"] for mouse in key[2:4] for what in ("strain", "sex")]
        rows.append((*key, *traits, len(group), group["counted_sec"].sum()))
    traits = ["agent_strain", "agent_sex", "target_strain", "target_sex"]
    return pd.DataFrame(rows, columns=[*kind, *traits, "events", "seconds"])


@answers(EAST, WEST)
def pair_asymmetry(base: Base, lab_id: str) -> pd.DataFrame:
    cells: dict[tuple[str, int, int, int, str], list[float]] = {}
    for e in base["annotations_enriched"].query("lab_id == @lab_id").itertuples():
        if e.agent_id != e.target_id:
            a, b = sorted((e.agent_id, e.target_id))
            cell = cells.setdefault((e.split, e.video_id, a, b, e.action), [0, 0, 0.0, 0.0])
            side = 0 if e.agent_id == a else 1
            cell[side] += 1
            cell[2 + side] += e.counted_sec
    columns = ["split", "video_id", "mouse_a", "mouse_b", "action", "events_by_a", "events_by_b"]
    table = pd.DataFrame(
        [(*key, *cell) for key, cell in cells.items()], columns=[*columns, "seconds_by_a", "seconds_by_b"]
    )
    a, b = table["seconds_by_a"], table["seconds_by_b"]
    return table.assign(asymmetry=(a - b) / (a + b))


@answers(EAST, WEST)
def transitions(base: Base, lab_id: str) -> pd.DataFrame:
    count: Counter[tuple[str, str]] = Counter()
    pauses: dict[tuple[str, str], list[float]] = {}
    events = base["annotations_enriched"].query("lab_id == @lab_id and duration_frames > 0")
    for _, group in events.groupby(["split", "video_id", "agent_id"]):
        ordered = sorted(group.itertuples(), key=lambda e: (e.start_frame, e.stop_frame, e.target_id, e.action))
        for one, following in pairwise(ordered):
            count[one.action, following.action] += 1
            if following.start_frame >= one.stop_frame:
                pause = (following.start_frame - one.stop_frame) / one.frames_per_second
                pauses.setdefault((one.action, following.action), []).append(pause)
    whole: Counter[str] = Counter()
    for (action, _), n in count.items():
        whole[action] += n
    rows = [
        (*key, n, 100 * n / whole[key[0]], np.mean(pauses[key]) if key in pauses else None)
        for key, n in count.items()
    ]
    columns = ["action", "next_action", "transitions", "percent_of_action", "mean_pause_sec"]
    return pd.DataFrame(rows, columns=columns)


@answers(EAST, WEST)
def co_occurrence(base: Base, lab_id: str) -> pd.DataFrame:
    cells: dict[tuple[str, str], list[float]] = {}
    events = base["annotations_enriched"].query("lab_id == @lab_id and duration_frames > 0")
    for _, group in events.groupby(["split", "video_id"]):
        rows = list(group.itertuples())
        for i, one in enumerate(rows):
            for other in rows[:i]:
                shared = min(one.stop_sec, other.stop_sec) - max(one.start_sec, other.start_sec)
                same = one.agent_id == other.agent_id
                apart = min(one.stop_frame, other.stop_frame) <= max(one.start_frame, other.start_frame)
                if apart or (one.action == other.action and same):
                    continue
                first, second = sorted((one.action, other.action))
                cell = cells.setdefault((first, second), [0, 0.0, 0.0, 0.0])
                new = (1, shared, shared * same, shared * (not same))
                cell[:] = [a + b for a, b in zip(cell, new, strict=True)]
    columns = [
        "action",
        "other_action",
        "overlapping_pairs",
        "seconds",
        "seconds_by_one_mouse",
        "seconds_by_two_mice",
    ]
    return pd.DataFrame([(*key, *cell) for key, cell in cells.items()], columns=columns)


@answers({"lab_id": "east", "video_id": "30"}, {"lab_id": "west", "video_id": "30"})
def events_of_video(base: Base, lab_id: str, video_id: str) -> pd.DataFrame:
    events = base["annotations_enriched"].assign(issue=None)
    own = events[(events["lab_id"] == lab_id) & (events["video_id"] == int(video_id))]
    columns = ["start_frame", "stop_frame", "agent_id", "target_id", "action", "is_labeled", "issue"]
    return own[[*columns, "start_sec", "stop_sec"]]
