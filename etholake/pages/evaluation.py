"""An evaluation as one HTML page to look at: nothing is loaded, nothing needs JavaScript.

What is its own of the style stands in `page.html`; the common look is `etholake.pages.base`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from etholake.evaluation.bootstrap import Interval
from etholake.evaluation.confusion import NONE
from etholake.evaluation.probabilities import BINS
from etholake.evaluation.raster import Raster, Row
from etholake.evaluation.report import Evaluation
from etholake.pages.base import figures, left_out, many, page, section, text

__all__ = ["render", "write"]

MAX_VIDEOS, MAX_ROWS, MAX_PLOTS, MAX_LABS = 8, 16, 60, 40  # shown; the JSON has all
CLOSE_S = 60.0  # the stretch of an ethogram that is shown close up
_COLUMNS = (
    ("", ""), ("Frame-wise F, 0 to 1", ""), ("F", "n"), ("Precision", "n"), ("Recall", "n"), ("AP", "n"),
    ("Bout F", "n"), ("found / true / said", "n"), ("Start off by", "n"), ("Stop off by", "n"), ("ECE", "n"),
)  # fmt: skip


def write(path: Path, evaluation: Evaluation, title: str = "") -> None:
    """Write the page; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(render(evaluation, title))


def render(evaluation: Evaluation, title: str = "") -> bytes:
    """The page in UTF-8; `title` says what was evaluated."""
    parts = [
        _head(evaluation, title),
        _tiles(evaluation),
        _actions(evaluation),
        _ethograms(evaluation),
        _confusion(evaluation),
        _calibration(evaluation),
    ]
    style = resources.files("etholake.pages").joinpath("evaluation.html").read_text(encoding="utf-8")
    return page("evaluation", parts, style).encode()


# --- head -------------------------------------------------------------------------------------------------
def _head(evaluation: Evaluation, title: str) -> str:
    labs = evaluation.score.labs
    videos = sum(lab.videos for lab in labs.values())
    true, said = (sum(getattr(b, name) for b in evaluation.bouts.values()) for name in ("true", "predicted"))
    what = f"<b>{text(title)}</b>: " if title else ""
    return (
        f"<header><h1>Evaluation</h1><p>{what}{many(videos, 'video')} of {many(len(labs), 'lab')}, "
        f"{many(true, 'annotated bout')} against {said:,} predicted ones.</p></header>"
    )


def _tiles(evaluation: Evaluation) -> str:
    bouts, known = evaluation.bouts, evaluation.probabilities
    errors = [np.abs(np.concatenate([getattr(b, f"{end}_error_s") for b in bouts.values()])) for end in _ENDS]
    median = [_seconds(float(np.median(x))) if len(x) else "–" for x in errors]
    found = [p.average_precision for p in known.values() if p.average_precision is not None]
    off = [p.calibration_error for p in known.values()]
    tiles = (
        (_score(evaluation.score.score), "official score", _between(evaluation.uncertainty.score)),
        (_score(_by_lab(evaluation)), "F of bouts", "IoU of at least 0.5; mean as the score's"),
        (median[0], "bout starts off by", "median, matched bouts"),
        (median[1], "bout stops off by", "median, matched bouts"),
        (_score(float(np.mean(found))) if found else "–", "mean average precision", "of the probabilities"),
        (_score(float(np.mean(off))) if off else "–", "calibration error", "expected, mean of actions"),
    )
    return figures((*tile, "") for tile in tiles)


_ENDS = ("start", "stop")


def _by_lab(evaluation: Evaluation) -> float:
    """Mean over labs of the mean over actions, of the F of bouts."""
    bouts = evaluation.bouts
    labs = evaluation.score.labs.items()
    return float(np.mean([np.mean([bouts[name, a].f_score for a in lab.actions]) for name, lab in labs]))


# --- labs and actions -------------------------------------------------------------------------------------
def _actions(evaluation: Evaluation) -> str:
    head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in _COLUMNS)
    rows = []
    for lab, scored in evaluation.score.labs.items():
        interval = evaluation.uncertainty.labs[lab]
        rows.append(
            f'<tr class="whole"><th scope="row">{text(lab)}</th>{_whisker(scored.score, interval)}'
            f'<td class="n">{_score(scored.score)}</td><td colspan="8"></td></tr>'
        )
        rows += [_action(evaluation, lab, action) for action in scored.actions]
    return section(
        "Labs and actions",
        "F (with its 95 % interval as a band), precision, recall and average precision (AP) of frames; a bout is "
        "found if it shares half of the union with a predicted one. Starts and stops: the median of the errors "
        "without their sign; early or late is what they are on average.",
        f'<div class="panel"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>',
    )


def _action(evaluation: Evaluation, lab: str, action: str) -> str:
    scored, bouts = evaluation.score.labs[lab].actions[action], evaluation.bouts[lab, action]
    known = evaluation.probabilities.get((lab, action))
    offs = [_off(getattr(bouts, f"{end}_error_s")) for end in _ENDS]
    cells = (
        _score(scored.f_score), _score(scored.precision), _score(scored.recall),
        _score(known.average_precision if known else None), _score(bouts.f_score),
        f"{bouts.matched:,} / {bouts.true:,} / {bouts.predicted:,}", *offs,
        _score(known.calibration_error if known else None),
    )  # fmt: skip
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    whisker = _whisker(scored.f_score, evaluation.uncertainty.actions[lab, action])
    return f'<tr><th scope="row">{text(action)}</th>{whisker}{numbers}</tr>'


def _whisker(value: float, interval: Interval) -> str:
    """A value of 0..1 as a dot, its interval as a band."""
    grid = "".join(f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="22"/>' for x in (4, 52, 100, 148, 196))
    band = ""
    if interval is not None:
        low, high = (4 + 192 * x for x in interval)
        band = f'<line class="range" x1="{low:.1f}" x2="{max(high, low + 1):.1f}" y1="11" y2="11"/>'
    title = f"<title>{value:.3f} {_between(interval)}</title>"
    dot = f'<circle class="dot" cx="{4 + 192 * value:.1f}" cy="11" r="4.5"/>'
    return f'<td class="whisker"><svg viewBox="0 0 200 22">{title}{grid}{band}{dot}</svg></td>'


def _off(errors_s: Any) -> str:
    if not len(errors_s):
        return "–"
    return f"{_seconds(float(np.median(np.abs(errors_s))))}, {'late' if np.mean(errors_s) > 0 else 'early'}"


# --- ethograms --------------------------------------------------------------------------------------------
def _ethograms(evaluation: Evaluation) -> str:
    chosen = _choose(evaluation)
    there = len({e.video_id for e in evaluation.truth})
    legend = "".join(
        f'<li><i class="i-{kind}"></i>{said}</li>'
        for kind, said in (
            ("right", "annotated and predicted"), ("missed", "annotated, missed"),
            ("false", "predicted, not annotated"), ("mark", "shown close up below"),
        )
    )  # fmt: skip
    return section(
        "Ethograms",
        "Of each row the upper lane is what was annotated, the lower one what was predicted. The worst video of "
        "every lab first, then the best, then those between.",
        f'<ul class="legend">{legend}</ul>{"".join(_video(evaluation, video) for video in chosen)}'
        + left_out(there, len(chosen), "videos"),
    )


def _choose(evaluation: Evaluation) -> list[int]:
    """The videos to show: turn by turn of each lab the worst, the best, and so on towards the middle."""
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
    """Mean F of a video's actions, its pairs pooled."""
    counts = [frames for (v, _), frames in evaluation.frames.items() if v == video]
    return float(np.mean([2 * tp / max(2 * tp + fp + fn, 1) for tp, fp, fn in counts]))


def _video(evaluation: Evaluation, video: int) -> str:
    truth, predicted = ([e for e in x if e.video_id == video] for x in (evaluation.truth, evaluation.predicted))
    fps = evaluation.fps.get(video)
    start = min(0, *(e.start_frame for e in [*truth, *predicted]))
    stop = max(e.stop_frame for e in [*truth, *predicted])
    if stop <= start:
        return ""
    whole = Raster(start, stop, truth, predicted)
    counts = Counter({row: 0 for row in whole.rows})
    for e in (*truth, *predicted):
        counts[e.agent_id, e.target_id, e.action] += e.stop_frame - e.start_frame
    rows = [row for row in whole.rows if row in dict(counts.most_common(MAX_ROWS))]
    close = whole.busiest(round(CLOSE_S * (fps or 30.0)))
    several = close != (start, stop)
    strips = _strip(whole, rows, fps, close if several else None)
    if several:
        part = Raster(*close, truth, predicted)
        strips += _strip(part, [row for row in rows if row in part.rows], fps)
    length = _clock((stop - start) / fps, 60) if fps else f"{stop - start:,} frames"
    return (
        f'<article class="panel video"><header><h3>Video {video}</h3><p>{text(evaluation.labs[video])}, mean F '
        f"{_score(_mean_f(evaluation, video))}, {len(truth):,} annotated and {len(predicted):,} predicted events "
        f"in {length}</p></header>{strips}{left_out(len(whole.rows), len(rows), 'rows')}</article>"
    )


def _strip(raster: Raster, rows: Sequence[Row], fps: float | None, mark: tuple[int, int] | None = None) -> str:
    names = "".join(f'<span title="{_name(row, plain=True)}">{_name(row)}</span>' for row in rows)
    ticks = np.linspace(raster.start_frame, raster.stop_frame, 7)
    span = (raster.stop_frame - raster.start_frame) / (fps or 1.0)
    labels = "".join(f"<span>{_clock(t / fps, span) if fps else f'{t:.0f}'}</span>" for t in ticks)
    return (
        f'<div class="strip"><div class="names">{names}</div><div>{raster.svg(rows, mark)}</div>'
        f'<div class="axis">{labels}</div></div>'
    )


def _name(row: Row, *, plain: bool = False) -> str:
    agent, target, action = row
    who = f"mouse{agent}" if agent == target else f"mouse{agent} → mouse{target}"
    return f"{text(action)}, {who}" if plain else f"<b>{text(action, 40)}</b><em>{who}</em>"


# --- confusion --------------------------------------------------------------------------------------------
def _confusion(evaluation: Evaluation) -> str:
    labs = [lab for lab, rows in evaluation.confusion.items() if rows][:MAX_LABS]
    cards = "".join(_heat(lab, evaluation.confusion[lab]) for lab in labs)
    return section(
        "Confusion",
        "Rows: what was annotated. Columns: what was predicted on those frames, in per cent of the row; below, "
        "what was predicted where nothing was annotated, in per cent of the predicted frames of that column.",
        f'<div class="cards">{cards}</div>' + left_out(len(evaluation.confusion), len(labs), "labs"),
    )


def _heat(lab: str, frames: Any) -> str:
    names = sorted({name for at in frames for name in at if name != NONE})
    said_in_all = Counter({said: 0 for said in names})
    rows_in_all = Counter({true: 0 for true in names})
    for (true, said), n in frames.items():
        said_in_all[said] += n
        rows_in_all[true] += n

    def cell(true: str, said: str) -> str:
        n = frames.get((true, said), 0)
        whole = said_in_all[said] if true == NONE else rows_in_all[true]
        if not n:
            return "<td></td>"
        kind = "hit" if true == said else "miss" if said == NONE else "wrong"
        title = f"annotated {text(true)}, predicted {text(said)}: {n:,} frames"
        style = f"--strength:{90 * (n / whole) ** 0.7:.0f}%"
        return f'<td class="{kind}" style="{style}" title="{title}">{100 * n / whole:.0f}</td>'

    head = "".join(f'<th scope="col"><span>{text(name, 24)}</span></th>' for name in [*names, NONE])
    rows = "".join(
        f'<tr><th scope="row">{text(true, 24)}</th>{"".join(cell(true, said) for said in [*names, NONE])}</tr>'
        for true in names
    )
    rows += f'<tr><th scope="row">{NONE}</th>{"".join(cell(NONE, said) for said in names)}<td></td></tr>'
    return (
        f'<div class="panel card"><h3>{text(lab)}</h3><table class="heat"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


# --- calibration ------------------------------------------------------------------------------------------
def _calibration(evaluation: Evaluation) -> str:
    known = evaluation.probabilities
    if not known:
        return section("Calibration", "No probabilities were at hand: there is no average precision either.", "")
    shown = sorted(known, key=lambda at: -known[at].calibration_error)[:MAX_PLOTS]
    plots = "".join(_reliability(evaluation, *at) for at in shown)
    return section(
        "Calibration",
        "Share of frames that are annotated (up) against the probability that was given (right); on the dashed "
        "line a probability is what it says. Grey: how many frames, on a logarithmic scale. The worst first.",
        f'<div class="plots">{plots}</div>' + left_out(len(known), len(shown), "actions"),
    )


def _reliability(evaluation: Evaluation, lab: str, action: str) -> str:
    known = evaluation.probabilities[lab, action]
    there = np.flatnonzero(known.frames_Q)
    tall = 40 * np.log1p(known.frames_Q) / np.log1p(known.frames_Q.max())
    width = 100 / BINS
    bars = "".join(
        f'<rect class="bars" x="{width * q + 1:.0f}" width="{width - 2:.0f}" y="{100 - tall[q]:.1f}" '
        f'height="{tall[q]:.1f}"/>'
        for q in there
    )
    points = [(100 * known.mean_probability_Q[q], 100 - 100 * known.share_true_Q[q]) for q in there]
    curve = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in points)
    ap = f", AP {_score(known.average_precision)}" if known.average_precision is not None else ""
    return (
        '<figure class="panel"><svg viewBox="-4 -4 108 108"><rect class="frame" width="100" height="100"/>'
        f'<line class="diagonal" x1="0" y1="100" x2="100" y2="0"/>{bars}<polyline class="curve" points="{curve}"/>'
        f"{dots}</svg><figcaption>{text(action, 40)}<small>{text(lab, 40)}</small>"
        f"<small>ECE {_score(known.calibration_error)}{ap}</small></figcaption></figure>"
    )


# --- pieces -----------------------------------------------------------------------------------------------
def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _between(interval: Interval) -> str:
    return "interval not known" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _clock(seconds: float, span: float) -> str:
    """m:ss; with tenths where the whole picture is short."""
    if span < 20:
        return f"{seconds:.1f} s"
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"
