"""Summarise the data quality of a curation run, and check the limits that fail the job.

`build` counts over the reports of all raw files; `Quality.as_json` is the report for programs; `pages.quality`
renders it for people. `check` refuses reports in which a lab breaks a limit. No I/O, standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from etholake.contract import KINDS, RULES
from etholake.curate.file_reports import FileReport
from etholake.errors import DataError, raise_collected

__all__ = ["NO_LAB", "Count", "Quality", "Sums", "build", "check"]

MAX_EXAMPLES = 5
NO_LAB = "(no lab)"  # of rows and files that name none
# {(split, lab, video): rules that flag it}: every row of `metadata_*`, with its column `flags`.
VideoFlags = Mapping[tuple[str, str, int], Sequence[str]]


@dataclass(frozen=True)
class Sums:
    """Balance over several files: ``rows_in == rows_curated + rows_quarantined``, imputed rows apart.

    A metadata csv is one file of no lab; its rows count for the labs that they name.
    """

    files: int = 0
    videos: int = 0
    rows_in: int = 0
    rows_curated: int = 0
    rows_quarantined: int = 0
    rows_imputed: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Count:
    """Number of raw rows that a rule quarantined or flagged, of raw files, and of videos of the metadata."""

    rows: int = 0
    files: int = 0
    videos: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.rows + other.rows, self.files + other.files, self.videos + other.videos)


@dataclass
class Quality:
    """Content of the data-quality report.

    Attributes
    ----------
    sums
        By (lab, kind of file); None stands for all.
    counts
        {(lab, rule): count} of what fired; the lab None stands for all.
    examples
        {rule: up to 5 of source_file, row_number, detail, payload}, from as many files as possible.
    files
        Every raw file: its balance and the rules that fired, the worst first.
    unbalanced
        Files of which rows in are not rows curated plus rows quarantined: none, or the job has failed.
    limits
        {rule: largest share}, those that the run was held to.
    """

    sums: dict[tuple[str | None, str | None], Sums] = field(default_factory=dict)
    counts: dict[tuple[str | None, str], Count] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def labs(self) -> list[str]:
        """Return the labs by name, with `NO_LAB` if anything named none."""
        named = {lab for lab, _ in self.sums} | {lab for lab, _ in self.counts}
        return sorted(lab for lab in named if lab is not None)

    @property
    def rules(self) -> list[str]:
        """Return the ids of the rules that fired, in the order of `RULES`."""
        fired = {rule for _, rule in self.counts}
        return [rule for rule in RULES if rule in fired]

    def part(self, rule: str, lab: str | None = None) -> tuple[int, int]:
        """Return (number that broke the rule, number in all) of rows, files or videos of the rule's kinds.

        Where nothing is known of the metadata, a file that carries the flag of its video counts for the video.
        """
        spec, count = RULES[rule], self.counts.get((lab, rule), Count())
        videos = self.sums.get((lab, None), Sums()).videos
        if spec.unit == "video" and videos:
            return count.videos, videos
        kinds = KINDS if spec.unit == "video" else spec.kinds
        own = [self.sums.get((lab, kind), Sums()) for kind in kinds]
        if spec.unit == "row":
            return count.rows, sum(sums.rows_in for sums in own)
        return count.files, sum(sums.files for sums in own)

    def share(self, rule: str, lab: str | None = None) -> float:
        """Return `part` as a number from 0 to 1."""
        broken, whole = self.part(rule, lab)
        return broken / whole if whole else 0.0

    def _count(self, rule: str, lab: str | None) -> dict[str, Any]:
        return {
            **asdict(self.counts[lab, rule]),
            "of": self.part(rule, lab)[1],
            "share": self.share(rule, lab),
        }

    def as_json(self) -> bytes:
        """Return the report for programs: the same bytes for the same reports in any order."""

        def sums(lab: str | None, kind: str | None = None) -> dict[str, int]:
            return asdict(self.sums.get((lab, kind), Sums()))

        def fired(lab: str | None) -> dict[str, dict[str, Any]]:
            return {rule: self._count(rule, lab) for rule in self.rules if (lab, rule) in self.counts}

        content = {
            "totals": sums(None),
            "kinds": {kind: sums(None, kind) for kind in KINDS if (None, kind) in self.sums},
            "labs": {lab: {**sums(lab), "rules": fired(lab)} for lab in self.labs},
            "rules": [
                {**asdict(RULES[rule]), **count, "limit": self.limits.get(rule), "examples": self.examples[rule]}
                for rule, count in fired(None).items()
            ],
            "files": self.files,
            "unbalanced": self.unbalanced,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def build(
    reports: Iterable[FileReport], video_flags: VideoFlags | None = None, limits: Mapping[str, float] | None = None
) -> Quality:
    """Count over the reports of all raw files.

    Parameters
    ----------
    reports
        One per raw file, of any kind and in any order.
    video_flags
        {(split, lab, video): rules that flag it}, for every row of the metadata, also where nothing fired.
    limits
        {rule: largest share} that the run was held to, to be shown.
    """
    quality = Quality(limits=dict(limits or {}))
    shown = _Examples()
    for report in sorted(reports, key=lambda r: (r.kind, r.source_file)):
        _add_report(quality, report, shown)
    for (split, lab, video), flags in sorted((video_flags or {}).items()):
        _sum(quality, lab, "metadata", Sums(videos=1, rows_in=1, rows_curated=1))
        _sum(quality, None, "metadata", Sums(videos=1))  # its row came with the csv
        for rule in flags:
            for owner in (lab, None):
                _add(quality.counts, (owner, rule), Count(videos=1))
            shown.add(rule, f"metadata/{split}.csv", f"video {video} of {lab}")
    quality.files.sort(key=_badness)
    quality.examples = {rule: shown.chosen(rule) for rule in quality.rules}
    return quality


def check(
    reports: Iterable[FileReport], limits: Mapping[str, float], video_flags: VideoFlags | None = None
) -> None:
    """Refuse reports in which a lab breaks a limit; called before a commit, so that readers keep what they have.

    The share is of the lab's rows, files or videos among `reports`, by what the rule concerns (`Quality.part`).

    Raises
    ------
    DataError
        Names every lab, rule, share and limit, with a file to look at, and what to do.
    """
    if not limits:
        return
    quality = build(reports, video_flags, limits)
    problems = []
    for lab in quality.labs:
        for rule, limit in sorted(limits.items()):
            broken, whole = quality.part(rule, lab)
            if whole and broken / whole > limit:
                problems.append(
                    f"{lab}: {broken:,} of {whole:,} {RULES[rule].unit}s ({100 * broken / whole:.4g} %) break "
                    f"'{rule}', the limit is {100 * limit:.4g} %. {_where(quality, lab, rule)}"
                )
    what = (
        "The data is worse than quality_limits allows, so nothing of it was committed and readers keep what they "
        "had. Mend or remove the raw files and ingest again, or raise the limits"
    )
    raise_collected(DataError, what, problems)


# --- counting ---------------------------------------------------------------------------------------------
class _Examples:
    """Collects a few places where each rule fired, in different files if possible."""

    def __init__(self) -> None:
        self._first: dict[str, list[dict[str, Any]]] = {}
        self._spare: dict[str, list[dict[str, Any]]] = {}

    def add(
        self, rule: str, source_file: str, detail: str, row_number: int | None = None, payload: str | None = None
    ) -> None:
        first, spare = self._first.setdefault(rule, []), self._spare.setdefault(rule, [])
        entry = {"source_file": source_file, "row_number": row_number, "detail": detail, "payload": payload}
        wanted = first if source_file not in {e["source_file"] for e in first} else spare
        if len(wanted) < MAX_EXAMPLES:
            wanted.append(entry)

    def chosen(self, rule: str) -> list[dict[str, Any]]:
        return (self._first.get(rule, []) + self._spare.get(rule, []))[:MAX_EXAMPLES]


def _add_report(quality: Quality, report: FileReport, shown: _Examples) -> None:
    lab, is_csv = report.lab_id or NO_LAB, report.kind == "metadata"
    file_rules = {rule for rule in report.flags if RULES[rule].unit == "file"}
    sums = Sums(1, 0, report.rows_in, report.rows_curated, report.rows_quarantined, report.rows_imputed)
    _sum(quality, None, report.kind, sums)
    if not is_csv:
        _sum(quality, lab, report.kind, sums)
    elif file_rules:
        _sum(quality, lab, report.kind, Sums(files=1))
    if not report.balances:
        quality.unbalanced.append(report.source_file)
    rows: dict[tuple[str, str], int] = {}
    for row in report.quarantine:
        owner = (row["lab_id"] or NO_LAB) if is_csv else lab
        if is_csv and row["rows"]:
            _sum(quality, owner, report.kind, Sums(rows_in=row["rows"], rows_quarantined=row["rows"]))
        _add(rows, (owner, row["rule"]), row["rows"])
        shown.add(row["rule"], report.source_file, row["detail"], row["row_number"], row["payload"])
    for rule, flagged in report.flagged_rows.items():
        _add(rows, (lab, rule), flagged)
        shown.add(rule, report.source_file, f"{flagged:,} of {report.rows_in:,} rows")
    # The other flags of a csv are those of its videos, which are counted one by one.
    for rule in file_rules if is_csv else report.flags:
        if (lab, rule) not in rows:
            rows[lab, rule] = 0
            shown.add(rule, report.source_file, f"{report.rows_in:,} rows")
    for (owner, rule), number in rows.items():
        files = int(not is_csv or rule in file_rules)
        _add(quality.counts, (owner, rule), Count(number, files))
        _add(quality.counts, (None, rule), Count(number, files))
    for rule in {rule for _, rule in rows} - file_rules if is_csv else ():
        _add(quality.counts, (None, rule), Count(files=1))
    names = (
        "source_file", "kind", "split", "lab_id", "video_id",
        "rows_in", "rows_curated", "rows_quarantined", "rows_imputed",
    )  # fmt: skip
    rules = sorted({*report.flags, *(row["rule"] for row in report.quarantine)})
    quality.files.append({name: getattr(report, name) for name in names} | {"rules": rules})


def _sum(quality: Quality, lab: str | None, kind: str, sums: Sums) -> None:
    _add(quality.sums, (lab, None), sums)
    _add(quality.sums, (lab, kind), sums)


def _add(into: dict[Any, Any], key: Any, value: Any) -> None:
    into[key] = into[key] + value if key in into else value


def _badness(file: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a sort key that puts the worst file first: left out whole, then many rows lost, then many rules."""
    lost_whole = any(RULES[rule].unit == "file" and RULES[rule].severity == "quarantine" for rule in file["rules"])
    return (not lost_whole, -file["rows_quarantined"], -len(file["rules"]), file["kind"], file["source_file"])


def _where(quality: Quality, lab: str, rule: str) -> str:
    """Return the rule's sentence, and the worst file of a lab that breaks it."""
    own = (file for file in quality.files if rule in file["rules"] and (file["lab_id"] or NO_LAB) == lab)
    named = next(own, None)
    return f"{RULES[rule].sentence} See {named['source_file'] if named else 'the metadata'}."
