"""The data-quality report as one HTML page, readable without JavaScript; a script sorts and filters the files.

The page is made from the report for programs (``report.json``, `etholake.curate.quality.Quality.as_json`), so that
rendering is no part of curation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etholake.contract import RULES
from etholake.pages.templating import counted
from etholake.pages.templating import render as render_template

__all__ = ["render"]

MAX_FILES, MAX_LABS = 500, 200  # shown; the JSON has all
SEVERITIES = {
    "refuse": "the job stops",
    "quarantine": "the row or file is left out, with its reason",
    "flag": "kept as it is, and marked",
    "repair": "mended, nothing is lost",
}
Report = Mapping[str, Any]


def render(report: Report) -> str:
    """Return the page of a report; it shows the worst `MAX_FILES` files and at most `MAX_LABS` labs."""
    order = list(SEVERITIES)
    rules = sorted(report["rules"], key=lambda rule: (order.index(rule["severity"]), -rule["share"]))
    labs = report["labs"]
    if len(labs) > MAX_LABS:
        worst = sorted(labs, key=lambda lab: (-labs[lab]["rows_quarantined"], lab))[:MAX_LABS]
        labs = {lab: labs[lab] for lab in sorted(worst)}
    return render_template(
        "quality.html",
        report=report,
        tiles=_tiles(report),
        severities=SEVERITIES,
        rules=[_rule(report, rule) for rule in rules],
        severity_of={rule["id"]: rule["severity"] for rule in rules},
        labs=labs,
        lossy=[lab for lab, sums in report["labs"].items() if 2 * sums["rows_quarantined"] > sums["rows_in"]],
        cells={
            lab: [_cell(lab, sums["rules"].get(rule["id"]), rule) for rule in rules] for lab, sums in labs.items()
        },
        balances=_balances(report, labs),
        files=[file for file in report["files"] if file["rules"]],
        max_files=MAX_FILES,
    )


def _tiles(report: Report) -> list[tuple[str, str, str, str]]:
    sums = report["totals"]
    clean = sum(not file["rules"] for file in report["files"])
    return [
        (f"{sums['rows_curated']:,}", "rows curated", _percent(sums["rows_curated"], sums["rows_in"]), ""),
        (
            f"{sums['rows_quarantined']:,}",
            "rows quarantined",
            _percent(sums["rows_quarantined"], sums["rows_in"]),
            "",
        ),
        (f"{sums['rows_imputed']:,}", "points imputed", "counted apart", ""),
        (f"{clean:,}", "files without a finding", f"of {sums['files']:,}", ""),
        (f"{sums['videos']:,}", "videos in the metadata", f"of {counted(len(report['labs']), 'lab')}", ""),
        (f"{len(report['rules']):,}", "rules fired", f"of {len(RULES)}", ""),
    ]


def _rule(report: Report, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return one rule with the lab that breaks it worst and the texts of its figures."""
    by_lab = {
        lab: sums["rules"][rule["id"]] for lab, sums in report["labs"].items() if rule["id"] in sums["rules"]
    }
    worst = max(by_lab, key=lambda lab: (by_lab[lab]["share"], lab))
    beside = []
    if rule["rows"] and rule["unit"] != "row":
        beside.append(counted(rule["rows"], "row"))
    if rule["files"] and rule["unit"] == "row":
        beside.append(counted(rule["files"], "file"))
    return {
        **rule,
        "percent": _percent(_broken(rule), rule["of"]),
        "figures": f"{_broken(rule):,} of {counted(rule['of'], rule['unit'])}",
        "beside": ", ".join(beside),
        "labs": counted(len(by_lab), "lab"),
        "worst": worst,
        "worst_percent": _percent(_broken(by_lab[worst]), by_lab[worst]["of"]),
    }


def _cell(lab: str, count: Mapping[str, Any] | None, rule: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a cell of the table of labs and rules; None where the rule did not fire in the lab."""
    if count is None:
        return None
    return {
        "severity": rule["severity"],
        "strength": 10 + 50 * count["share"] ** 0.5,
        "percent": _percent(_broken(count), count["of"]).removesuffix(" %"),
        "title": f"{rule['id']}: {_broken(count):,} of {counted(count['of'], rule['unit'])}",
        "lab": lab,
    }


def _balances(report: Report, labs: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the groups of the balance table: all and by kind of file, then by lab."""
    whole = [("All", report["totals"]), *report["kinds"].items()]
    return [[_balance(name, sums) for name, sums in group] for group in (whole, list(labs.items()))]


def _balance(name: str, sums: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "numbers": [sums[key] for key in ("files", "rows_in", "rows_curated", "rows_quarantined", "rows_imputed")],
        "lost": 100 * sums["rows_quarantined"] / sums["rows_in"] if sums["rows_in"] else None,
        "balanced": sums["rows_in"] == sums["rows_curated"] + sums["rows_quarantined"],
    }


def _broken(count: Mapping[str, Any]) -> int:
    """Return how many rows, files or videos broke the rule: what the rule judges decides which of them count."""
    return round(float(count["share"]) * int(count["of"]))


def _percent(part: int, total: int) -> str:
    """Return a percentage: 0 and 100 % only if it is exactly that; more digits towards either."""
    percent = 100 * part / total if total else 0.0
    if percent in {0.0, 100.0}:
        return f"{percent:.0f} %"
    if not 0.01 <= percent <= 99.99:
        return "<0.01 %" if percent < 50 else ">99.99 %"
    digits = 2 if percent < 1 or percent > 99 else 1 if percent < 10 else 0
    return f"{percent:.{digits}f} %"
