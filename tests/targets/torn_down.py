"""The end of tests that make things on a target that costs money."""

import contextlib
from collections.abc import Iterator

from etholake.settings import Settings
from etholake.stages.cloud import deploy


@contextlib.contextmanager
def torn_down(settings: Settings) -> Iterator[Settings]:
    """Whatever happens within, nothing is left: endpoints, models, stacks, the bucket with its data."""
    try:
        yield settings
    finally:
        deploy.destroy(settings, settings.bucket)
