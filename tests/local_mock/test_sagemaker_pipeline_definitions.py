"""Definitions of SageMaker pipelines: what is refused when one is made, and what expressions stand for."""

import importlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

REPORT = "Steps.Evaluate.PropertyFiles.Report"
OUTPUTS = {"Outputs": [{"OutputName": "metrics", "S3Output": {"S3Uri": "s3://b/m"}}]}
Change = Callable[[dict[str, Any]], object]


def part(name: str) -> Any:
    """Return a module under test; they import moto, which takes a second."""
    return importlib.import_module(f"local_mock.sagemaker.{name}")


def parse_definition(text: str) -> Any:
    return part("pipelines.definition").parse_definition(text)


def resolve(value: Any) -> Any:
    return part("pipelines.expressions").resolve(value, FixedScope())


def holds(condition: Mapping[str, Any]) -> Any:
    return part("pipelines.conditions").holds(condition, FixedScope())


def definition() -> dict[str, Any]:
    """A pipeline with every kind of reference: Check reads what Evaluate writes of what Train makes."""
    return {
        "Version": "2020-12-01",
        "Parameters": [
            {"Name": "Count", "Type": "Integer", "DefaultValue": 1},
            {"Name": "Place", "Type": "String", "EnumValues": ["s3://a", "s3://b"]},
        ],
        "Steps": [
            {"Name": "Train", "Type": "Training", "Arguments": {"HyperParameters": {}},
             "RetryPolicies": [{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2}]},
            {"Name": "Evaluate", "Type": "Processing",
             "Arguments": {
                 "ProcessingOutputConfig": OUTPUTS,
                 "Environment": {"MODEL": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}}},
             "PropertyFiles": [
                 {"PropertyFileName": "Report", "OutputName": "metrics", "FilePath": "report.json"}]},
            {"Name": "Check", "Type": "Condition", "DependsOn": ["Train"], "Arguments": {
                "Conditions": [{"Type": "LessThan", "RightValue": {"Get": "Parameters.Count"}, "LeftValue": {
                    "Std:JsonGet": {"PropertyFile": {"Get": REPORT}, "Path": "a.b"}}}],
                "IfSteps": [{"Name": "Good", "Type": "Fail", "Arguments": {"ErrorMessage": {
                    "Std:Join": {"On": "/", "Values": [{"Get": "Execution.PipelineName"}, 1]}}}}],
                "ElseSteps": []}},
        ],
    }  # fmt: skip


def test_a_definition_is_read_with_the_steps_of_its_branches() -> None:
    parsed = parse_definition(json.dumps(definition()))
    assert list(parsed.steps) == ["Train", "Evaluate", "Check", "Good"]
    assert parsed.steps["Good"].branch == ("Check", "True")
    assert parsed.steps["Evaluate"].files == {"Report": ("metrics", "report.json")}


def steps(changed: dict[str, Any], name: str) -> Any:
    return next(step for step in changed["Steps"] if step["Name"] == name)


REFUSED: Mapping[str, tuple[Change, str]] = {
    "version": (lambda d: d.update(Version="1"), "Version must be '2020-12-01'"),
    "unknown member": (lambda d: d.update(Stages=[]), "Unknown member 'Stages' in the definition"),
    "steps that are no list": (lambda d: d.update(Steps={}), "Expecting start of Json Array in Steps"),
    "no steps": (lambda d: d.update(Steps=[]), "at least one step"),
    "step type": (lambda d: steps(d, "Train").update(Type="Lambda"), "is of type 'Lambda': local_mock executes"),
    "the same name twice": (lambda d: steps(d, "Train").update(Name="Good"), "Duplicate step name 'Good'"),
    "argument": (lambda d: steps(d, "Train")["Arguments"].update(Image=1), "Unknown Argument member 'Image'"),
    "missing dependency": (
        lambda d: steps(d, "Train").update(DependsOn=["Nobody"]), "'Train' depends on 'Nobody', which is not in"),
    "trigger": (
        lambda d: steps(d, "Train").update(DependsOn=[{"Step": "Check", "Trigger": "Never"}]),
        "DependsOn of step 'Train' has step names and"),
    "cycle": (lambda d: steps(d, "Train").update(DependsOn=["Check"]), "wait for one another in a cycle: "),
    "dependency on a Fail step": (
        lambda d: steps(d, "Train").update(DependsOn=["Good"]), "Train can not depends on Good"),
    "unknown parameter": (
        lambda d: steps(d, "Train")["Arguments"].update(RoleArn={"Get": "Parameters.Role"}),
        "Invalid reference 'Parameters.Role' in step 'Train'"),
    "unknown property": (
        lambda d: steps(d, "Check")["Arguments"]["Conditions"][0].update(RightValue={"Get": "Steps.Train.Loss"}),
        "Invalid reference 'Steps.Train.Loss' in step 'Check'"),
    "unknown step": (
        lambda d: steps(d, "Train")["Arguments"].update(RoleArn={"Get": "Steps.Nobody.RoleArn"}),
        "refers to step 'Nobody', which is not in the pipeline"),
    "unknown function": (
        lambda d: steps(d, "Train")["Arguments"].update(RoleArn={"Std:Upper": "x"}),
        "Unknown function 'Std:Upper'"),
    "condition": (
        lambda d: steps(d, "Check")["Arguments"]["Conditions"].append({"Type": "And"}), "joined by and"),
    "condition's members": (
        lambda d: steps(d, "Check")["Arguments"]["Conditions"].append({"Type": "Not", "Conditions": []}),
        "A condition Not has the members Condition"),
    "output of a property file": (
        lambda d: steps(d, "Evaluate")["Arguments"].update(ProcessingOutputConfig={}),
        "The output 'metrics' of the property file 'Report'"),
    "parameter's type": (lambda d: d["Parameters"][0].update(Type="Date"), "has the type 'Date', not String"),
    "default of another type": (
        lambda d: d["Parameters"][0].update(DefaultValue="1"),
        "default of parameter 'Count' must be of type Integer"),
    "parameter twice": (lambda d: d["Parameters"][0].update(Name="Place"), "Duplicate parameter name 'Place'"),
    "retry policy": (
        lambda d: steps(d, "Train")["RetryPolicies"][0].pop("MaxAttempts"),
        "either MaxAttempts or ExpireAfterMin"),
    "retry of an unknown error": (
        lambda d: steps(d, "Train")["RetryPolicies"][0].update(ExceptionType=["All"]), "have ExceptionType of"),
    "cache without a duration": (
        lambda d: steps(d, "Train").update(CacheConfig={"Enabled": True, "ExpireAfter": "a month"}),
        "must be a duration such as P4DT12H, but got 'a month'"),
    "kind of CacheConfig": (
        lambda d: steps(d, "Train").update(CacheConfig=[1]), "a value of another kind than it must have"),
    "duration that no clock has": (
        lambda d: steps(d, "Train").update(CacheConfig={"Enabled": True, "ExpireAfter": "P99999999999D"}),
        "a value of another kind than it must have"),
    "name that is a list": (
        lambda d: d["Parameters"][0].update(Name=["x"]), "a value of another kind than it must have"),
    "MLflow": (lambda d: d.update(MlflowConfig={"MlflowResourceArn": "x"}), "does not support MlflowConfig"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_not_run_is_refused_when_it_is_made(case: str) -> None:
    change, message = REFUSED[case]
    changed = definition()
    change(changed)
    with pytest.raises(part("errors").InvalidRequestError, match="Unable to parse pipeline definition") as refused:
        parse_definition(json.dumps(changed))
    assert message in str(refused.value)


def test_a_text_that_is_no_definition_is_refused() -> None:
    with pytest.raises(part("errors").InvalidRequestError, match="It is no JSON"):
        parse_definition("{")
    with pytest.raises(part("errors").InvalidRequestError, match="Expecting start of Json Object"):
        parse_definition("[]")
    with pytest.raises(part("errors").InvalidRequestError, match="nested too deeply"):
        parse_definition("[" * 100_000)


def test_values_of_parameters_have_their_types() -> None:
    parameters = parse_definition(json.dumps(definition())).parameters
    assert part("pipelines.parameters").values_of(parameters, [{"Name": "Place", "Value": "s3://a"}]) == {
        "Count": 1,
        "Place": "s3://a",
    }
    given = [{"Name": "Count", "Value": "3"}, {"Name": "Place", "Value": "s3://b"}]
    assert part("pipelines.parameters").values_of(parameters, given) == {"Count": 3, "Place": "s3://b"}
    for items, message in (
        ([], "Parameter 'Place' has no default and must be given"),
        ([{"Name": "place", "Value": "x"}], "Unknown parameter 'place'"),
        ([{"Name": "Place", "Value": "s3://c"}], "Parameter 'Place' must be one of"),
        ([{"Name": "Count", "Value": "many"}], "Parameter 'Count' must be of type Integer, but got 'many'"),
    ):
        with pytest.raises(part("errors").InvalidRequestError, match=message):
            part("pipelines.parameters").values_of(parameters, items)


class FixedScope:
    """Values of a test."""

    def get(self, path: str) -> Any:
        return {"Parameters.n": 3, "Parameters.yes": True, "Execution.PipelineName": "p"}[path]

    def json(self, source: Mapping[str, Any]) -> Any:
        return {"rows": [{"Name": "loss", "value": 0.5}], "of": str(source["S3Uri"])}


def test_expressions_stand_for_values() -> None:
    joined = {"Std:Join": {"On": "-", "Values": ["a", {"Get": "Parameters.n"}, {"Get": "Parameters.yes"}]}}
    read = {"Std:JsonGet": {"S3Uri": joined, "Path": "of"}}
    value = {"joined": joined, "list": [{"Get": "Parameters.n"}], "read": read, "plain": {"Get": 1, "b": 2}}
    assert resolve(value) == {
        "joined": "a-3-true", "list": [3], "read": "a-3-true", "plain": {"Get": 1, "b": 2},
    }  # fmt: skip
    for path in ("rows[0].value", "$.rows[0].value", "rows['loss'].value"):
        assert resolve({"Std:JsonGet": {"S3Uri": "", "Path": path}}) == 0.5
    with pytest.raises(
        part("errors").RunError, match=r"The path 'rows\[1\]' of Std:JsonGet has no value: there is no 1"
    ):
        resolve({"Std:JsonGet": {"S3Uri": "", "Path": "rows[1]"}})


def compared(kind: str, left: Any, right: Any) -> bool:
    return holds({"Type": kind, "LeftValue": left, "RightValue": right})


def test_conditions_compare_values_of_one_kind() -> None:
    n = {"Get": "Parameters.n"}
    assert compared("Equals", n, 3.0)
    assert not compared("GreaterThan", n, 3)
    assert compared("GreaterThanOrEqualTo", n, 3)
    assert compared("LessThan", "a", "b")
    assert not compared("LessThanOrEqualTo", n, 2)
    equals = {"Type": "Equals", "LeftValue": n, "RightValue": 4}
    assert holds({"Type": "Not", "Condition": equals})
    assert not holds({"Type": "Or", "Conditions": [equals]})
    assert holds({"Type": "In", "QueryValue": n, "Values": [1, 3]})
    for left, right in ((n, "3"), (True, 1), (None, 1)):
        with pytest.raises(
            part("errors").RunError, match="cannot be compared: both must be numbers, strings or booleans"
        ):
            compared("Equals", left, right)


def test_durations_of_a_cache_are_those_of_iso_8601() -> None:
    assert part("pipelines.caching").parse_duration("P4DT12H", "a").total_seconds() == 4.5 * 86_400
    assert part("pipelines.caching").parse_duration("30d", "a").days == 30
    assert part("pipelines.caching").parse_duration("T1H", "a").seconds == 3600
    with pytest.raises(part("errors").InvalidRequestError, match="must be a duration"):
        part("pipelines.caching").parse_duration("P", "step 'a'")


class BusyService:
    """SageMaker that refuses as often as it is told, then makes a model at once."""

    def __init__(self, refusals: int, code: str, status: int) -> None:
        self.refusals, self.code, self.status = refusals, code, status

    def create_model(self, **request: Any) -> dict[str, Any]:
        if self.refusals:
            self.refusals -= 1
            answer: Any = {
                "Error": {"Code": self.code, "Message": "later"},
                "ResponseMetadata": {"HTTPStatusCode": self.status},
            }
            raise ClientError(answer, "CreateModel")
        return {"ModelArn": f"arn:{request['ModelName']}"}

    def describe_model(self, ModelName: str) -> dict[str, Any]:
        return {"ModelName": ModelName, "ResponseMetadata": {}}


def performed(service: BusyService, **policy: Any) -> Any:
    """Run a Model step with a retry policy for throttling."""
    from moto.core.utils import utcnow
    from moto.sagemaker.models import FakePipeline

    policies = [{"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 0, **policy}]
    text = {"Version": "2020-12-01", "Steps": [
        {"Name": "M", "Type": "Model", "Arguments": {}, "RetryPolicies": policies}]}  # fmt: skip
    parsed = parse_definition(json.dumps(text))
    models = part("pipelines.models")
    pipeline = FakePipeline("p", "", json.dumps(text), "", "role/r", [], "1", "us-east-1", {})
    execution = models.PipelineExecution(pipeline, {"ClientRequestToken": "t"})
    run = models.StepRun("M", "M", "", utcnow())
    job = part("pipelines.steps").JobStep(
        execution, parsed.steps["M"], run, service, threading.Event(), lambda step, digest: None
    )
    run.status = job.perform(lambda name: FixedScope())
    return run


def test_a_policy_retries_the_errors_that_it_names_as_often_as_it_says() -> None:
    run = performed(BusyService(2, "ThrottlingException", 400), MaxAttempts=2)
    assert (run.status, run.attempts) == ("Succeeded", 3)
    with pytest.raises(
        part("errors").RunError, match=r"Failed to invoke sagemaker:CreateModel\. Error Details: later"
    ):
        performed(BusyService(2, "ThrottlingException", 400), MaxAttempts=1)
    with pytest.raises(part("errors").RunError, match="later"):
        performed(BusyService(1, "InternalFailure", 500), MaxAttempts=5)
    policy = parse_definition(json.dumps(definition())).steps["Train"].retries[0]
    assert [policy.pause(n, 0) for n in (1, 2, 3)] == [1.0, 2.0, None]
    bounded = part("pipelines.retries").RetryPolicy(policy.types, 1.0, 2.0, None, 60.0)
    assert bounded.pause(9, 59) == 256.0
    assert bounded.pause(9, 61) is None
