"""State machines in JSONata: every field that takes an expression, errors, and what is refused at creation."""

import json
import re
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from machines import Machines  # type: ignore[import-not-found]

from local_mock.stepfunctions.queries import ExpressionError, evaluate, problem


def output(execution: dict[str, Any]) -> Any:
    assert execution["status"] == "SUCCEEDED", (execution.get("error"), execution.get("cause"))
    return json.loads(execution["output"])


def test_a_machine_of_all_states_computes_with_expressions(machines: Machines) -> None:
    bucket = f"jsonata-{uuid.uuid4().hex[:8]}"
    square = {"Type": "Pass", "Output": "{% $power($states.input.value, 2) * $factor %}", "End": True}
    item = {"StartAt": "Square", "States": {"Square": square}}
    states = {
        "Keep": {
            "Type": "Pass",
            "Assign": {"factor": "{% $states.input.factor %}", "quoted": 'a "text" \\ of it', "nothing": None},
            "Output": {"n": "{% $states.input.numbers[$ > 1] %}", "same": "text"},
            "Next": "Each",
        },
        "Each": {
            "Type": "Map",
            "Items": "{% $states.input.n %}",
            "ItemSelector": {"value": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": item,
            "Output": {"squares": "{% $states.result %}", "total": "{% $sum($states.result) %}"},
            "Next": "Big",
        },
        "Big": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input.total > 100 %}", "Next": "Bucket", "Assign": {"way": "big"}}
            ],
            "Default": "Small",
        },
        "Small": {"Type": "Fail", "Error": "Small", "Cause": "{% 'only ' & $string($states.input.total) %}"},
        "Bucket": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:createBucket",
            "Arguments": {"Bucket": "{% $states.context.Execution.Input.bucket %}"},
            "Output": "{% [$states.result.Location, $way, $quoted, $exists($nothing), $parse('[1]')[0]] %}",
            "End": True,
        },
    }
    machine = machines.make("Keep", states, QueryLanguage="JSONata")
    given = {"numbers": [1, 2, 3], "factor": 10, "bucket": bucket}
    big, small = machines.start(machine, given), machines.start(machine, {**given, "factor": 1})
    location, *rest = output(machines.end(big))
    assert bucket in location
    assert rest == ["big", 'a "text" \\ of it', True, 1]
    failed = machines.end(small)
    assert (failed["error"], failed["cause"]) == ("Small", "only 13")


def test_one_state_may_use_jsonata_and_an_error_of_a_query_is_caught(machines: Machines) -> None:
    error = "States.QueryEvaluationError"
    catch = [{"ErrorEquals": [error], "Output": "{% $states.errorOutput.Error %}", "Next": "End"}]
    query = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.missing %}", "End": True}
    states = {
        "Task": {
            "Type": "Parallel",
            "QueryLanguage": "JSONata",
            "Branches": [{"StartAt": "P", "States": {"P": query}}],
            "Catch": catch,
            "Next": "End",
        },
        "End": {"Type": "Pass", "Parameters": {"caught.$": "$"}, "End": True},
    }
    assert output(machines.run("Task", states, {})) == {"caught": error}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"Parameters": {}}, "'Parameters' is not supported with the query language JSONata"),
        ({"Output": "{% $sum( %}"}, "The JSONata expression is not valid"),
        ({"Output": "{% 1"}, "starts with {% and ends with %}"),
        ({"QueryLanguage": "JSONPath"}, "QueryLanguage must not be JSONPath here"),
    ],
)
def test_what_jsonata_does_not_take_is_refused(machines: Machines, state: dict[str, Any], reason: str) -> None:
    with pytest.raises(ClientError, match=re.escape(reason)):
        machines.make("P", {"P": {"Type": "Pass", "End": True, **state}}, QueryLanguage="JSONata")
    with pytest.raises(ClientError, match="'Output' is not supported with the query language JSONPath"):
        machines.make("P", {"P": {"Type": "Pass", "End": True, "Output": 1}})


def test_functions_of_step_functions() -> None:
    def value(expression: str) -> Any:
        return evaluate(expression, {"input": {"a": None}}, {})

    assert value("$partition([1..5], 2)") == [[1, 2], [3, 4], [5]]
    assert value("$range(0, 10, 5)") == [0, 5, 10]
    assert value("$hash('a', 'MD5')") == "0cc175b9c0f1b6a831c399e269772661"
    assert value("$parse('{\"x\": null}')") == {"x": None}
    assert value("$random(7) = $random(7) and $length($uuid()) = 36") is True
    assert value("$states.input.a") is None
    for expression, reason in (
        ("$eval('1')", "not supported by Step Functions"),
        ("$states.input.b", "returned nothing"),
        ("$sum", "unsupported result type"),
        ("$hash('a', 'CRC')", "knows MD5"),
        ("$partition([1], 0)", "above 0"),
        ("$range(1, 2, 0)", "other than 0"),
        ("$range(1, 5000, 1)", "at most 1000"),
    ):
        with pytest.raises(ExpressionError, match=reason):
            value(expression)
    assert problem("a) & (b") is not None
