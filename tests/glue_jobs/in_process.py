"""The part of a Spark session that the jobs' drivers use, without a JVM: what the workers do, this process does.

For tests of what the jobs make, where it does not matter who computes it. That Spark's workers make the same is
shown by `test_curation_jobs.py` and `test_etl_stage.py`, and that they may die by `test_faults.py`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any


class InProcess:
    """A session, its context and a data set in one. Rows and results are pickled, as on their way to a worker."""

    defaultParallelism = 2

    def __init__(self, rows: Iterable[Any] = ()) -> None:
        self._rows = pickle.loads(pickle.dumps(list(rows)))

    @property
    def sparkContext(self) -> InProcess:  # noqa: N802 (PySpark's names)
        """Return the context."""
        return self

    def parallelize(self, rows: Iterable[Any], slices: int) -> InProcess:
        """Return a data set of these rows."""
        return InProcess(rows)

    def map(self, work: Callable[[Any], Any]) -> InProcess:
        """Return the results of `work`."""
        return InProcess(work(row) for row in self._rows)

    def flatMap(self, work: Callable[[Any], Iterable[Any]]) -> InProcess:  # noqa: N802
        """Return all elements of the results of `work`."""
        return InProcess(element for row in self._rows for element in work(row))

    def collect(self) -> list[Any]:
        """Return the rows."""
        return list(self._rows)
