"""The report of a run as one HTML page (see `etholake.pages.base` for the common look)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from etholake.pages.base import figures, left_out, many, page, section, text

__all__ = ["render"]

MAX_STEPS, MAX_FILES, MAX_LINES = 80, 60, 40  # shown; the JSON has all
MAX_COUNTS = 6  # figures of a step
BESIDE = "in the JSON beside this page"
WHOLE = '<b class="bad">left out whole</b> '
TICKS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
)  # s between marks of the axis
_TONES = {
    "done": "good",
    "succeeded": "good",
    "unchanged": "grey",
    "caught": "warn",
    "failed": "bad",
    "no end": "warn",
}


def render(found: Mapping[str, Any]) -> str:
    """The page; `found` is what `etholake.stages.reports.run_report` collects."""
    scores, cost = _scores(found["scores"]), _cost(found)
    parts = [
        _head(found),
        _tiles(found),
        _time_line(found),
        _failures(found),
        f'<div class="two">{scores}{cost}</div>' if scores and cost else scores + cost,
        _quarantined(found["quarantined"]),
        _logs(found),
    ]
    style = resources.files("etholake.pages").joinpath("run_report.html").read_text(encoding="utf-8")
    return page(f"run {found['run']}", parts, style)


# --- head ---------------------------------------------------------------------------------------------------
def _head(found: Mapping[str, Any]) -> str:
    tone = {"succeeded": "good", "failed": "bad"}.get(found["outcome"], "warn")
    commands = ", ".join(f"<code>etholake {text(command, 160)}</code>" for command in found["commands"][:8])
    where = f" on target {text(found['target'])}, bucket {text(found['bucket'], 160)}" if found["target"] else ""
    notes = "".join(f'<p class="warn">{text(note, 400)}</p>' for note in found["notes"])
    return (
        f"<header><h1>Run {text(found['run'])}</h1><p><b class={tone}>{found['outcome']}</b>{where}, "
        f"{_day(found['began'])} UTC. {commands}</p>{notes}</header>"
    )


def _tiles(found: Mapping[str, Any]) -> str:
    ran, lost = found["steps"], found["quarantined"]
    failed, open_ = (sum(step["status"] == status for step in ran) for status in ("failed", "no end"))
    score = found["scores"][-1]["score"] if found["scores"] else None
    usd = sum(line["usd"] for line in found["cost"] if not line["per"])
    rows = sum(line.get("rows", 0) for line in lost)
    retries = len(found["retries"])
    return figures((
        (_seconds(found["seconds"]), "from first line to last", f"{_day(found['ended'])} UTC", ""),
        (f"{len(ran):,}", "stages and jobs", f"{failed} failed, {open_} without an end", "bad" if failed else ""),
        (f"{len(found['failures']):,}", "failures", many(retries, "retry").replace("rys", "ries"),
         "bad" if found["failures"] else "good"),
        (f"{len(lost):,}", "files lost rows", many(rows, "row") + " quarantined", ""),
        ("–" if score is None else f"{score:.3f}", "official score", "held-out videos", ""),
        (f"${usd:.2f}" if found["cost"] else "–", "would be AWS's bill", "for this lake's last runs", ""),
    ))  # fmt: skip


# --- the time line ------------------------------------------------------------------------------------------
def _time_line(found: Mapping[str, Any]) -> str:
    whole = max(0.1, found["seconds"], *(step["began"] + step["seconds"] for step in found["steps"]))
    tick = next((t for t in TICKS if whole / t <= 8), TICKS[-1])
    marks = "".join(
        f'<span style="left:{100 * n * tick / whole:.2f}%">{_seconds(n * tick)}</span>'
        for n in range(int(0.97 * whole / tick) + 1)
    )
    rows = "".join(_step(step, whole, tick) for step in found["steps"][:MAX_STEPS])
    legend = (
        '<ul class="legend"><li class="t-good"><i></i>done</li><li class="t-grey"><i></i>nothing to do</li>'
        '<li class="t-bad"><i></i>failed</li><li class="t-warn"><i></i>no end: runs still, or was killed</li></ul>'
    )
    return section(
        "What ran",
        "Every stage and job of this run, from the first line on; what lies within another is set in.",
        f'{legend}<div class="panel"><div class="time"><div class="corner"></div><div class="axis">{marks}</div>'
        f'<div class="corner"></div>{rows}</div></div>'
        + left_out(len(found["steps"]), MAX_STEPS, "steps", BESIDE),
    )


def _step(step: Mapping[str, Any], whole: float, tick: float) -> str:
    tone, depth = _TONES.get(step["status"], "warn"), step["depth"]
    left, width = (100 * step[key] / whole for key in ("began", "seconds"))
    kind = " inner" if depth else ""
    shape = "open" if step["status"] == "no end" else ""
    title = f"{text(step['stage'])}: {text(step['status'])}, {_seconds(step['seconds'])}"
    told = " · ".join(f"<b>{_figure(v)}</b> {text(k.replace('_', ' '), 40)}" for k, v in _chosen(step["counts"]))
    if step["status"] not in {"done", "succeeded"} or not told:
        told = text(step["message"], 300)
    bad = " t-bad" if step["status"] == "failed" else ""
    said = f'<div class="said{bad}" style="padding-left:{14 * depth}px !important">{told}</div>' if told else ""
    return (
        f'<div class="name{kind}" style="padding-left:{14 * depth}px">{text(step["stage"], 60)}</div>'
        f'<div class="lane t-{tone}" style="--step:{100 * tick / whole:.3f}%" title="{title}">'
        f'<i class="{shape}" style="left:{left:.2f}%;width:{width:.2f}%"></i></div>'
        f'<div class="n">{_seconds(step["seconds"])}</div>{said}'
    )


def _chosen(counts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(counts.items())[:MAX_COUNTS]


# --- what went wrong ----------------------------------------------------------------------------------------
def _failures(found: Mapping[str, Any]) -> str:
    told = [("bad", line) for line in found["failures"]] + [("warn", line) for line in found["retries"]]
    told += [("grey", line) for line in found["skipped"]]
    if not told:
        return section("Failures and retries", "None: nothing failed, was tried again or left out.", "")
    names = {"bad": "failed", "warn": "tried again", "grey": "left out"}
    entries = "".join(
        f'<div class="event t-{tone}"><b>{names[tone]}</b> {text(line["stage"], 60)}'
        f"{_video(line)}, {_clock(line['time'])}<pre>{text(line['message'], 1500)}</pre></div>"
        for tone, line in told[:MAX_LINES]
    )
    said = "The job's own words; a failure that the job, the stage and the verb tell is shown once."
    return section(
        "Failures and retries",
        said,
        f'<div class="panel">{entries}</div>' + left_out(len(told), MAX_LINES, "lines", BESIDE),
    )


def _quarantined(lines: Sequence[Mapping[str, Any]]) -> str:
    files = [line for line in lines if "file" in line]
    if not files:
        return ""
    rules: Counter[str] = Counter()
    for line in files:
        rules.update({rule: rows for rule, rows in line["rules"].items()})
    top = max(1, *rules.values())
    by_rule = "".join(
        f"<tr><th scope=row><code>{text(rule)}</code></th>{_bar(rows / top, 'warn')}<td class=n>{rows:,}</td></tr>"
        for rule, rows in rules.most_common()
    )
    worst = sorted(files, key=lambda line: (not line["whole"], -line["rows"]))
    rows = "".join(
        f"<tr><td>{text(line.get('video', '–'))}</td><td>{text(line['lab'] or '–')}</td>"
        f"<td>{WHOLE if line['whole'] else ''}<code>{text(', '.join(line['rules']), 160)}</code></td>"
        f"<td class=n>{line['rows']:,}</td><td class=n>{line['rows_in']:,}</td>"
        f"<td><code>{text(line['file'], 160)}</code></td></tr>"
        for line in worst[:MAX_FILES]
    )
    return section(
        "Quarantined",
        "Rows that reached no curated table, by rule and by file; files that were left out whole come first.",
        '<div class="panel"><table><thead><tr><th>Rule</th><th></th><th class=n>Rows</th></tr></thead>'
        f'<tbody>{by_rule}</tbody></table></div><h3 class="below">Files</h3><div class="panel"><table><thead><tr>'
        "<th>Video</th><th>Lab</th><th>Rules</th><th class=n>Rows lost</th><th class=n>of</th><th>File</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>" + left_out(len(files), MAX_FILES, "files", BESIDE),
    )


# --- scores, cost, logs -------------------------------------------------------------------------------------
def _scores(scores: Sequence[Mapping[str, Any]]) -> str:
    if not scores:
        return ""
    last = next((score for score in reversed(scores) if score["labs"]), scores[-1])
    rows = "".join(
        f"<tr class={kind}><th scope=row>{text(name)}</th>{_bar(score, 'good')}<td class=n>{score:.3f}</td></tr>"
        for name, score, kind in [
            ("all labs", last["score"], "whole"),
            *((k, v, "") for k, v in last["labs"].items()),
        ]
    )
    table = "<thead><tr><th>Lab</th><th></th><th class=n>F-beta</th></tr></thead>"
    return section(
        "Scores",
        f"The official score as {text(last['stage'])} told it last.",
        f'<div class="panel"><table>{table}<tbody>{rows}</tbody></table></div>',
    )


def _cost(found: Mapping[str, Any]) -> str:
    if not found["cost"]:
        return section("Cost", f"Not known: {text(found.get('no_cost', ''), 300)}", "")
    top = max(1e-12, *(line["usd"] for line in found["cost"] if not line["per"]))
    rows = "".join(
        f"<tr><th scope=row>{text(line['stage'])}<br><small class=soft>{text(line['work'], 160)}</small></th>"
        f"{_bar(line['usd'] / top, 'calm') if not line['per'] else '<td></td>'}"
        f"<td class=n>${line['usd']:.4f}{' / ' + line['per'] if line['per'] else ''}</td></tr>"
        for line in found["cost"]
    )
    total = sum(line["usd"] for line in found["cost"] if not line["per"])
    rows += f'<tr class="whole"><th scope=row>the run</th><td></td><td class=n>${total:.4f}</td></tr>'
    return section(
        "Cost on AWS",
        f"What the last run of every stage in this lake ({found['hours']:.2f} h of video) would cost, by list "
        f"prices of {text(found['prices'])} and measured work; see <code>make cost</code>.",
        f'<div class="panel"><table><tbody>{rows}</tbody></table></div>',
    )


def _logs(found: Mapping[str, Any]) -> str:
    if not found["logs"]:
        return ""
    rows = "".join(
        f"<tr><td>{text(place['what'])}</td><td>"
        + (f'<a href="{text(place["link"], 500)}">' if place["link"] else "")
        + f"<code>{text(place['where'], 300)}</code>{'</a>' if place['link'] else ''}</td></tr>"
        for place in found["logs"]
    )
    return section("Where to look further", "", f'<div class="panel"><table><tbody>{rows}</tbody></table></div>')


# --- pieces -------------------------------------------------------------------------------------------------
def _bar(share: float, tone: str) -> str:
    return (
        f'<td><span class="bar" style="--tone:var(--{tone})"><i style="width:{100 * share:.1f}%"></i></span></td>'
    )


def _video(line: Mapping[str, Any]) -> str:
    return f", video {text(line['video'])}" if "video" in line else ""


def _day(time: str) -> str:
    return text(time.replace("T", " ")[:19])


def _clock(time: str) -> str:
    return text(time[11:19])


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 120 else f"{minutes / 60:.1f} h"
