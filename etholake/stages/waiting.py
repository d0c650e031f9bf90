"""Wait for something of AWS to end: the one loop, with its time limit, its back-off, its progress and Ctrl-C."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from etholake.errors import AwsError

__all__ = ["POLL_MAX_S", "POLL_S", "wait_for"]

State = TypeVar("State")

POLL_S, POLL_MAX_S = 0.2, 5.0
GROWTH = 1.3  # of the pause, from one look to the next


def wait_for(
    describe: Callable[[], State],
    has_ended: Callable[[State], bool],
    what: str,
    *,
    timeout_s: float = math.inf,
    poll_s: float = POLL_S,
    poll_max_s: float = POLL_MAX_S,
    on_interrupt: Callable[[], object] | None = None,
) -> State:
    """Call `describe` until `has_ended` says so of what it returns; return that.

    Parameters
    ----------
    describe
        Asks the service; it may report progress on the way.
    what
        What is waited for, as the subject of a sentence: "Training job 'x'".
    timeout_s
        Seconds after which it gives up; without a limit where the service itself ends what takes too long.
    poll_s, poll_max_s
        Seconds of the first pause, and of the longest: it grows from one look to the next.
    on_interrupt
        Called when the user presses Ctrl-C: it stops what would otherwise go on, and cost money.

    Raises
    ------
    AwsError
        It has not ended in time. It goes on, and the same command can be run again.
    """
    pause, end = poll_s, time.monotonic() + timeout_s
    try:
        while not has_ended(state := describe()):
            if time.monotonic() >= end:
                raise AwsError(f"{what} has not ended after {timeout_s / 60:.0f} min: look at it, then run again.")
            time.sleep(pause)
            pause = min(pause * GROWTH, poll_max_s)
    except KeyboardInterrupt:
        if on_interrupt is not None:
            on_interrupt()
        raise
    return state
