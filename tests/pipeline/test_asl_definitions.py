"""The mock refuses a definition that AWS refuses, and a state machine fails at run time as on AWS."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from machines import ROLE, Machines  # type: ignore[import-not-found]

from local_mock.stepfunctions import intrinsics
from local_mock.stepfunctions.definitions import problems

END = {"Type": "Pass", "End": True}
RULE = {"Variable": "$.a", "IsPresent": True, "Next": "B"}


def machine(start: str = "A", **states: Any) -> str:
    return json.dumps({"StartAt": start, "States": states})


def choice(**rule: Any) -> str:
    return machine(A={"Type": "Choice", "Choices": [rule], "Default": "B"}, B=END)


REFUSED = {
    "no JSON": ("{", "INVALID_JSON_DESCRIPTION"),
    "deep": ('{"a":' * 9_000 + "1" + "}" * 9_000, "INVALID_JSON_DESCRIPTION: The JSON is nested deeper"),
    "a list": ("[]", "must be a JSON object"),
    "nothing": ("{}", "These fields are required: [StartAt, States] at /"),
    "no states": (json.dumps({"StartAt": "A", "States": {}}), "at least one state at /States"),
    "no start": (machine("X", A=END), "MISSING_TRANSITION_TARGET: Missing 'StartAt' target: X at /StartAt"),
    "next to nowhere": (machine(A={"Type": "Pass", "Next": "X"}),
                        "MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/A/Next"),
    "no end": (machine(A={"Type": "Pass"}), "must have exactly one of [Next, End] at /States/A"),
    "both": (machine(A={"Type": "Pass", "Next": "B", "End": True}, B=END), "exactly one of [Next, End]"),
    "end is no truth value": (machine(A={"Type": "Pass", "End": "yes"}), "End must be true or false"),
    "not reached": (machine(A=END, B=END), 'State "B" is not reachable. at /States/B'),
    "no type": (machine(A={"End": True}), "Type must be one of"),
    "unknown type": (machine(A={"Type": "Loop", "End": True}), "but is Loop at /States/A/Type"),
    "unknown field": (machine(A={**END, "Inputpath": "$"}), "Field 'Inputpath' is not supported"),
    "a text for a state": (machine(A="x"), "A state must be an object"),
    "a task of nothing": (machine(A={"Type": "Task", "End": True}), "required: [Resource]"),
    "end of a fail": (machine(A={"Type": "Fail", "End": True}), "not supported by a Fail state"),
    "a wait for nothing": (machine(A={"Type": "Wait", "End": True}), "exactly one of [Seconds"),
    "no branches": (machine(A={"Type": "Parallel", "Branches": [], "End": True}), "at least one state machine"),
    "no processor": (machine(A={"Type": "Map", "End": True}), "exactly one of [ItemProcessor, Iterator]"),
    "inside a branch": (machine(A={"Type": "Parallel", "Branches": [json.loads(machine("X", B=END))], "End": 1}),
                        "Missing 'StartAt' target: X at /States/A/Branches[0]/StartAt"),
    "one name twice": (machine(A={"Type": "Map", "End": True, "ItemProcessor": json.loads(machine(A=END))}),
                       "DUPLICATE_STATE_NAME: Duplicate State name: A"),
    "no choices": (machine(A={"Type": "Choice", "Choices": []}), "at least one rule"),
    "a rule to nowhere": (choice(Variable="$.a", IsNull=True, Next="X"), "Missing 'Next' target: X"),
    "a rule without next": (choice(Variable="$.a", IsNull=True), "required: [Next]"),
    "default to nowhere": (machine(A={"Type": "Choice", "Choices": [RULE], "Default": "X"}, B=END),
                           "Missing 'Default' target: X"),
    "two operators": (choice(Variable="$.a", IsNull=True, IsString=True, Next="B"), "exactly one operator"),
    "unknown operator": (choice(Variable="$.a", Equals=1, Next="B"), "Field 'Equals' is not supported"),
    "no variable": (choice(IsNull=True, Next="B"), "required: [Variable]"),
    "a number as text": (choice(Variable="$.a", StringEquals=1, Next="B"), "StringEquals has the wrong type"),
    "a text as number": (choice(Variable="$.a", NumericEquals="1", Next="B"), "NumericEquals has the wrong type"),
    "and of nothing": (choice(And=[], Next="B"), "And must be a list"),
    "next within": (choice(Not={**RULE}, Next="B"), "at the top of a choice rule only"),
    "no path": (choice(Variable="a", IsNull=True, Next="B"), "valid JSONPath at /States/A/Choices[0]/Variable"),
    "half a path": (machine(A={**END, "InputPath": "$.a["}), "not a valid JSONPath at /States/A/InputPath"),
    "a result at many places": (machine(A={**END, "ResultPath": "$.a[*]"}), "not a Reference Path"),
    "no call": (machine(A={**END, "Parameters": {"x.$": "States.Nonsense()"}}), "valid intrinsic function call"),
    "an open quote": (machine(A={**END, "Parameters": {"x": [{"y.$": "States.Format('a)"}]}}), "no closing quote"),
    "plain text as path": (machine(A={**END, "Parameters": {"x.$": "text"}}), "value for the field 'x.$' must"),
    "catch to nowhere": (machine(A={"Type": "Task", "Resource": "r", "End": True, "Catch": [
        {"ErrorEquals": ["States.ALL"], "Next": "X"}]}), "Missing 'Next' target: X at /States/A/Catch[0]/Next"),
    "retry of nothing": (machine(A={"Type": "Task", "Resource": "r", "End": True, "Retry": [{}]}), "[Error"),
    "all, and one": (machine(A={"Type": "Task", "Resource": "r", "End": True, "Retry": [
        {"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]}), "States.ALL must stand alone"),
}  # fmt: skip


@pytest.mark.parametrize(("definition", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_definition_that_cannot_run_is_found_out(definition: str, reason: str) -> None:
    assert reason in "\n".join(problems(definition))


def test_definitions_that_run_are_taken() -> None:
    branch = json.loads(machine("C", C=END))
    paths = {"InputPath": "$.a['b c'][0]", "OutputPath": "$..x", "ResultPath": "$.a['b'].c"}
    taken = machine(
        A={"Type": "Choice", "Default": "B", "Choices": [
            {"And": [{"Variable": "$.a", "IsPresent": True},
                     {"Not": {"Variable": "$.a.b[0]", "NumericLessThan": 1.5}}],
             "Next": "P", "Assign": {"v": 1}},
            {"Variable": "$v.x", "StringEqualsPath": "$$.Execution.Name", "Next": "F"}]},
        B={"Type": "Pass", "InputPath": None, "ResultPath": None, "Next": "P",
           "Parameters": {"a.$": "States.Format('it\\'s {}', $.a)", "b": [{"c.$": "$$.State.Name"}], "d.$": "$v"}},
        P={"Type": "Parallel", "Branches": [branch], **paths, "Next": "W", "Catch": [
            {"ErrorEquals": ["States.ALL"], "Next": "F", "ResultPath": "$.error"}]},
        W={"Type": "Wait", "SecondsPath": "$.s", "Next": "S"},
        S={"Type": "Succeed"},
        F={"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.JsonToString($)"},
    )  # fmt: skip
    assert problems(taken) == []
    ours = Path(__file__).parents[2] / "infra" / "pipeline.asl.json"
    assert problems(ours.read_text(encoding="utf-8")) == []


def test_creation_and_update_refuse_with_awss_code(machines: Machines) -> None:
    definition = machine(A={"Type": "Pass", "Next": "X"})
    wanted = r"Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: .* at /States/A/Next'"
    for call in (
        lambda: machines.client.create_state_machine(name="refused", definition=definition, roleArn=ROLE),
        lambda: machines.client.update_state_machine(
            stateMachineArn=machines.make("A", {"A": END}), definition=definition
        ),
    ):
        with pytest.raises(ClientError, match=wanted) as error:
            call()
        assert error.value.response["Error"]["Code"] == "InvalidDefinition"


def failed(machines: Machines, states: dict[str, Any], given: Any = None) -> tuple[str, str]:
    execution = machines.run("A", states, given)
    assert execution["status"] == "FAILED"
    return execution["error"], execution["cause"]


def test_a_choice_fails_as_on_aws(machines: Machines) -> None:
    pick = {"Type": "Choice", "Choices": [{"Variable": "$.a.b", "StringEquals": "x", "Next": "B"}], "Default": "B"}
    error, cause = failed(machines, {"A": pick, "B": END}, {"a": {}})
    assert error == "States.Runtime"
    assert "Invalid path '$.a.b': The choice state's condition path references an invalid value." in cause
    without = {name: value for name, value in pick.items() if name != "Default"}
    error, cause = failed(machines, {"A": without, "B": END}, {"a": {"b": "y"}})
    assert (error, "No choice rule matched" in cause) == ("States.NoChoiceMatched", True)
    for rule in (
        {"Variable": "$.a.b", "IsPresent": False},
        {"And": [{"Variable": "$.a.b", "IsPresent": True}, {"Variable": "$.a.b", "IsNull": False}]},
        {"Not": {"Variable": "$.a.b", "IsPresent": True}},
    ):
        states = {"A": pick | {"Choices": [rule | {"Next": "B"}], "Default": "C"}, "B": END, "C": END}
        assert machines.run("A", states, {"a": {}})["status"] == "SUCCEEDED"


def test_intrinsic_functions_in_a_state(machines: Machines) -> None:
    fields = {
        "quote.$": r"States.Format('it\'s {}', $.a)",
        "braces.$": r"States.Format('\{{}\} {}', $.a, States.ArrayLength(States.Array(1, 2)))",
        "encoded.$": "States.Base64Encode('é')",
        "decoded.$": "States.Base64Decode('w6k=')",
        "escape.$": "States.Format('tab\tand \u00e9 \U0001f600, a/b')",
        "execution.$": "States.Format('{}', $$.Execution.Name)",
    }
    execution = machines.run("A", {"A": {"Type": "Pass", "Parameters": fields, "End": True}}, {"a": "1"})
    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["output"]) == {
        "quote": "it's 1", "braces": "{1} 2", "encoded": "w6k=", "decoded": "é",
        "escape": "tab\tand é 😀, a/b", "execution": execution["name"],
    }  # fmt: skip
    missing = {"A": {"Type": "Pass", "Parameters": {"x.$": "States.Format('{}', $.no)"}, "End": True}}
    assert failed(machines, missing)[0] == "States.Runtime"
    wrong = {"A": {"Type": "Pass", "Parameters": {"x.$": "States.ArrayLength('text')"}, "End": True}}
    error, cause = failed(machines, wrong)
    assert (error, "expected an array" in cause) == ("States.IntrinsicFailure", True)


DATA = {"a": "x", "n": 5, "list": [1, 2, 2, {"k": 1}, {"k": 1}], "o": {"p": 1}}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("States.Array()", []),
        ("States.Array('a', 1, 2.5, true, null, $.o)", ["a", 1, 2.5, True, None, {"p": 1}]),
        ("States.ArrayPartition($.list, 2)", [[1, 2], [2, {"k": 1}], [{"k": 1}]]),
        ("States.ArrayContains($.list, 2)", True),
        ("States.ArrayContains($.list, 3)", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(3, 1, -1)", [3, 2, 1]),
        ("States.ArrayGetItem($.list, 3)", {"k": 1}),
        ("States.ArrayUnique($.list)", [1, 2, {"k": 1}]),
        ("States.Hash('é', 'SHA-1')", "bf15be717ac1b080b4f1c456692825891ff5073d"),
        ("States.JsonMerge($.o, States.StringToJson('\\{\"q\": 2\\}'), false)", {"p": 1, "q": 2}),
        ("States.JsonToString($.o)", '{"p":1}'),
        ("States.MathAdd($.n, -1)", 4),
        ("States.MathAdd(2.5, 1)", 4),
        ("States.MathRandom(1, 2)", 1),
        ("States.StringSplit('a.b+c,,d', '.+,')", ["a", "b", "c", "d"]),
        (r"States.Format('\\ \' {} {}', 1, true)", r"\ ' 1 true"),
        ("States.Format('{}', $['a'])", "x"),
        ("States.Format($.a)", "x"),
    ],
)
def test_intrinsic_functions(call: str, expected: Any) -> None:
    def look_up(path: str) -> Any:
        return DATA[path.removeprefix("$").strip(".[]'")]

    assert intrinsics.evaluate(intrinsics.parse(call), look_up) == expected


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("States.Format('{}')", "1 '{}' for 0 values"),
        ("States.Format('a', 1)", "0 '{}' for 1 values"),
        ("States.Format('{}'", "Expected ','"),
        ("States.Format('a\\x')", "backslash"),
        ("States.Format('a') + 1", "stands after the call"),
        ("States.Format(a)", "is no text in quotes"),
        ("States.Format($.a", "no closing bracket"),
        ("States.Nonsense()", "is no call"),
        ("States.MathAdd(1)", "takes 2 to 2 arguments"),
        ("States.MathAdd('a', 1)", "expected a number"),
        ("States.ArrayRange(1, 5000, 1)", "1,000 is the limit"),
        ("States.ArrayPartition(States.Array(1), 0)", "at least 1"),
        ("States.ArrayGetItem(States.Array(1), 1)", "outside an array of 1"),
        ("States.Base64Decode('?')", "no Base64"),
        ("States.StringToJson('nonsense')", "no JSON"),
        ("States.Hash('a', 'CRC')", "must be one of MD5"),
        ("States.JsonMerge(1, 2, true)", "shallow"),
        ("States.Array(" * 11 + ")" * 11, "nested deeper than 10"),
    ],
)
def test_calls_that_cannot_be_are_refused(call: str, reason: str) -> None:
    with pytest.raises(intrinsics.IntrinsicError, match=re.escape(reason)):
        intrinsics.evaluate(intrinsics.parse(call), lambda _: None)
