"""Compare what `curate_tracking` gives with what `reference` says that it must give."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
from reference import EPSILON32, RULES_IN_ORDER, Reference, reference  # type: ignore[import-not-found]

from etholake.contract import arrow_schema
from etholake.curate.quarantine import MAX_ROWS_PER_RULE
from etholake.curate.tracking import CuratedTracking, VideoScale

# Judged of points and videos as a whole: `test_plausibility` has the right values.
PLAUSIBILITY = {"point-at-origin", "point-outside-frame", "scale-implausible", "axes-exchanged"}


def assert_agrees(result: CuratedTracking, raw: pa.Table, meta: VideoScale, max_gap: int) -> Reference:
    """Assert that a result is what the reference gives; returns the reference's."""
    expected = reference(raw, meta, max_gap)
    assert_balanced(result)
    assert_equal(
        [result.counts.rows_in, result.counts.rows_curated], [expected.rows_in, expected.measured], "counts"
    )
    assert_quarantine(result, raw, expected)
    assert_equal(sorted(set(result.flags) - PLAUSIBILITY), sorted(expected.flags), "flags")
    assert_equal(list(result.mice), sorted({row["mouse_id"] for row in expected.rows}), "mice")
    last_frame = max((row["video_frame"] for row in expected.rows), default=None)
    assert_equal([result.last_frame], [last_frame], "last_frame")
    assert_table(result.table, expected.rows)
    assert_summary(result.summary, expected.summary)
    return expected


def assert_balanced(result: CuratedTracking) -> None:
    """Rows in = curated + quarantined, and every number agrees with the tables themselves."""
    counts = result.counts
    imputed = sum(result.table["is_imputed"].to_pylist())
    assert counts.rows_in == counts.rows_curated + counts.rows_quarantined
    assert counts.rows_quarantined == sum(result.quarantine["rows"].to_pylist())
    assert counts.rows_imputed == imputed
    assert counts.rows_curated == result.table.num_rows - imputed


def assert_quarantine(result: CuratedTracking, raw: pa.Table, expected: Reference) -> None:
    """The rows of every rule, by number; of equal duplicates any one may have been kept."""
    assert result.quarantine.schema == arrow_schema("quarantine")
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for row in result.quarantine.to_pylist():
        by_rule.setdefault(row["rule"], []).append(row)
        assert row["payload"] == payload(raw.slice(row["row_number"], 1).to_pylist()[0])
    assert_equal(list(by_rule), [rule for rule in RULES_IN_ORDER if rule in expected.rejected], "rules")
    for rule, numbers in expected.rejected.items():
        assert_equal([sum(row["rows"] for row in by_rule[rule])], [len(numbers)], rule)
        shown = numbers if len(numbers) <= MAX_ROWS_PER_RULE else numbers[:1]
        numbers_found = [row["row_number"] for row in by_rule[rule]]
        if rule != "point-duplicate":
            assert_equal(numbers_found, shown, rule)
        elif len(numbers) <= MAX_ROWS_PER_RULE:
            assert_equal(points_at(raw, numbers_found), points_at(raw, numbers), rule)
        else:
            assert len(by_rule[rule]) == 1


def points_at(raw: pa.Table, numbers: list[int]) -> list[tuple[Any, ...]]:
    rows = [raw.slice(number, 1).to_pylist()[0] for number in numbers]
    return sorted((r["video_frame"], r["mouse_id"], r["bodypart"].strip(), r["x"], r["y"]) for r in rows)


def payload(row: dict[str, Any]) -> str:
    """A row as JSON, which has no NaN and no infinity."""
    clean = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    return json.dumps(clean, sort_keys=True)


def assert_table(table: pa.Table, rows: list[dict[str, Any]]) -> None:
    """Keys, order, marks and nulls exactly; px to the float32; cm and cm/s to the rounding of px to float32."""
    assert table.schema == arrow_schema("tracking_curated")
    for name in ("video_id", "mouse_id", "bodypart", "video_frame", "is_imputed"):
        assert_equal(table[name].to_pylist(), [row[name] for row in rows], name)
    for name in ("x", "y", "z", "likelihood"):
        wanted = [None if row[name] is None else float(np.float32(row[name])) for row in rows]
        assert_equal(table[name].to_pylist(), wanted, name)
    for name in ("x_cm", "y_cm", "vx", "vy", "speed"):
        slack = "_cm" if name.endswith("_cm") else "_speed"
        assert_close(table[name].to_pylist(), [row[name] for row in rows], [row[slack] for row in rows], name)


def assert_summary(summary: pa.Table, expected: list[dict[str, Any]]) -> None:
    """Whole numbers, nulls and order exactly; sums to the rounding of px to float32, step by step."""
    assert summary.schema == arrow_schema("track_summary")
    slack = {"tracked_sec": "_none", "path_cm": "_path", "max_speed": "_speed"}
    for name in summary.schema.names:
        actual, wanted = summary[name].to_pylist(), [row[name] for row in expected]
        if name in slack:
            assert_close(actual, wanted, [row[slack[name]] for row in expected], name)
        else:
            assert_equal(actual, wanted, name)


def assert_equal(actual: list[Any], expected: list[Any], name: str) -> None:
    """Equality that names the first difference (pytest does not look into the asserts of a helper)."""
    for number, (a, b) in enumerate(zip(actual, expected, strict=False)):
        assert a == b, f"{name}[{number}]: expected {b!r}, but got {a!r}"
    assert len(actual) == len(expected), f"{name}: expected {len(expected)} entries, but got {len(actual)}"


def assert_close(actual: list[float | None], expected: list[float | None], slack: list[float], name: str) -> None:
    """Null where null is expected; else within 4 float32 steps, or within the absolute slack of the entry."""
    assert_equal([v is None for v in actual], [v is None for v in expected], f"{name} is null")
    for number, (a, b, absolute) in enumerate(zip(actual, expected, slack, strict=True)):
        if a is not None and b is not None:
            wrong = f"{name}[{number}]: expected {b} within {absolute}, but got {a}"
            assert abs(a - b) <= max(4 * EPSILON32 * abs(b), absolute), wrong
