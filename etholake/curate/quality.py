"""The data-quality report of a curation run: which rule fired how often and where; and limits that fail the job.

`build` counts over the reports of all raw files; `Quality.as_json` and `as_html` are the two forms of the report,
the HTML one is a single page that needs no network. `check` refuses reports that break a limit. Pure: no I/O.
"""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

from etholake.curate.report import FileReport
from etholake.curate.rules import RULES
from etholake.errors import DataError, SettingsError, raise_collected

__all__ = ["Quality", "RuleCount", "build", "check", "parse_limits"]

MAX_EXAMPLES, MAX_FILES = 5, 500
_SUMS = ("rows_in", "rows_curated", "rows_quarantined", "rows_imputed")
_NO_LAB, _VIDEO = "(no lab)", "video"  # a row of the metadata counts as a video of its lab


@dataclass
class RuleCount:
    """How often one rule fired, in all or in one lab.

    Attributes
    ----------
    rows
        Rows of raw files that were quarantined or flagged by it.
    files
        Raw files in which it fired; of the metadata, videos.
    """

    rows: int = 0
    files: int = 0

    def add(self, rows: int) -> None:
        """Count one file, and so many of its rows."""
        self.rows, self.files = self.rows + rows, self.files + 1


@dataclass(frozen=True)
class Quality:
    """Everything the report says. Counts are of raw rows and raw files (of the metadata: videos).

    Attributes
    ----------
    totals
        `files` and the sums of rows, whole (key "all"), per kind and per lab ("kind:tracking", "lab:X").
    rules
        {rule: count}, of those that fired.
    by_lab
        {lab: {rule: count}}.
    examples
        {rule: up to 5 of source_file, row_number, detail, payload}.
    files
        The worst files, with their balance and flags.
    unbalanced
        Files of which rows in are not rows curated plus rows quarantined: none, or the job has failed.
    shares
        {(lab or None, rule): share} of the rows that the rule concerns; of the files, if it concerns files. The
        whole are the rows (files; videos for flags of the metadata) of the kinds of files in which the rule fired.
    """

    totals: dict[str, dict[str, int]]
    rules: dict[str, RuleCount]
    by_lab: dict[str, dict[str, RuleCount]]
    examples: dict[str, list[dict[str, Any]]]
    files: list[dict[str, Any]]
    unbalanced: list[str] = field(default_factory=list)
    shares: dict[tuple[str | None, str], float] = field(default_factory=dict)

    def share(self, rule: str, lab: str | None = None) -> float:
        """Share of the rows (or files) that break a rule, of a lab or of all; see `shares`."""
        return self.shares.get((lab, rule), 0.0)

    def as_json(self) -> bytes:
        """The report for programs."""
        rules = [
            {
                **asdict(RULES[rule]),
                **asdict(count),
                "share": self.share(rule),
                "examples": self.examples.get(rule, []),
            }
            for rule, count in sorted(self.rules.items())
        ]
        labs = {
            lab: {rule: {**asdict(c), "share": self.share(rule, lab)} for rule, c in sorted(counts.items())}
            for lab, counts in sorted(self.by_lab.items())
        }
        content: dict[str, Any] = {"totals": self.totals, "rules": rules, "labs": labs, "files": self.files}
        content["unbalanced"] = self.unbalanced
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True).encode()

    def as_html(self) -> bytes:
        """The report for people: one page, nothing is loaded from anywhere."""
        template = resources.files("etholake.curate").joinpath("quality.html").read_text(encoding="utf-8")
        # In a <script> of JSON only "<" could end the element; nothing else of the page comes from data.
        data = self.as_json().decode().replace("<", "\\u003c").replace("&", "\\u0026")
        return template.replace("/*DATA*/null", data, 1).encode()


def build(
    reports: Iterable[FileReport], video_flags: Mapping[tuple[str, str, int], Sequence[str]] | None = None
) -> Quality:
    """Count over the reports of all raw files.

    Parameters
    ----------
    reports
        One per raw file, of any kind.
    video_flags
        {(split, lab, video): rules that flag its metadata}: `metadata_*.flags`.
    """
    totals: dict[str, dict[str, int]] = defaultdict(lambda: {"files": 0, **dict.fromkeys(_SUMS, 0)})
    rules: dict[str, RuleCount] = defaultdict(RuleCount)
    by_lab: dict[str, dict[str, RuleCount]] = defaultdict(lambda: defaultdict(RuleCount))
    examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    files, unbalanced = [], []
    sizes: dict[tuple[str | None, str], tuple[int, int]] = defaultdict(
        lambda: (0, 0)
    )  # rows, files of (lab, kind)
    kinds: dict[str, set[str]] = defaultdict(set)  # in which a rule fired

    def count(lab: str, kind: str, rule: str, rows: int) -> None:
        rules[rule].add(rows)
        by_lab[lab][rule].add(rows)
        kinds[rule].add(kind)

    def size(lab: str, kind: str, rows: int) -> None:
        for key in ((None, kind), (lab, kind)):
            sizes[key] = (sizes[key][0] + rows, sizes[key][1] + 1)

    for report in sorted(reports, key=lambda r: (r.kind, r.source_file)):
        lab = report.lab_id or _NO_LAB
        for key in ("all", f"kind:{report.kind}", *([f"lab:{lab}"] if report.lab_id else [])):
            totals[key]["files"] += 1
            for name in _SUMS:
                totals[key][name] += getattr(report, name)
        size(lab, report.kind, report.rows_in)
        if report.rows_in != report.rows_curated + report.rows_quarantined:
            unbalanced.append(report.source_file)
        for rule, rows in _rows_by_rule(report).items():
            count(lab, report.kind, rule, rows)
        for row in report.quarantine:
            shown = examples[row["rule"]]
            if len(shown) < MAX_EXAMPLES:
                shown.append({name: row[name] for name in ("source_file", "row_number", "detail", "payload")})
        if report.flags or report.rows_quarantined:
            names = ("source_file", "kind", "lab_id", *_SUMS, "flags")
            files.append({name: getattr(report, name) for name in names})
    for (split, lab, video), flags in sorted((video_flags or {}).items()):
        size(lab, _VIDEO, 0)
        for rule in flags:
            count(lab, _VIDEO, rule, 0)
            if len(examples[rule]) < MAX_EXAMPLES:
                where = {"source_file": f"metadata/{split}.csv", "row_number": None}
                examples[rule].append({**where, "detail": f"video {video} of {lab}", "payload": None})
    files.sort(key=lambda f: (-f["rows_quarantined"], -len(f["flags"]), f["source_file"]))
    labs = {lab: dict(counts) for lab, counts in by_lab.items()}
    shares: dict[tuple[str | None, str], float] = {
        (None, rule): _share(c, kinds[rule], None, sizes) for rule, c in rules.items()
    }
    for lab, counts in labs.items():
        shares |= {(lab, rule): _share(c, kinds[rule], lab, sizes) for rule, c in counts.items()}
    return Quality(dict(totals), dict(rules), labs, dict(examples), files[:MAX_FILES], unbalanced, shares)


def parse_limits(text: str) -> dict[str, float]:
    """{rule: largest share} of a text like ``coordinate-missing=0.6,file-unreadable=0.05``.

    Raises
    ------
    SettingsError
        A rule is unknown (the nearest one is named), or a share is no number from 0 to 1.
    """
    limits: dict[str, float] = {}
    problems = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        rule, _, number = (part.strip() for part in item.partition("="))
        if rule not in RULES:
            near = difflib.get_close_matches(rule, RULES, n=1)
            problems.append(f"there is no rule '{rule}'" + (f"; did you mean '{near[0]}'?" if near else ""))
            continue
        try:
            limits[rule] = float(number)
        except ValueError:
            limits[rule] = -1.0
        if not 0 <= limits[rule] <= 1:
            problems.append(f"expected {rule}=<share from 0 to 1>, but got '{item}'")
    raise_collected(SettingsError, "Limits of the data quality (quality_limits)", problems)
    return limits


def check(reports: Iterable[FileReport], limits: Mapping[str, float]) -> None:
    """Refuse reports in which a lab breaks a limit; called before a commit, so that readers keep what they have.

    The share is of the lab's rows for rules that concern rows, of its files for those that concern files.

    Raises
    ------
    DataError
        Names every lab, rule, share and limit, and what to do.
    """
    if not limits:
        return
    quality = build(reports)
    problems = []
    for lab in sorted(quality.by_lab):
        for rule, limit in sorted(limits.items()):
            share = quality.share(rule, lab)
            if share > limit:
                problems.append(f"{lab}: {100 * share:.1f} % break '{rule}' (limit {100 * limit:g} %)")
    remedy = "Mend the files, or raise quality_limits; the tables stay as they are"
    raise_collected(DataError, f"Data quality beyond the limits. {remedy}", problems)


def _share(
    count: RuleCount, kinds: set[str], lab: str | None, sizes: Mapping[tuple[str | None, str], tuple[int, int]]
) -> float:
    rows = sum(sizes.get((lab, kind), (0, 0))[0] for kind in kinds if kind != _VIDEO)
    files = sum(sizes.get((lab, kind), (0, 0))[1] for kind in kinds)
    part, whole = (count.rows, rows) if count.rows else (count.files, files)
    return part / whole if whole else 0.0


def _rows_by_rule(report: FileReport) -> dict[str, int]:
    """Rows that each rule concerns in one file; 0 for a rule that concerns the file."""
    rows: dict[str, int] = dict.fromkeys(report.flags, 0) if report.kind != "metadata" else {}
    for row in report.quarantine:
        rows[row["rule"]] = rows.get(row["rule"], 0) + row["rows"]
    for rule, count in report.flagged_rows.items():
        rows[rule] = rows.get(rule, 0) + count
    return rows
