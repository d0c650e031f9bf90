"""The data-quality report as one HTML page: nothing is loaded, everything is there without JavaScript.

Style and script stand in `quality.html`; the script only sorts and filters the table of files. Names and payloads
come from raw files, which anyone may have written: each goes through `_text`, and the page forbids any request.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib import resources
from typing import Any

from etholake.contract import KINDS, RULES
from etholake.curate.quality import Quality, Sums

__all__ = ["render"]

MAX_FILES, MAX_LABS = 500, 200  # shown; the JSON has all
_SEVERITIES = {
    "refuse": "the job stops",
    "quarantine": "the row or file is left out, with its reason",
    "flag": "kept as it is, and marked",
    "repair": "mended, nothing is lost",
}
_FILE_COLUMNS = (
    ("File", ""), ("Rules", ""), ("Rows in", "n"), ("Curated", "n"), ("Quarantined", "n"), ("Imputed", "n"),
)  # fmt: skip


def render(quality: Quality) -> bytes:
    """The page in UTF-8. Shows the worst `MAX_FILES` files and at most `MAX_LABS` labs."""
    severity = {rule: list(_SEVERITIES).index(RULES[rule].severity) for rule in quality.rules}
    rules = sorted(quality.rules, key=lambda rule: (severity[rule], -quality.share(rule)))
    labs = quality.labs
    if len(labs) > MAX_LABS:
        lost = {lab: quality.sums.get((lab, None), Sums()).rows_quarantined for lab in labs}
        labs = sorted(sorted(labs, key=lambda lab: (-lost[lab], lab))[:MAX_LABS])
    parts = [
        _head(quality),
        _figures(quality),
        _rules(quality, rules),
        _heat_map(quality, rules, labs),
        _balance(quality, labs),
        _files(quality),
    ]
    shell = resources.files("etholake.pages").joinpath("quality.html").read_text(encoding="utf-8")
    return shell.replace("<!-- BODY -->", "\n".join(parts), 1).encode()


# --- sections ---------------------------------------------------------------------------------------------
def _head(quality: Quality) -> str:
    whole, labs = quality.sums.get((None, None), Sums()), len(quality.labs)
    if quality.unbalanced:
        names = ", ".join(_text(name) for name in quality.unbalanced[:5])
        said = f'<b class="bad">{len(quality.unbalanced):,} files do not balance:</b> {names}'
    else:
        said = '<b class="good">Every row is accounted for</b>: curated, or in quarantine with its reason.'
    return (
        f"<header><h1>Data quality</h1><p>{whole.rows_in:,} rows in {_many(whole.files, 'raw file')} of "
        f"{_many(labs, 'lab')}. {said}</p></header>"
    )


def _figures(quality: Quality) -> str:
    whole = quality.sums.get((None, None), Sums())
    clean = sum(not file["rules"] for file in quality.files)
    figures = (
        (f"{whole.rows_curated:,}", "rows curated", _percent(whole.rows_curated, whole.rows_in)),
        (f"{whole.rows_quarantined:,}", "rows quarantined", _percent(whole.rows_quarantined, whole.rows_in)),
        (f"{whole.rows_imputed:,}", "points imputed", "counted apart"),
        (f"{clean:,}", "files without a finding", f"of {whole.files:,}"),
        (f"{whole.videos:,}", "videos in the metadata", f"of {_many(len(quality.labs), 'lab')}"),
        (f"{len(quality.rules):,}", "rules fired", f"of {len(RULES)}"),
    )
    tiles = "".join(f"<li><b>{value}</b>{label}<i>{note}</i></li>" for value, label, note in figures)
    return f'<ul class="figures">{tiles}</ul>'


def _rules(quality: Quality, rules: list[str]) -> str:
    legend = "".join(f'<li class="{name}"><b>{name}</b> {said}</li>' for name, said in _SEVERITIES.items())
    entries = "".join(_rule(quality, rule) for rule in rules)
    if not rules:
        entries = '<p class="rule">None: every row is as it should be.</p>'
    return _section(
        "Rules that fired",
        "A bar grows with the square root of the share; a stroke is the limit that each lab has to keep.",
        f'<ul class="legend">{legend}</ul><div class="panel">{entries}</div>',
    )


def _rule(quality: Quality, rule: str) -> str:
    spec, (broken, whole) = RULES[rule], quality.part(rule)
    limit = quality.limits.get(rule)
    labs = [lab for lab in quality.labs if (lab, rule) in quality.counts]
    worst = max(labs, key=lambda lab: (quality.share(rule, lab), lab))
    count = quality.counts[None, rule]
    beside = [_many(count.rows, "row")] if count.rows and spec.unit != "row" else []
    beside += [_many(count.files, "file")] if count.files and spec.unit == "row" else []
    beside += [f"{_many(len(labs), 'lab')}, at worst {_percent(*quality.part(rule, worst))} of {_text(worst, 40)}"]
    mark = "" if limit is None else f'<u style="left:{_width(limit)}" title="limit {100 * limit:.4g} %"></u>'
    told = "" if limit is None else f"; limit {100 * limit:.4g} %"
    examples = "".join(_example(example) for example in quality.examples.get(rule, []))
    return (
        f'<details class="rule {spec.severity}"><summary><span class="severity">{spec.severity}</span>'
        f'<span class="what"><code>{rule}</code> {_text(spec.sentence, 400)}</span>'
        f'<span class="bar"><i style="width:{_width(quality.share(rule))}"></i>{mark}</span>'
        f'<span class="how"><b>{_percent(broken, whole)}</b> {broken:,} of {_many(whole, spec.unit)}'
        f"<small>{', '.join(beside)}{told}</small></span></summary>"
        f'<ul class="examples">{examples}</ul></details>'
    )


def _example(example: dict[str, Any]) -> str:
    row = "" if example["row_number"] is None else f" row {example['row_number']:,}"
    payload = f"<pre>{_text(example['payload'], 600)}</pre>" if example["payload"] else ""
    return f"<li><code>{_text(example['source_file'])}</code>{row}: {_text(example['detail'], 400)}{payload}</li>"


def _heat_map(quality: Quality, rules: list[str], labs: list[str]) -> str:
    if not rules:
        return ""

    def cell(lab: str, rule: str) -> str:
        if (lab, rule) not in quality.counts:
            return "<td></td>"
        broken, whole = quality.part(rule, lab)
        strength = 10 + 50 * quality.share(rule, lab) ** 0.5
        title = f"{_text(lab)}, {rule}: {broken:,} of {_many(whole, RULES[rule].unit)}"
        style = f"--strength:{strength:.0f}%"
        text = _percent(broken, whole).removesuffix(" %")
        return f'<td class="{RULES[rule].severity}" style="{style}" title="{title}">{text}</td>'

    head = "".join(f'<th scope="col" class="{RULES[rule].severity}"><span>{rule}</span></th>' for rule in rules)
    rows = "".join(
        f'<tr><th scope="row">{_text(lab)}</th>{"".join(cell(lab, rule) for rule in rules)}</tr>' for lab in labs
    )
    return _section(
        "Labs and rules",
        "Per cent of the lab's rows, files or videos, by what the rule judges; the darker, the more.",
        f'<div class="panel"><table class="heat"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody>'
        "</table></div>",
    )


def _balance(quality: Quality, labs: list[str]) -> str:
    def row(name: str, sums: Sums, kind: str = "") -> str:
        kept = sums.rows_in == sums.rows_curated + sums.rows_quarantined
        lost = 100 * sums.rows_quarantined / sums.rows_in if sums.rows_in else 0.0
        numbers = (sums.files, sums.rows_in, sums.rows_curated, sums.rows_quarantined, sums.rows_imputed)
        cells = "".join(f'<td class="n">{number:,}</td>' for number in numbers)
        bar = f'<span class="split"><i style="width:{lost:.2f}%"></i></span>' if sums.rows_in else ""
        sign = '<td class="good">balanced</td>' if kept else '<td class="bad">not balanced</td>'
        head = f'<tr class="{kind}"><th scope="row">{_text(name)}</th>'
        return f'{head}{cells}<td class="barcell">{bar}</td>{sign}</tr>'

    whole = row("All", quality.sums.get((None, None), Sums()), "whole")
    kinds = [row(kind, quality.sums[None, kind]) for kind in KINDS if (None, kind) in quality.sums]
    by_lab = [row(lab, quality.sums.get((lab, None), Sums())) for lab in labs]
    head = (
        "".join(
            f'<th scope="col"{" class=n" if name else ""}>{name}</th>'
            for name in ("", "Files", "Rows in", "Curated", "Quarantined", "Imputed")
        )
        + '<th scope="col" class="barcell">Share quarantined</th><th></th>'
    )
    rows = f"{whole}{''.join(kinds)}</tbody><tbody>{''.join(by_lab)}"
    return _section(
        "Balance",
        "Rows in = rows curated + rows quarantined. Imputed points are added by filling and counted apart.",
        f'<div class="panel"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        + _left_out(len(quality.labs), len(labs), "labs"),
    )


def _files(quality: Quality) -> str:
    found = [file for file in quality.files if file["rules"]]
    rows = "".join(_file(file) for file in found[:MAX_FILES])
    head = "".join(
        f'<th scope="col"{" class=n" if kind else ""}><button type="button">{name}</button></th>'
        for name, kind in _FILE_COLUMNS
    )
    if not found:
        return _section("Files to look at", "None.", "")
    said = "Those with any finding, the worst first: left out whole, then by rows lost. A head sorts."
    return _section(
        "Files to look at",
        said,
        '<input type="search" id="filter" placeholder="Filter by file, lab or rule" '
        'aria-label="Filter by file, lab or rule"><div class="panel"><table id="files"><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>" + _left_out(len(found), MAX_FILES, "files"),
    )


def _file(file: dict[str, Any]) -> str:
    names = ("rows_in", "rows_curated", "rows_quarantined", "rows_imputed")
    numbers = "".join(f'<td class="n" data-v="{file[name]}">{file[name]:,}</td>' for name in names)
    rules = " ".join(f'<span class="tag {RULES[rule].severity}">{rule}</span>' for rule in file["rules"])
    return f"<tr><td><code>{_text(file['source_file'])}</code></td><td>{rules}</td>{numbers}</tr>"


# --- pieces -----------------------------------------------------------------------------------------------
def _section(title: str, said: str, content: str) -> str:
    lead = f"<p>{said}</p>" if said else ""
    return f"<section><h2>{title}</h2>{lead}{content}</section>"


def _left_out(there: int, shown: int, what: str) -> str:
    return f'<p class="more">{there - shown:,} more {what} are in report.json.</p>' if there > shown else ""


def _text(value: Any, longest: int = 160) -> str:
    """Text of the data as markup: what cannot be seen is written as an escape, what is long loses its middle."""
    text = str(value)
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    visible: Iterable[str] = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return html.escape("".join(visible))


def _width(share: float) -> str:
    """Length of a bar: small shares are seen beside large ones."""
    return f"{100 * share**0.5:.2f}%"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _percent(part: int, whole: int) -> str:
    """0 and 100 % only if it is; more digits towards either."""
    share = 100 * part / whole if whole else 0.0
    if share in {0.0, 100.0}:
        return f"{share:.0f} %"
    if not 0.01 <= share <= 99.99:
        return "&lt;0.01 %" if share < 50 else "&gt;99.99 %"
    digits = 2 if share < 1 or share > 99 else 1 if share < 10 else 0
    return f"{share:.{digits}f} %"
