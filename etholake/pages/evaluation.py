"""An evaluation as one HTML page: nothing is loaded. Pictures: `evaluation_charts`, its CSV: `evaluation_table`.

Only the filters need JavaScript; without it everything is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etholake.evaluation.bootstrap import Interval
from etholake.evaluation.confusion import NONE
from etholake.evaluation.raster import Raster
from etholake.evaluation.report import Evaluation
from etholake.evaluation.tasks import sample_kind
from etholake.pages import evaluation_charts as charts
from etholake.pages.attention import Curves, ModelView, pair_name
from etholake.pages.evaluation_table import as_download
from etholake.pages.templating import render as render_template

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["render", "shown_videos", "write"]

MAX_VIDEOS, MAX_ROWS, MAX_PLOTS, MAX_LABS, MAX_ACTIONS = 8, 16, 30, 40, 40  # shown; the JSON has all
CLOSE_S = 60.0  # the stretch of an ethogram that is shown close up
ENDS = ("start", "stop")


def write(path: Path, evaluation: Evaluation, title: str = "", view: ModelView | None = None) -> None:
    """Write the page; the folder is made. Videos whose page (`etholake video`) lies beside it are linked.

    With `view` the page also shows where a model looked, and the figures of its tasks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pages: dict[int, str] = {}
    for video in {e.video_id for e in evaluation.truth}:
        for name in (f"video-{video}.html", f"dist/video-{video}.html"):
            if (path.parent / name).is_file():
                pages.setdefault(video, name)
    path.write_text(render(evaluation, title, pages, view), encoding="utf-8")


def render(
    evaluation: Evaluation,
    title: str = "",
    video_pages: Mapping[int, str] | None = None,
    view: ModelView | None = None,
) -> str:
    """Return the page; `title` names what was evaluated, `video_pages` are addresses of the videos' own pages."""
    videos = shown_videos(evaluation)
    view = view or ModelView("")
    bouts = evaluation.bouts.values()
    probabilities = evaluation.probabilities
    worst = sorted(probabilities, key=lambda at: -probabilities[at].calibration_error)[:MAX_PLOTS]
    confused = [lab for lab, rows in evaluation.confusion.items() if rows]
    return render_template(
        "evaluation.html",
        title=title,
        labs=evaluation.score.labs,
        video_count=sum(lab.videos for lab in evaluation.score.labs.values()),
        true_bouts=sum(b.true for b in bouts),
        predicted_bouts=sum(b.predicted for b in bouts),
        tiles=_tiles(evaluation),
        rows=_rows(evaluation),
        videos=[_video(evaluation, video, view.attention.get(video, {})) for video in videos],
        model=view.name if any(view.attention.values()) else "",
        tasks=[_task(task, figures) for task, figures in view.tasks.items()],
        videos_in_all=len({e.video_id for e in evaluation.truth}),
        tables=[_confusion(lab, evaluation.confusion[lab]) for lab in confused[:MAX_LABS]],
        labs_in_all=len(confused),
        none=NONE,
        disagreements=_disagreements(evaluation),
        disagreements_in_all=len(evaluation.disagreements),
        actions=sorted({action for lab in evaluation.score.labs.values() for action in lab.actions}),
        video_pages=dict(video_pages or {}),
        download=as_download(evaluation),
        plots=[_plot(evaluation, *at) for at in worst],
        plots_in_all=len(probabilities),
    )


def _tiles(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    bouts, probabilities = evaluation.bouts, evaluation.probabilities
    medians = []
    for end in ENDS:
        errors_s = np.abs(np.concatenate([getattr(b, f"{end}_error_s") for b in bouts.values()]))
        medians.append(_seconds(float(np.median(errors_s))) if len(errors_s) else "–")
    precisions = [p.average_precision for p in probabilities.values() if p.average_precision is not None]
    errors = [p.calibration_error for p in probabilities.values()]
    return [
        (_score(evaluation.score.score), "official score", _between(evaluation.uncertainty.score), ""),
        (_score(_bout_f(evaluation)), "F of bouts", "IoU of at least 0.5; mean as the score's", ""),
        (medians[0], "bout starts off by", "median, matched bouts", ""),
        (medians[1], "bout stops off by", "median, matched bouts", ""),
        (_score(_mean(precisions)), "mean average precision", "of the probabilities", ""),
        (_score(_mean(errors)), "calibration error", "expected, mean of actions", ""),
    ]


def _bout_f(evaluation: Evaluation) -> float:
    """Return the mean over labs of the mean over actions of the F of bouts."""
    bouts = evaluation.bouts
    labs = evaluation.score.labs.items()
    return float(np.mean([np.mean([bouts[name, a].f_score for a in lab.actions]) for name, lab in labs]))


# --- labs and actions -------------------------------------------------------------------------------------
def _rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the table of labs and actions: one row a lab (without cells), then one an action."""
    rows: list[dict[str, Any]] = []
    for lab, scored in evaluation.score.labs.items():
        rows.append({"lab": lab, **_row(lab, scored.score, evaluation.uncertainty.labs[lab], cells=None)})
        for action in scored.actions:
            interval = evaluation.uncertainty.actions[lab, action]
            f_score = scored.actions[action].f_score
            cells = _cells(evaluation, lab, action)
            rows.append({"lab": lab, **_row(action, f_score, interval, cells=cells)})
    return rows


def _row(name: str, f_score: float, interval: Interval, cells: list[str] | None) -> dict[str, Any]:
    low, high = interval or (f_score, f_score)
    return {
        "name": name, "f_score": f_score, "score": _score(f_score), "low": low, "high": high,
        "band": interval is not None, "between": _between(interval), "cells": cells,
    }  # fmt: skip


def _cells(evaluation: Evaluation, lab: str, action: str) -> list[str]:
    scored, bouts = evaluation.score.labs[lab].actions[action], evaluation.bouts[lab, action]
    probabilities = evaluation.probabilities.get((lab, action))
    return [
        _score(scored.precision), _score(scored.recall),
        _score(probabilities.average_precision if probabilities else None), _score(bouts.f_score),
        f"{bouts.matched:,} / {bouts.true:,} / {bouts.predicted:,}",
        *(_boundary(getattr(bouts, f"{end}_error_s")) for end in ENDS),
        _score(probabilities.calibration_error if probabilities else None),
    ]  # fmt: skip


def _boundary(errors_s: Any) -> str:
    """Return the median error without its sign, and whether the boundaries are late or early on average."""
    if not len(errors_s):
        return "–"
    return f"{_seconds(float(np.median(np.abs(errors_s))))}, {'late' if np.mean(errors_s) > 0 else 'early'}"


# --- ethograms --------------------------------------------------------------------------------------------
def shown_videos(evaluation: Evaluation) -> list[int]:
    """Return the videos that the page shows.

    They are turn by turn of each lab the worst, the best, and so on towards the middle.
    """
    means = {video: _mean_f(evaluation, video) for video in {e.video_id for e in evaluation.truth}}
    queues = []
    for lab in evaluation.score.labs:
        ordered = sorted((v for v in means if evaluation.labs[v] == lab), key=lambda v: (means[v], v))
        turns: list[int] = []
        while ordered:
            turns.append(ordered.pop(0 if len(turns) % 2 == 0 else -1))
        queues.append(turns)
    longest = max(map(len, queues), default=0)
    return [turns[i] for i in range(longest) for turns in queues if i < len(turns)][:MAX_VIDEOS]


def _mean_f(evaluation: Evaluation, video: int) -> float:
    """Return the mean F of a video's actions, its pairs pooled."""
    counts = [frames for (v, _), frames in evaluation.frames.items() if v == video]
    return float(np.mean([2 * tp / max(2 * tp + fp + fn, 1) for tp, fp, fn in counts]))


def _video(evaluation: Evaluation, video: int, attention: Curves) -> dict[str, Any]:
    """Return what is shown of a video: its figures and the pictures of the whole and of a busy minute.

    Where a model looked stands above the rows of the same pairs.
    """
    truth, predicted = ([e for e in x if e.video_id == video] for x in (evaluation.truth, evaluation.predicted))
    fps = evaluation.fps.get(video)
    start = min(0, *(e.start_frame for e in [*truth, *predicted]))
    stop = max(start + 1, *(e.stop_frame for e in [*truth, *predicted]))
    whole = Raster(start, stop, truth, predicted)
    frames = Counter({row: 0 for row in whole.rows})
    for e in (*truth, *predicted):
        frames[e.agent_id, e.target_id, e.action] += e.stop_frame - e.start_frame
    busiest_rows = dict(frames.most_common(MAX_ROWS))
    rows = [row for row in whole.rows if row in busiest_rows]
    close = whole.busiest(round(CLOSE_S * (fps or 30.0)))
    several = close != (start, stop)
    shown_pairs = {(agent, target) for agent, target, _ in rows}
    curves = {f"attention, {pair_name(*at)}": curve for at, curve in attention.items() if at in shown_pairs}
    pictures: list[Markup] = [charts.ethogram(whole, rows, fps, close if several else None, curves)]
    if several:
        part = Raster(*close, truth, predicted)
        pictures.append(charts.ethogram(part, [row for row in rows if row in part.rows], fps, curves=curves))
    return {
        "id": video, "name": evaluation.names.get(video, str(video)),
        "lab": evaluation.labs[video], "f_score": _score(_mean_f(evaluation, video)),
        "true": len(truth), "predicted": len(predicted), "pictures": pictures,
        "length": charts.clock((stop - start) / fps) if fps else f"{stop - start:,} frames",
        "rows": len(rows), "rows_in_all": len(whole.rows),
    }  # fmt: skip


# --- disagreements ----------------------------------------------------------------------------------------
def _disagreements(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the longest stretches of each action on which the two sources disagree, with the video's clock."""
    tables = []
    for (lab, action), stretches in list(evaluation.disagreements.items())[:MAX_ACTIONS]:
        rows = []
        for stretch in stretches:
            fps = evaluation.fps.get(stretch.video_id)
            first, last = (
                charts.clock(frame / fps) if fps else f"frame {frame:,}"
                for frame in (stretch.start_frame, stretch.stop_frame)
            )
            rows.append({
                "video": stretch.video_id,
                "name": evaluation.names.get(stretch.video_id, str(stretch.video_id)),
                "pair": f"{stretch.agent_id} → {stretch.target_id}",
                "kind": stretch.kind, "frame": stretch.start_frame, "from": first, "to": last,
                "length": f"{stretch.frames:,} frames" if stretch.seconds is None else _seconds(stretch.seconds),
                "instead": "nothing" if stretch.instead == NONE else stretch.instead,
            })  # fmt: skip
        tables.append({"lab": lab, "action": action, "rows": rows})
    return tables


# --- confusion --------------------------------------------------------------------------------------------
def _confusion(lab: str, frames: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Return the table of a lab: rows are annotated actions, columns predicted ones, `NONE` the last of both."""
    names = sorted({name for at in frames for name in at if name != NONE})
    rows_in_all: Counter[str] = Counter()
    columns_in_all: Counter[str] = Counter()
    for (true, predicted), n in frames.items():
        rows_in_all[true] += n
        columns_in_all[predicted] += n

    def cell(true: str, predicted: str) -> dict[str, Any] | None:
        n = frames.get((true, predicted), 0)
        if not n:
            return None
        fraction = n / (columns_in_all[predicted] if true == NONE else rows_in_all[true])
        kind = "hit" if true == predicted else "miss" if predicted == NONE else "wrong"
        return {"true": true, "predicted": predicted, "frames": n, "fraction": fraction, "kind": kind}

    everything = [*names, NONE]
    rows = [(true, [cell(true, predicted) for predicted in everything]) for true in everything]
    return {"lab": lab, "names": everything, "rows": rows}


# --- calibration ------------------------------------------------------------------------------------------
def _plot(evaluation: Evaluation, lab: str, action: str) -> dict[str, Any]:
    probabilities = evaluation.probabilities[lab, action]
    precision = probabilities.average_precision
    return {
        "lab": lab, "action": action, "picture": charts.reliability(probabilities, action),
        "error": _score(probabilities.calibration_error),
        "precision": None if precision is None else _score(precision),
    }  # fmt: skip


# --- tasks --------------------------------------------------------------------------------------------------
def _task(task: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a task: its figures by name, and what they were measured on."""
    shown = {name.replace("_", " ").replace("r2", "R²"): _score(value) for name, value in figures.items()
             if name not in ("videos", "samples")}  # fmt: skip
    return {
        "name": task, "figures": shown,
        "measured": f"{figures['samples']:,} {sample_kind(task)} of {figures['videos']} videos",
    }  # fmt: skip


# --- pieces -----------------------------------------------------------------------------------------------
def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _between(interval: Interval) -> str:
    return "interval not known" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
