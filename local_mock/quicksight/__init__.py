"""QuickSight beside moto's: data sets, themes and dashboards that can be described, updated and deleted.

State only, as moto's: nothing is drawn. moto creates data sets and dashboards (and does all of data sources);
here is what a stack of them needs. https://docs.aws.amazon.com/quicksight/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES: frozenset[str] = frozenset()


def install(context: Context) -> None:  # noqa: ARG001 - the same shape in every service
    """Patch moto's QuickSight. Idempotent; before the first request."""
    from moto.quicksight import urls
    from moto.quicksight.responses import QuickSightResponse

    from local_mock.quicksight.responses import OPERATIONS, PATHS

    for operation in OPERATIONS:
        setattr(QuickSightResponse, operation.__name__, operation)
    urls.url_paths.update({path: QuickSightResponse.dispatch for path in PATHS})
