"""The table of an evaluation as CSV, for spreadsheets: one row a lab and action, all figures in full."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

from etholake.evaluation.report import Evaluation

__all__ = ["COLUMNS", "as_csv", "as_download"]

COLUMNS = (
    "lab_id", "action", "f_score", "f_low", "f_high", "precision", "recall", "average_precision", "bout_f_score",
    "bouts_matched", "bouts_true", "bouts_predicted", "calibration_error",
)  # fmt: skip


def as_csv(evaluation: Evaluation) -> str:
    """Return the rows with a header; what is not known is empty. Pure."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for lab, details in evaluation.to_dict()["details"].items():
        for action, figures in details["actions"].items():
            writer.writerow(_row(lab, action, figures))
    return out.getvalue()


def _row(lab: str, action: str, figures: dict[str, Any]) -> list[Any]:
    low, high = figures["interval"] or (None, None)
    bouts, calibration = figures["bouts"], figures["calibration"] or {}
    return [
        lab, action, figures["f_score"], low, high, figures["precision"], figures["recall"],
        figures["average_precision"], bouts["f_score"], bouts["matched"], bouts["true"], bouts["predicted"],
        calibration.get("error"),
    ]  # fmt: skip


def as_download(evaluation: Evaluation) -> str:
    """Return the address of the CSV within the page (a ``data:`` URI): it needs no server and no script."""
    return f"data:text/csv;charset=utf-8,{quote(as_csv(evaluation))}"
