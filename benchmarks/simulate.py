"""Measure how fast the simulator writes tracking rows, against writing the same Parquet files alone.

.venv/bin/python benchmarks/simulate.py [--quick] [--json]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from figures import Figure, median_seconds, options, show

from etholake.simulate import simulate


def main() -> None:
    given = options(__doc__)
    seconds, repeats = (120.0, 3) if given.quick else (600.0, 5)
    with tempfile.TemporaryDirectory() as folder:
        out, copy = Path(folder) / "labs", Path(folder) / "copy"
        rows = simulate(out, labs=4, videos=2, seconds=seconds, seed=1, dirt=0.1).rows
        tables = [pq.read_table(file) for file in sorted(out.rglob("*_tracking/*/*.parquet"))]
        copy.mkdir()

        def write_again() -> None:
            for number, table in enumerate(tables):
                pq.write_table(table, copy / f"{number}.parquet", compression="snappy")

        whole = median_seconds(lambda: simulate(out, labs=4, videos=2, seconds=seconds, seed=1, dirt=0.1), repeats)
        floor = median_seconds(write_again, repeats)
    rate = rows / whole
    show(
        [
            Figure("simulate: rows", rows, "rows"),
            Figure("simulate: rate", rate, "rows/s", ">= 1,000,000", rate >= 1e6),
            Figure("simulate: time / writing the Parquet alone", whole / floor, "x", better="lower"),
        ],
        as_json=given.json,
    )


if __name__ == "__main__":
    main()
