"""A check of many things names all that are wrong."""

import pytest
from collected import check_each


def _is_even(number: int) -> None:
    assert number % 2 == 0, f"{number} is odd"


def test_all_that_is_wrong_is_named() -> None:
    check_each([2, 4], _is_even)
    with pytest.raises(AssertionError, match=r"2 of 3 are wrong:\nn1: 1 is odd(.|\n)*n3: 3 is odd"):
        check_each([1, 2, 3], _is_even, name=lambda number: f"n{number}")


def test_a_check_of_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="nothing to check"):
        check_each([], _is_even)
