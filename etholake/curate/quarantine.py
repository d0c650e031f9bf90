"""Make the rows of the quarantine table (`quarantine_rows` bounds their number), and the error of a bad file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from etholake.contract import RULES
from etholake.errors import DataError

__all__ = ["BadFileError", "QuarantineRow", "payload_json", "quarantine_rows"]

# More rows than this that break one rule in one file become one quarantine row that counts them.
MAX_ROWS_PER_RULE = 20


class BadFileError(DataError):
    """Raised for a whole file that breaks a rule. `rule` is its id, `rows` the number of its rows."""

    def __init__(self, rule: str, detail: str, rows: int = 0) -> None:
        super().__init__(f"{detail} ({RULES[rule].sentence})")
        self.rule, self.detail, self.rows = rule, detail, rows


@dataclass(frozen=True)
class QuarantineRow:
    """One row of the quarantine table, without its source, which `located` adds."""

    rule: str
    detail: str
    rows: int = 1
    row_number: int | None = None
    payload: str | None = None

    def located(
        self, source_file: str, split: str | None, lab_id: str | None, video_id: int | None
    ) -> dict[str, Any]:
        """Return the row with its source, as the contract has it."""
        where = {"source_file": source_file, "split": split, "lab_id": lab_id, "video_id": video_id}
        return where | asdict(self)


def payload_json(row: Mapping[str, Any]) -> str:
    """Return a row as JSON; NaN and infinities become strings, because JSON has no such numbers."""
    clean = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    return json.dumps(clean, sort_keys=True, default=str)


def quarantine_rows(
    rule: str, row_numbers: Any, payload_of: Callable[[int], Mapping[str, Any]]
) -> list[QuarantineRow]:
    """Make quarantine rows for the rows of one file that broke one rule.

    Up to `MAX_ROWS_PER_RULE` are written one by one; more become one row that counts them and shows the first.

    Parameters
    ----------
    row_numbers
        0-based rows of the source file, ascending: an int array or list.
    payload_of
        Gives the source row as a mapping.
    """
    sentence = RULES[rule].sentence
    if len(row_numbers) > MAX_ROWS_PER_RULE:
        first = int(row_numbers[0])
        detail = f"{sentence} {len(row_numbers)} rows break this rule; the payload is the first of them."
        return [QuarantineRow(rule, detail, len(row_numbers), first, payload_json(payload_of(first)))]
    return [QuarantineRow(rule, sentence, 1, int(n), payload_json(payload_of(int(n)))) for n in row_numbers]
