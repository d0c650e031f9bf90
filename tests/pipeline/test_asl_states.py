"""The interpreter on small machines: every type of state, counted by its history."""

import datetime
import itertools
import json
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from machines import Machines  # type: ignore[import-not-found]

BUSY = {"Type": "Wait", "Seconds": 60, "End": True}


def output(execution: dict[str, Any]) -> Any:
    assert execution["status"] == "SUCCEEDED", (execution.get("error"), execution.get("cause"))
    return json.loads(execution["output"])


def test_pass_choice_wait_succeed_and_fail(machines: Machines) -> None:
    states = {
        "Double": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, $.n)"}, "Next": "Pause"},
        "Pause": {"Type": "Wait", "Seconds": 1, "Next": "Big"},
        "Big": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericGreaterThan": 10, "Next": "TooBig"}],
            "Default": "Fine",
        },
        "Fine": {"Type": "Succeed"},
        "TooBig": {"Type": "Fail", "Error": "Too.Big", "CausePath": "States.Format('{} is more than 10', $.n)"},
    }
    machine = machines.make("Double", states)
    small, big = (machines.start(machine, {"n": n}) for n in (4, 8))
    done, failed = machines.end(small), machines.end(big)
    assert output(done) == {"n": 8}
    assert (done["stopDate"] - done["startDate"]).total_seconds() >= 1.0
    assert (failed["status"], failed["error"], failed["cause"]) == ("FAILED", "Too.Big", "16 is more than 10")
    assert machines.events(small)[-1] == "ExecutionSucceeded"
    assert machines.events(big)[-2:] == ["FailStateEntered", "ExecutionFailed"]
    listed = machines.client.list_executions(stateMachineArn=machine, statusFilter="FAILED")["executions"]
    assert [item["executionArn"] for item in listed] == [big]


def test_a_path_to_one_place_gives_its_value_and_any_other_a_list(machines: Machines) -> None:
    paths = {
        "cell": "$.rows[1].data[0].text",
        "quoted": "$.rows[0]['a:b, *']",
        "wild": "$.rows[*].n",
        "filtered": "$.rows[?(@.n == 7)].n",
        "argument": "States.StringToJson($.rows[1].data[0].text)",
    }
    states = {
        "Read": {"Type": "Pass", "Parameters": {f"{name}.$": path for name, path in paths.items()}, "End": True}
    }
    rows = [{"a:b, *": "x"}, {"n": 7, "data": [{"text": "2"}]}]
    assert output(machines.run("Read", states, {"rows": rows})) == {
        "cell": "2", "quoted": "x", "wild": [7], "filtered": [7], "argument": 2,
    }  # fmt: skip


def test_branches_run_side_by_side_and_map_over_items(machines: Machines) -> None:
    def branch(name: str) -> dict[str, Any]:
        return {"StartAt": name, "States": {name: {"Type": "Wait", "Seconds": 2, "End": True}}}

    item = {"StartAt": "One", "States": {"One": {
        "Type": "Pass", "Parameters": {"square.$": "States.MathAdd($, $)"}, "End": True}}}  # fmt: skip
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [branch("Left"), branch("Right")],
            "ResultPath": None,
            "Next": "Each",
        },
        "Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": item, "End": True},
    }
    execution = machines.run("Both", states, {"items": [1, 2, 3]})
    assert output(execution) == [{"square": 2}, {"square": 4}, {"square": 6}]
    assert 2.0 <= (execution["stopDate"] - execution["startDate"]).total_seconds() < 3.9  # not one after the other


def failing_job(retry: list[dict[str, Any]], catch: list[dict[str, Any]]) -> dict[str, Any]:
    missing = {"JobName": "there-is-no-such-job"}
    task: dict[str, Any] = {
        "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": missing,
        "Retry": retry, "Catch": catch, "End": True,
    }  # fmt: skip
    return task


def test_retries_are_counted_and_back_off_then_the_catch_says_where_and_why(machines: Machines) -> None:
    retry = [
        {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0},
        {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2},
    ]
    catch = [{
        "ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Told",
        "Assign": {"seen": {"at.$": "$$.State.Name", "tries.$": "$$.State.RetryCount"}},
    }]  # fmt: skip
    parameters = {"where.$": "States.Format('state {}', $seen.at)", "tries.$": "$seen.tries", "why.$": "$.failure"}
    failure_state = {"Type": "Pass", "Parameters": parameters, "End": True}
    execution = machines.start(machines.make("Job", {"Job": failing_job(retry, catch), "Told": failure_state}))
    ended = machines.end(execution)
    failure_state = output(ended)
    assert (failure_state["where"], failure_state["tries"]) == ("state Job", 2)
    assert failure_state["why"]["Error"] == "Glue.EntityNotFoundException"
    assert "there-is-no-such-job" in failure_state["why"]["Cause"]
    times = [e["timestamp"] for e in machines.history(execution) if e["type"] == "TaskScheduled"]
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    assert len(gaps) == 2
    assert gaps[0] >= 1.0
    assert gaps[1] >= 2.0


def test_a_branch_that_fails_stops_the_other_and_keeps_its_error(machines: Machines) -> None:
    bad = {"StartAt": "Bad", "States": {"Bad": {"Type": "Fail", "Error": "States.TaskFailed", "Cause": "no disk"}}}
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "Long", "States": {"Long": BUSY}}, bad],
            "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "Told"}],
            "End": True,
        },
        "Told": {"Type": "Pass", "End": True},
    }
    execution = machines.run("Both", states)
    assert output(execution) == {"Error": "States.TaskFailed", "Cause": "no disk"}
    assert (execution["stopDate"] - execution["startDate"]).total_seconds() < 10.0


def test_time_outs_of_a_task_and_of_the_whole(machines: Machines) -> None:
    late = machines.end(machines.start(machines.make("Long", {"Long": BUSY}, TimeoutSeconds=1)))
    assert late["status"] == "TIMED_OUT"
    assert late["stopDate"] > late["startDate"]


def test_a_stopped_execution_ends_at_once_with_the_reason(machines: Machines) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 60, "MaxAttempts": 3}]
    for states in ({"Long": BUSY}, {"Long": failing_job(retry, [])}):
        execution = machines.start(machines.make("Long", states))
        time.sleep(0.5)
        machines.client.stop_execution(executionArn=execution, error="By.Hand", cause="enough")
        stopped = machines.end(execution, seconds=5.0)
        assert (stopped["status"], stopped["error"], stopped["cause"]) == ("ABORTED", "By.Hand", "enough")


def test_an_execution_that_has_hardly_begun_can_be_stopped(machines: Machines) -> None:
    machine = machines.make("Long", {"Long": BUSY})
    executions = []
    for _ in range(5):
        executions.append(machines.start(machine))
        machines.client.stop_execution(executionArn=executions[-1])
    assert {machines.end(execution, seconds=5.0)["status"] for execution in executions} == {"ABORTED"}


def test_what_a_stop_cuts_off_is_no_failure() -> None:
    """A stop between two steps of a state lets the next one find an empty stack: that error comes later."""
    from moto.stepfunctions.parser.asl.eval.environment import Environment
    from moto.stepfunctions.parser.asl.eval.program_state import ProgramError, ProgramRunning, ProgramStopped

    from local_mock.stepfunctions import repairs

    repairs.install()
    states = []
    for stopped in (True, False):
        environment = Environment.__new__(Environment)
        environment._state_mutex, environment.program_state_event = threading.Lock(), threading.Event()
        environment._frames, environment._program_state = [], ProgramRunning()
        if stopped:
            environment.set_stop(stop_date=datetime.datetime.now(datetime.UTC), cause="by hand", error=None)
        environment.set_error({"error": "States.Runtime", "cause": "IndexError(pop from empty list)"})
        states.append(type(environment.program_state()))
    assert states == [ProgramStopped, ProgramError]


def test_names_make_starts_idempotent(machines: Machines) -> None:
    machine = machines.make("Long", {"Long": BUSY})
    first = machines.start(machine, {"a": 1}, name="once")
    assert machines.start(machine, {"a": 1}, name="once") == first
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        machines.start(machine, {"a": 2}, name="once")
    machines.client.stop_execution(executionArn=first)
    machines.end(first)
    with pytest.raises(ClientError, match="InvalidName"):
        machines.start(machine, {}, name="no spaces")


def test_a_definition_that_cannot_run_is_refused(machines: Machines) -> None:
    for resource in ("glue:startCrawler", "sagemaker:createModel.sync"):
        task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True}
        with pytest.raises(ClientError, match=r"InvalidDefinition"):
            machines.make("A", {"A": task})
    with pytest.raises(ClientError, match="InvalidDefinition"):
        machines.make("A", {"A": {"Type": "Nonsense"}})


def test_history_comes_in_pages_and_backwards(machines: Machines) -> None:
    done = machines.run("A", {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}})
    arn = done["executionArn"]
    page = machines.client.get_execution_history(executionArn=arn, maxResults=2)
    assert (len(page["events"]), bool(page["nextToken"])) == (2, True)
    newest = machines.client.get_execution_history(executionArn=arn, reverseOrder=True)["events"][0]
    assert newest["type"] == machines.events(arn)[-1] == "ExecutionSucceeded"
