"""Policies against recorded calls, both ways: nothing that the stages do is missing, nothing else is allowed.

To record all stages takes minutes, so this is for make test-long; in make test, `tests/e2e/test_pipeline.py`
compares what its stages ask for. What AWS's own services do with a role is not seen on the mock: the template's
Metadata says it, with the reason.
"""

import pytest
from iam_calls import Calls
from policies import HOLDERS, covers, denied, granted, unrecorded
from recording import record


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Run every stage on a recording mock; return the calls of each."""
    return record(tmp_path_factory.mktemp("recording"))


def made_by(principal: str, calls: Calls) -> set[tuple[str, str]]:
    return {(action, resource) for stage in calls.values() for who, action, resource in stage if who == principal}


@pytest.mark.server
@pytest.mark.long
@pytest.mark.parametrize("principal", sorted(HOLDERS))
def test_nothing_is_missing(principal: str, calls: Calls) -> None:
    asked = made_by(principal, calls)
    assert len(asked) >= (1 if principal == "StartRole" else 5)
    assert denied((principal, *call) for call in asked) == []


@pytest.mark.server
@pytest.mark.long
@pytest.mark.parametrize("principal", sorted(HOLDERS))
def test_nothing_is_allowed_without_use_or_reason(principal: str, calls: Calls) -> None:
    asked = {action for action, _ in made_by(principal, calls)}
    allowed = {action for action, _ in granted(principal)}
    reasons = unrecorded(principal)
    assert sorted(allowed - asked - set(reasons)) == []
    assert all(len(reason.split()) >= 4 for reason in reasons.values())
    assert sorted(set(reasons) - allowed) == []  # a reason for what is not allowed is stale
    assert sorted(set(reasons) & asked) == []  # what is recorded needs no reason


@pytest.mark.server
@pytest.mark.long
@pytest.mark.parametrize("principal", sorted(HOLDERS))
def test_no_prefix_is_open_without_use(principal: str, calls: Calls) -> None:
    """Every zone of the bucket that is open to an action is used by that action, or the action has a reason."""
    unused = [
        (action, resource)
        for action, resource in granted(principal)
        if resource.startswith("arn:aws:s3:::etholake-dev/")
        and action not in unrecorded(principal)
        and not any(covers((action, resource), call) for call in made_by(principal, calls))
    ]
    # Read and written by Athena with the caller's credentials, and by Spark for --extra-py-files.
    by_services = {"query-results", "code-zone"}
    # Of `etholake clips`, and of models of pixels, which are not among the recorded stages: they need films.
    readers = ("GlueRole", "SageMakerRole", "operator")
    of_clips = ("/clip-zone/*", "/model-zone/detectors/*") if principal in readers else ()
    # Answers of models with heads for tasks, which the recorded model has not.
    of_tasks = ("/curated-zone/task_predictions/*",)
    assert [
        grant
        for grant in unused
        if grant[1].split("/")[1] not in by_services and not grant[1].endswith((*of_clips, *of_tasks))
    ] == []


def test_a_policy_that_lacks_something_would_be_found() -> None:
    delete = ("s3:DeleteObject", "arn:aws:s3:::etholake-dev/raw-zone/*")
    for principal in HOLDERS:  # raw data is never deleted by a stage
        assert not any(covers(grant, delete) for grant in granted(principal))
    assert covers(("s3:GetObject", "arn:aws:s3:::b/raw-zone/*"), ("s3:GetObject", "arn:aws:s3:::b/raw-zone/*"))
    assert not covers(
        ("s3:GetObject", "arn:aws:s3:::b/raw-zone/*"), ("s3:GetObject", "arn:aws:s3:::b/model-zone/*")
    )
