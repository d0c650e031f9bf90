"""Keep the balance of each raw file, which the two Glue jobs pass on as `_report.json` beside a generation.

The tracking job leaves one report per partition (split, lab), the tables job one per lab of annotations; the
tables job, which runs second, makes the tables `curation_files` and `quarantine` from all of them.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from etholake import logs
from etholake.contract import RAW_ZONE
from etholake.curate.quarantine import BadFileError, QuarantineRow
from etholake.errors import ContractError, raise_collected

__all__ = ["REPORT", "FileReport", "assert_balance", "dump", "load", "log_losses", "source_name", "totals"]

REPORT = "_report.json"  # below a generation; Athena and Spark skip names that begin with an underscore
_SUMS = ("rows_in", "rows_curated", "rows_quarantined", "rows_imputed")


@dataclass(frozen=True)
class FileReport:
    """Balance of one raw file: `rows_in == rows_curated + rows_quarantined`.

    `mice` are those that a tracking file really shows; `last_frame` the last curated frame or interval end.
    `quarantine` holds rows of the contract's quarantine table; `flagged_rows` counts curated rows by the rule
    that flags them (a row may break several).
    """

    source_file: str
    kind: str
    split: str
    lab_id: str | None = None
    video_id: int | None = None
    rows_in: int = 0
    rows_curated: int = 0
    rows_quarantined: int = 0
    rows_imputed: int = 0
    flags: tuple[str, ...] = ()
    mice: tuple[int, ...] = ()
    last_frame: int | None = None
    quarantine: tuple[dict[str, Any], ...] = ()
    flagged_rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def balances(self) -> bool:
        """Return whether every input row is curated or quarantined, and quarantine has a row for each."""
        explained = sum(row["rows"] for row in self.quarantine)
        return self.rows_in == self.rows_curated + self.rows_quarantined and self.rows_quarantined == explained

    @classmethod
    def rejected(
        cls, key: str, kind: str, split: str, error: BadFileError, *, lab_id: str | None, video_id: int | None
    ) -> FileReport:
        """Return the report of a file that was left out whole."""
        row = QuarantineRow(error.rule, error.detail, error.rows)
        return cls(
            source_name(key), kind, split, lab_id, video_id,
            rows_in=error.rows, rows_quarantined=error.rows, flags=(error.rule,),
            quarantine=(row.located(source_name(key), split, lab_id, video_id),),
        )  # fmt: skip

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> FileReport:
        """Return the report of a dict that went through JSON, which knows no tuples."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
        return cls(**values)


def source_name(key: str) -> str:
    """Return the key below the raw zone, as the column `curation_files.source_file` has it."""
    return key.removeprefix(f"{RAW_ZONE}/")


def assert_balance(reports: Iterable[FileReport]) -> None:
    """Raise ContractError that names every file in which a row was lost or invented."""
    problems = [
        f"{r.source_file}: {r.rows_in} rows in, but {r.rows_curated} curated + {r.rows_quarantined} quarantined"
        for r in reports
        if not r.balances
    ]
    raise_collected(ContractError, "Files whose rows do not balance (rule rows-out-of-balance)", problems)


def log_losses(reports: Iterable[FileReport], most: int = 500) -> None:
    """Log a line for each file that lost rows, with rules and rows: the `most` worst ones, then a count.

    A file that was left out whole is a warning.
    """
    lost = sorted(
        (r for r in reports if r.rows_quarantined or (r.quarantine and not r.rows_curated)),
        key=lambda r: (-r.rows_quarantined, r.source_file),
    )
    for report in lost[:most]:
        rules: Counter[str] = Counter()
        for row in report.quarantine:
            rules[row["rule"]] += row["rows"]
        whole = not report.rows_curated
        logs.log_event(
            "quarantined",
            f"{report.source_file}: {report.rows_quarantined} of {report.rows_in} rows, {', '.join(rules)}",
            level=logging.WARNING if whole else logging.INFO, video=report.video_id, lab=report.lab_id,
            file=report.source_file, rules=dict(rules), rows_in=report.rows_in, rows=report.rows_quarantined,
            whole=whole,
        )  # fmt: skip
    if lost[most:]:
        logs.log_event(
            "quarantined", f"{len(lost) - most} more files lost rows: see table quarantine", files=len(lost)
        )


def totals(reports: Sequence[FileReport]) -> dict[str, int]:
    """Return the sums over files, for the pointer of a generation."""
    return {"files": len(reports)} | {name: sum(getattr(r, name) for r in reports) for name in _SUMS}


def dump(reports: Sequence[FileReport], **more: Any) -> bytes:
    """Return the reports as JSON, sorted by file: the same bytes for the same reports in any order."""
    ordered = sorted(reports, key=lambda r: (r.source_file, r.kind))
    return json.dumps({"files": [asdict(r) for r in ordered], **more}, sort_keys=True).encode()


def load(body: bytes) -> tuple[list[FileReport], dict[str, Any]]:
    """Return the reports and the further entries that `dump` wrote."""
    content = json.loads(body)
    return [FileReport.from_json(entry) for entry in content.pop("files")], content
