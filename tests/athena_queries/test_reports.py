"""Every report through Athena on the small lake, against its independent answer in pandas."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import answers_behaviour
import answers_labs
import answers_predictions
import answers_sources
import answers_tracks
import numpy as np
import pandas as pd
import pytest
import sqlglot
from answers import ANSWERS
from sqlglot import exp

from etholake.settings import Settings
from etholake.stages.lake import query

assert all(
    (answers_labs, answers_behaviour, answers_tracks, answers_predictions, answers_sources)
)  # they register their answers
CASES = [(name, asked) for name, answer in ANSWERS.items() for asked in answer.asked]


def test_every_report_has_an_independent_answer_and_every_answer_a_report():
    assert {name for name, _ in query.list_reports()} == set(ANSWERS)


@pytest.mark.parametrize(("name", "asked"), CASES, ids=[f"{n}-{'-'.join(a.values())}" for n, a in CASES])
def test_a_report_gives_the_independent_answer(
    at: Settings, base: dict[str, pd.DataFrame], name: str, asked: dict[str, str]
):
    result = query.run_report(at, name, asked)
    expected = ANSWERS[name].work(base, **asked)
    assert set(result.columns) == set(expected.columns)
    wanted = [tuple(map(plain, row)) for row in expected[result.columns].itertuples(index=False)]
    places = decimals(query.read_report(name).sql)
    tolerance = [0.501 * 10.0 ** -places[c] if c in places else 1e-6 for c in result.columns]
    assert len(result.rows) == len(wanted)
    for row, other in zip(sorted(result.rows, key=identity), sorted(wanted, key=identity), strict=True):
        assert all(map(alike, row, other, tolerance)), f"report: {row}\nanswer: {other}\nof {result.columns}"


def test_a_lab_without_rate_has_no_distances(at: Settings):
    result = query.run_report(at, "distance_travelled", {"lab_id": "south", "bodypart": "nose"})
    assert [row[-4:] for row in result.rows] == [(None,) * 4] * 2


@pytest.mark.parametrize(("name", "asked"), CASES, ids=[f"{n}-{'-'.join(a.values())}" for n, a in CASES])
def test_the_rows_come_in_the_order_that_the_report_names(at: Settings, name: str, asked: dict[str, str]):
    """Up to the first figure in it: what is rounded on show may be ordered by more digits."""
    result = query.run_report(at, name, asked)
    order = sqlglot.parse_one(query.read_report(name).sql, dialect="athena").args["order"].expressions
    keys = [(result.columns.index(key.this.name), bool(key.args.get("desc"))) for key in order]
    figures = [n for n, (i, _) in enumerate(keys) if any(isinstance(row[i], float) for row in result.rows)]
    keys = keys[: figures[0] + 1] if figures else keys
    assert all(in_order(one, other, keys) for one, other in pairwise(result.rows))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_lake_without_data_answers_with_no_rows(empty: Settings, name: str):
    result = query.run_report(empty, name, ANSWERS[name].asked[0])
    assert result.rows == []
    assert result.scanned_bytes == 0


def in_order(one: tuple[Any, ...], other: tuple[Any, ...], keys: list[tuple[int, bool]]) -> bool:
    """Whether `one` may stand before `other`; a null comes last both ways, as in Trino."""
    for index, descending in keys:
        a, b = one[index], other[index]
        if a != b:
            return b is None or (a is not None and (a > b) == descending)
    return True


def decimals(sql: str) -> dict[str, int]:
    """Column -> digits, of the output columns that the statement rounds."""
    select = sqlglot.parse_one(sql, dialect="athena")
    rounded = {
        c.alias: c.this for c in select.selects if isinstance(c, exp.Alias) and isinstance(c.this, exp.Round)
    }
    return {name: int(call.args["decimals"].name) for name, call in rounded.items()}


def plain(value: Any) -> Any:
    """A Python value; NaN and NaT are None."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def identity(row: tuple[Any, ...]) -> str:
    """Return what is the same on both sides: everything but the measured figures."""
    return str([str(v) for v in row if not isinstance(v, float)])


def alike(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return abs(one - other) <= tolerance + 2e-7 * abs(other)  # float32 comes as its shortest text
    return bool(one == other)
