"""The definition and its template: shape, promises (retries, time-outs, catches), and the role, both ways."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etholake.settings import Settings
from etholake.stages.cloud import deploy, templates
from etholake.stages.job_settings import job_settings
from etholake.stages.model import tune
from etholake.stages.model.training_inputs import CHANNELS
from etholake.stages.pipeline import history, machine, steps

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = json.loads((ROOT / machine.DEFINITION).read_text())
STATES = DEFINITION["States"]
TEMPLATE = ROOT / "infra" / "pipeline.yaml"
# What `.sync` calls beside the action. https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html
SYNC = {
    "glue:startJobRun": {"glue:GetJobRun", "glue:BatchStopJobRun"},
    "sagemaker:createTrainingJob": {
        "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob", "sagemaker:AddTags", "iam:PassRole",
        "events:PutTargets", "events:PutRule", "events:DescribeRule",
    },
    "sagemaker:createHyperParameterTuningJob": {
        "sagemaker:DescribeHyperParameterTuningJob", "sagemaker:StopHyperParameterTuningJob", "sagemaker:AddTags",
        "iam:PassRole", "events:PutTargets", "events:PutRule", "events:DescribeRule",
    },
    "sagemaker:createTransformJob": {
        "sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob", "sagemaker:AddTags",
        "events:PutTargets", "events:PutRule", "events:DescribeRule",
    },
}  # fmt: skip


def every(states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in states.items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from every(branch["States"])


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    import cfnlint.decode.cfn_yaml

    return dict(cfnlint.decode.cfn_yaml.loads(TEMPLATE.read_text()))


def lint(path: Path) -> tuple[int, str]:
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, path], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_template_and_definition(tmp_path: Path) -> None:
    assert lint(TEMPLATE) == (0, "")
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/x", "Definition": DEFINITION}
    values = dict.fromkeys(placeholders(), "value")
    properties["DefinitionSubstitutions"] = values
    inline = tmp_path / "inline.json"
    machine_ = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    inline.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": machine_}}))
    assert lint(inline) == (0, "")


def placeholders() -> set[str]:
    return set(re.findall(r"\$\{(\w+)\}", json.dumps(DEFINITION)))


def test_every_placeholder_has_a_value_and_every_parameter_is_given(template: dict[str, Any]) -> None:
    assert placeholders() == set(template["Resources"]["StateMachine"]["Properties"]["DefinitionSubstitutions"])
    given = machine.parameters(Settings(), b"{}")
    declared = template["Parameters"]
    assert set(given) <= set(declared)
    outputs = {name for stack in templates.load(ROOT / "infra")[:-1] for name in stack.body["Outputs"]}
    values = {*given, *deploy.parameters(Settings(), code_digest=""), *outputs}
    assert {name for name, body in declared.items() if "Default" not in body} <= values


def test_every_task_is_bounded_retried_and_caught() -> None:
    for name, state in every(STATES):
        if state["Type"] != "Task":
            continue
        assert 0 < state["TimeoutSeconds"] <= (172_800 if name == "Tune" else 90_000), name
        for retry in state["Retry"]:
            assert retry["BackoffRate"] >= 2, name
            assert retry["JitterStrategy"] == "FULL", name
    for name, state in STATES.items():
        if state["Type"] in {"Task", "Parallel"} and name != history.RESCUE:
            last = state["Catch"][-1]
            assert (last["ErrorEquals"], last["Next"]) == (["States.ALL"], history.RESCUE), name
            assert last["Assign"] == {"failed": {"state.$": "$$.State.Name"}}, name
    assert 0 < DEFINITION["TimeoutSeconds"] < 1_000_000


def test_names_of_jobs_are_those_of_the_execution_and_the_try() -> None:
    for name, member in (
        ("Train", "TrainingJobName"), ("Tune", "HyperParameterTuningJobName"), ("Predict", "TransformJobName"),
    ):  # fmt: skip
        assert "$$.State.RetryCount" in STATES[name]["Parameters"][f"{member}.$"]
    assert "$check.run" in STATES["Train"]["Parameters"]["TrainingJobName.$"]


def test_steps_channels_and_metrics_are_those_of_the_code() -> None:
    arguments = [s["Parameters"].get("Arguments", {}) for _, s in every(STATES) if s["Type"] == "Task"]
    asked = [a["--step"] for a in arguments if "--step" in a]
    assert asked == list(steps.STEPS)
    train = STATES["Train"]["Parameters"]
    steps_in_code = {
        c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"].partition("/curated-zone/")[2]
        for c in train["InputDataConfig"]
    }
    assert steps_in_code == CHANNELS
    metrics = {m["Name"]: m["Regex"] for m in train["AlgorithmSpecification"]["MetricDefinitions"]}
    assert metrics == job_settings()["training"]["metrics"]


def test_the_tuning_is_that_of_stage_tune() -> None:
    settings, options = Settings(), job_settings()["tuning"]
    values = machine.parameters(settings, b"{}") | {"BucketName": settings.bucket, "SageMakerRoleArn": "arn:role"}
    text = json.dumps(STATES["Tune"]["Parameters"]["TrainingJobDefinition"])
    definition = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text))
    wanted = tune.tuning_request(settings, "t", {}, "arn:role", options)["TrainingJobDefinition"]
    del definition["StaticHyperParameters.$"], wanted["StaticHyperParameters"]
    for channel in definition["InputDataConfig"]:  # what is the default elsewhere
        assert channel.pop("InputMode") == "File"
        assert channel["DataSource"]["S3DataSource"].pop("S3DataDistributionType") == "FullyReplicated"
    assert definition == wanted
    given = machine.input_of(settings, tuning={"jobs": 3})
    assert (given["tune"], given["tuning"]) == (True, {**options, "jobs": 3, "ranges": tune.ranges("tiny", {})})
    own = {"lr": {"low": 0.1, "high": 0.2}}
    given = machine.input_of(settings, "boosted", tuning={})
    search = tune.search_request(settings, given["tuning"])  # as the gate makes it
    assert search["ParameterRanges"] == tune.ranges_request(tune.ranges("boosted", {})) != {}
    assert machine.input_of(settings, "small", tuning={"ranges": own})["tuning"]["ranges"] == own
    assert machine.input_of(settings)["tune"] is False


def test_the_role_may_do_what_the_definition_does_and_nothing_else(template: dict[str, Any]) -> None:
    needed: set[str] = set()
    for _, state in every(STATES):
        if state["Type"] != "Task":
            continue
        action = state["Resource"].removeprefix("arn:aws:states:::").removeprefix("aws-sdk:").removesuffix(".sync")
        service, _, operation = action.partition(":")
        needed |= {f"{service}:{operation[:1].upper()}{operation[1:]}", *SYNC.get(action, ())}
    statements = template["Resources"]["MachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    allowed = {a for s in statements for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}
    assert allowed == needed | {"kms:Decrypt"}  # of what a step has left in the bucket
    assert all(s["Resource"] != "*" for s in statements)


def test_the_outline_shows_what_works_and_where_branches_lie() -> None:
    shown = history.outline(DEFINITION)
    assert [(s.name, s.depth) for s in shown[:6]] == [
        ("Check", 0), ("Curate", 0), ("CurateTracks", 1), ("CurateTables", 1),
        ("CrawlRaw", 1), ("LookAtCrawler", 1),
    ]  # fmt: skip
    assert [s.name for s in shown if s.rescue] == [history.RESCUE]
