"""The one wait loop: its end, its limit, its pauses, Ctrl-C. The clock is a list of pauses, nothing sleeps."""

from collections.abc import Callable

import pytest

from etholake.errors import AwsError
from etholake.stages import waiting
from etholake.stages.waiting import wait_for


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, in seconds; time passes in them alone."""
    made: list[float] = []
    monkeypatch.setattr(waiting.time, "sleep", made.append)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: sum(made))
    return made


def counter(upto: int) -> Callable[[], int]:
    numbers = iter(range(1, upto + 1))
    return lambda: next(numbers)


def test_it_returns_the_state_that_has_ended_and_sleeps_between_looks(pauses: list[float]) -> None:
    assert wait_for(counter(9), lambda number: number == 4, "The count", poll_s=1, poll_max_s=1.5) == 4
    assert pauses == [1, 1.3, 1.5]


def test_what_has_ended_already_is_not_waited_for(pauses: list[float]) -> None:
    assert wait_for(counter(1), lambda _: True, "The count", timeout_s=0) == 1
    assert pauses == []


def test_it_gives_up_with_the_name_of_what_is_late(pauses: list[float]) -> None:
    with pytest.raises(AwsError, match=r"The crawl has not ended after 2 min: look at it, then run again"):
        wait_for(lambda: "RUNNING", lambda _: False, "The crawl", timeout_s=120)
    assert 120 <= sum(pauses) <= 120 + waiting.POLL_MAX_S


def test_ctrl_c_stops_what_would_go_on(pauses: list[float]) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    stopped: list[str] = []
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        wait_for(interrupted, lambda _: False, "The job", on_interrupt=lambda: stopped.append("job"))
    assert stopped == ["job"]
    assert pauses == []
