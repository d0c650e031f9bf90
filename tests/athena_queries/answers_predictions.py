"""Answers about a run's predictions against the annotations: sets of frames, and events one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pandas as pd
from answers import TRIPLET, Base, answers, labelled_frames, train_events

R1, R2 = {"run_id": "r1"}, {"run_id": "r2"}


def _triplet(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in TRIPLET)


def _span(row: Any) -> tuple[int, int]:
    return row.start_frame, row.stop_frame


def _predicted(base: Base, run_id: str, *, whitelisted: bool = True) -> list[Any]:
    """The run's events in annotated videos; only of triplets that were looked for, if `whitelisted`."""
    asked = set(base["labeled_behaviors"][TRIPLET].itertuples(index=False, name=None))
    annotated = set(base["metadata_train"].query("has_annotation")["video_id"])
    rows = base["predictions"].query("run_id == @run_id").itertuples()
    return [p for p in rows if p.video_id in annotated and (not whitelisted or _triplet(p) in asked)]


def _annotated(base: Base, run_id: str) -> list[Any]:
    """The annotated events of the videos for which the run predicted anything."""
    seen = {p.video_id for p in _predicted(base, run_id, whitelisted=False)}
    return [e for e in base["annotations_enriched"].itertuples() if e.video_id in seen]


def _shared(one: Any, other: Any) -> int:
    return max(0, min(one.stop_frame, other.stop_frame) - max(one.start_frame, other.start_frame))


@answers(R1, R2)
def predictions_vs_annotations(base: Base, run_id: str) -> pd.DataFrame:
    frames: list[dict[Any, set[int]]] = [defaultdict(set), defaultdict(set)]
    for side, events in zip(frames, (_predicted(base, run_id), _annotated(base, run_id)), strict=True):
        for e in events:
            side[_triplet(e)].update(range(*_span(e)))
    cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    partly = labelled_frames(base)
    for t in {*frames[0], *frames[1]}:
        predicted, annotated = (side[t] & partly.get(t, side[t]) for side in frames)
        if t in partly and not predicted | annotated:
            continue
        cells[t[0], t[4]].update(
            tp_frames=len(predicted & annotated), fp_frames=len(predicted - annotated),
            fn_frames=len(annotated - predicted),
        )  # fmt: skip
    rows = [{"lab_id": lab, "action": action, **count} for (lab, action), count in cells.items()]
    table = pd.DataFrame(rows)
    tp, fp, fn = (table[f"{name}_frames"] for name in ("tp", "fp", "fn"))
    return table.assign(
        precision_frames=tp / (tp + fp), recall_frames=tp / (tp + fn), f_score=2 * tp / (2 * tp + fp + fn)
    )


@answers(R1, R2)
def predicted_events_matched(base: Base, run_id: str) -> pd.DataFrame:
    sides = {
        "annotated": {(*_triplet(e), *_span(e)) for e in _annotated(base, run_id)},
        "predicted": {(*_triplet(p), *_span(p)) for p in _predicted(base, run_id)},
    }
    best: dict[tuple[str, str], dict[str, list[float]]] = {}
    for side, other in (("annotated", "predicted"), ("predicted", "annotated")):
        for *triplet, start, stop in sides[side]:
            own = set(range(start, stop))
            if not own:
                continue
            rivals = [set(range(*r[-2:])) for r in sides[other] if list(r[:-2]) == triplet]
            iou = max((len(own & r) / len(own | r) for r in rivals if r), default=0.0)
            cell = best.setdefault((triplet[0], triplet[4]), {"annotated": [], "predicted": []})
            cell[side].append(iou)
    rows = []
    for key, cell in best.items():
        figures = [
            (len(v), sum(i >= 0.5 for i in v), sum(v) / len(v) if v else None)
            for v in (cell["annotated"], cell["predicted"])
        ]
        rows.append((*key, *figures[0], *figures[1]))
    columns = ["lab_id", "action", "annotated_events", "found_events", "mean_iou_of_annotated"]
    return pd.DataFrame(rows, columns=[*columns, "predicted_events", "right_events", "mean_iou_of_predicted"])


@answers({**R1, "lab_id": "east"}, {**R2, "lab_id": "west"}, {**R1, "lab_id": "south"})
def false_positives_to_review(base: Base, run_id: str, lab_id: str) -> pd.DataFrame:
    annotated = list(train_events(base, lab_id).itertuples())
    columns = ["video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame", "start_sec", "stop_sec"]
    rows = [
        [getattr(p, name) for name in [*columns, "confidence"]]
        for p in _predicted(base, run_id)
        if p.lab_id == lab_id and not any(_triplet(e) == _triplet(p) and _shared(e, p) for e in annotated)
    ]
    return pd.DataFrame(rows, columns=[*columns, "confidence"])


@answers({**R1, "lab_id": "east"}, {**R2, "lab_id": "west"})
def missed_events_to_review(base: Base, run_id: str, lab_id: str) -> pd.DataFrame:
    predicted = list(base["predictions"].query("run_id == @run_id and lab_id == @lab_id").itertuples())
    watched = {p.video_id for p in predicted}
    rows = set()
    for e in train_events(base, lab_id).itertuples():
        near = [p for p in predicted if (p.video_id, p.agent_id) == (e.video_id, e.agent_id) and _shared(e, p)]
        if e.duration_frames and e.video_id in watched and _triplet(e) not in map(_triplet, near):
            instead = " ".join(sorted({p.action for p in near})) or None
            rows.add((*_triplet(e)[1:], *_span(e), instead, e.duration_sec))
    columns = ["video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame"]
    return pd.DataFrame(sorted(rows, key=str), columns=[*columns, "seen_instead", "duration_sec"])


@answers(R1, R2)
def confidence_calibration(base: Base, run_id: str) -> pd.DataFrame:
    by_triplet = defaultdict(list)
    for e in base["annotations_enriched"].itertuples():
        by_triplet[_triplet(e)].append(e)
    rows = [
        (min(int(10 * p.confidence), 9) / 10, p.confidence,
         any(2 * _shared(e, p) >= p.stop_frame - p.start_frame for e in by_triplet[_triplet(p)]))
        for p in _predicted(base, run_id)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["from_confidence", "confidence", "right"])
    table = table.groupby("from_confidence", as_index=False).agg(
        events=("right", "size"), mean_confidence=("confidence", "mean"), confirmed_events=("right", "sum")
    )
    return table.assign(confirmed_share=table["confirmed_events"] / table["events"])


@answers({**R1, "lab_id": "east"}, {**R2, "lab_id": "west"})
def confusions(base: Base, run_id: str, lab_id: str) -> pd.DataFrame:
    cells: dict[tuple[str, str], list[int]] = {}
    predicted = list(base["predictions"].query("run_id == @run_id and lab_id == @lab_id").itertuples())
    for e in train_events(base, lab_id).itertuples():
        for p in predicted:
            if _triplet(e)[:4] == _triplet(p)[:4] and _shared(e, p):
                cell = cells.setdefault((e.action, p.action), [0, 0])
                cell[0], cell[1] = cell[0] + 1, cell[1] + _shared(e, p)
    rows = [(*key, key[0] == key[1], *cell) for key, cell in cells.items()]
    columns = ["annotated_action", "predicted_action", "is_right", "overlapping_events", "frames"]
    table = pd.DataFrame(rows, columns=columns)
    whole = table.groupby("annotated_action")["frames"].transform("sum")
    return table.assign(percent_of_seen=100 * table["frames"] / whole)
