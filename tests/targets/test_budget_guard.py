"""The guard before tests on AWS."""

import budget  # type: ignore[import-not-found]
import pytest

ASKED = {"ETHOLAKE_TEST_AWS": "1", "ETHOLAKE_TEST_AWS_BUCKET": "mine"}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "set ETHOLAKE_TEST_AWS=1"),
        ({"ETHOLAKE_TEST_AWS": "1"}, "ETHOLAKE_TEST_AWS_BUCKET"),
        (ASKED | {"CI": "true"}, "CI never"),
        (ASKED | {"ETHOLAKE_TEST_AWS_USD": "0.5"}, "the limit is 0.50 USD"),
    ],
)
def test_aws_is_refused(environ: dict[str, str], message: str) -> None:
    allowed, reason = budget.allowed(environ)
    assert not allowed
    assert message in reason


def test_aws_is_allowed_below_the_limit_and_says_what_it_costs() -> None:
    total = sum(budget.estimate().values())
    allowed, reason = budget.allowed(ASKED | {"ETHOLAKE_TEST_AWS_USD": f"{total + 1:.0f}"})
    assert allowed
    assert f"{total:.2f} USD" in reason
