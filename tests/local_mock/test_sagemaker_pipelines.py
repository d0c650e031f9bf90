"""SageMaker pipelines of the mock: steps run as jobs, wait for one another, fail, are retried, stopped, cached."""

import copy
import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sagemaker_lab import Lab, tar_gz
from sagemaker_studio import INFERENCE

from etholake import aws
from etholake.settings import Settings

ROLE = "arn:aws:iam::123456789012:role/pipeline"
TRAIN = """
import argparse, json, os, pathlib
p = argparse.ArgumentParser()
p.add_argument("--factor", type=float)
factor = p.parse_known_args()[0].factor
folder = pathlib.Path(os.environ["SM_MODEL_DIR"])
(folder / "factor.txt").write_text(str(factor))
(folder / "code").mkdir()
(folder / "code" / "inference.py").write_text(pathlib.Path("inference.py").read_text())
"""
EVALUATE = """
import json, pathlib, tarfile
root = pathlib.Path("/opt/ml/processing")
with tarfile.open(next((root / "model").glob("*.tar.gz"))) as archive:
    factor = float(archive.extractfile("factor.txt").read())
(root / "out" / "report.json").write_text(json.dumps({"metrics": [{"name": "error", "value": abs(factor - 2)}]}))
"""
SLOW = """
import time
print("began", flush=True)
time.sleep(60)
"""
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}


@pytest.fixture(scope="module")
def lab(mock_settings: Settings) -> Lab:
    made = Lab(mock_settings)
    code = tar_gz({"train.py": TRAIN, "inference.py": INFERENCE, "slow.py": SLOW, "bad.py": "raise SystemExit(3)"})
    made.s3.put_object(Bucket=made.bucket, Key="code.tar.gz", Body=code)
    made.s3.put_object(Bucket=made.bucket, Key="scripts/evaluate.py", Body=EVALUATE.encode())
    made.s3.put_object(Bucket=made.bucket, Key="batch/1.txt", Body=b"21")
    return made


def get(path: str) -> dict[str, str]:
    return {"Get": path}


def training(lab: Lab, program: str = "train.py", factor: Any = "2") -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {"TrainingImage": "none", "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{lab.bucket}/trained"},
        "ResourceConfig": {**CLUSTER, "InstanceCount": get("Parameters.Instances")},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "HyperParameters": {
            "sagemaker_program": program,
            "sagemaker_submit_directory": f"s3://{lab.bucket}/code.tar.gz",
            "factor": factor,
        },
    }


def step(name: str, kind: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": arguments, **more}


def definition(steps: list[dict[str, Any]], **more: Any) -> str:
    parameters = [
        {"Name": "Instances", "Type": "Integer", "DefaultValue": 1},
        {"Name": "Factor", "Type": "Float", "DefaultValue": 2.0},
    ]
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters, "Steps": steps, **more})


def lifecycle(lab: Lab) -> list[dict[str, Any]]:
    """Train; evaluate; if the error is small: register, make a model, transform; else fail."""
    container = {"Image": "none", "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}
    evaluation = {
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": "none", "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/evaluate.py"]},
        "ProcessingInputs": [
            {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{name}",
                                            "S3DataType": "S3Prefix", "S3InputMode": "File"}}
            for name, uri in (
                ("code", f"s3://{lab.bucket}/scripts/evaluate.py"), ("model", container["ModelDataUrl"]))
        ],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "metrics", "S3Output": {
            "S3Uri": {"Std:Join": {"On": "/", "Values": [
                f"s3://{lab.bucket}/metrics", get("Execution.PipelineExecutionId")]}},
            "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}}]},
        "ProcessingResources": {"ClusterConfig": CLUSTER},
    }  # fmt: skip
    factor = {"Std:Join": {"On": "", "Values": [get("Parameters.Factor")]}}
    error = {
        "Std:JsonGet": {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"), "Path": "metrics[0].value"}
    }
    transform = {
        "ModelName": get("Steps.Make.ModelName"),
        "TransformInput": {"ContentType": "text/plain", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": f"s3://{lab.bucket}/batch/"}}},
        "TransformOutput": {"S3OutputPath": {"Std:Join": {"On": "/", "Values": [
            f"s3://{lab.bucket}/transformed", get("Execution.PipelineExecutionId")]}}},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }  # fmt: skip
    register = {
        "ModelPackageGroupName": f"group-{lab.bucket}", "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container], "SupportedContentTypes": ["text/plain"],
            "SupportedResponseMIMETypes": ["text/plain"]},
    }  # fmt: skip
    return [
        step("Check", "Condition", {
            "Conditions": [{"Type": "LessThanOrEqualTo", "LeftValue": error, "RightValue": 0.5}],
            "IfSteps": [
                step("Register", "RegisterModel", register),
                step("Make", "Model", {"PrimaryContainer": container, "ExecutionRoleArn": ROLE}),
                step("Transform", "Transform", transform),
            ],
            "ElseSteps": [step("Refuse", "Fail", {"ErrorMessage": {
                "Std:Join": {"On": "", "Values": ["The error is ", error]}}})],
        }),
        step("Evaluate", "Processing", evaluation, PropertyFiles=[
            {"PropertyFileName": "Report", "OutputName": "metrics", "FilePath": "report.json"}]),
        step("Train", "Training", training(lab, factor=factor),
             CacheConfig={"Enabled": True, "ExpireAfter": "PT1H"}),
    ]  # fmt: skip


def create(lab: Lab, text: str, **more: Any) -> str:
    name = f"pipe-{uuid.uuid4().hex[:8]}"
    lab.sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=text, RoleArn=ROLE, **more)
    return name


def start(lab: Lab, name: str, **values: str) -> str:
    given = [{"Name": key, "Value": value} for key, value in values.items()]
    return str(
        lab.sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=given)["PipelineExecutionArn"]
    )


def ended(lab: Lab, arn: str) -> dict[str, Any]:
    for _ in range(1200):
        execution: dict[str, Any] = lab.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if execution["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return execution
        time.sleep(0.05)
    raise AssertionError(f"{arn} has not ended")


def runs(lab: Lab, arn: str) -> dict[str, dict[str, Any]]:
    listed = lab.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
    return {run["StepName"]: run for run in listed["PipelineExecutionSteps"]}


@pytest.fixture(scope="module")
def pipeline(lab: Lab) -> str:
    experiment = {
        "ExperimentName": get("Execution.PipelineName"),
        "TrialName": get("Execution.PipelineExecutionId"),
    }
    return create(lab, definition(lifecycle(lab), PipelineExperimentConfig=experiment))


@pytest.fixture(scope="module")
def good(lab: Lab, pipeline: str) -> str:
    """An execution whose model is good enough."""
    arn = start(lab, pipeline)
    execution = ended(lab, arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", (execution, runs(lab, arn))
    return arn


def test_steps_run_as_jobs_in_the_order_of_what_they_refer_to(lab: Lab, pipeline: str, good: str) -> None:
    steps = runs(lab, good)
    assert list(steps)[:3] == ["Train", "Evaluate", "Check"]
    assert set(steps) == {"Train", "Evaluate", "Check", "Register", "Make", "Transform"}
    assert {run["StepStatus"] for run in steps.values()} == {"Succeeded"}
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    identity = good.rpartition("/")[2]
    job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    assert job.startswith(f"pipelines-{identity}-Train-")
    described = lab.sagemaker.describe_training_job(TrainingJobName=job)
    assert described["HyperParameters"]["factor"] == "2.0"
    assert described["ExperimentConfig"] == {"ExperimentName": pipeline, "TrialName": identity}
    body = lab.s3.get_object(Bucket=lab.bucket, Key=f"transformed/{identity}/1.txt.out")["Body"].read()
    assert json.loads(body) == {"value": 42.0}
    versions = lab.sagemaker.list_model_packages(ModelPackageGroupName=f"group-{lab.bucket}")
    assert [v["ModelPackageArn"] for v in versions["ModelPackageSummaryList"]] == [
        steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    ]
    execution = lab.sagemaker.describe_pipeline_execution(PipelineExecutionArn=good)
    assert execution["PipelineExperimentConfig"] == {"ExperimentName": pipeline, "TrialName": identity}
    assert lab.sagemaker.describe_trial(TrialName=identity)["ExperimentName"] == pipeline


def test_the_other_branch_fails_the_execution_with_its_message(lab: Lab, pipeline: str) -> None:
    arn = start(lab, pipeline, Factor="5")
    execution = ended(lab, arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    steps = runs(lab, arn)
    assert set(steps) == {"Train", "Evaluate", "Check", "Refuse"}
    assert steps["Refuse"]["FailureReason"] == "The error is 3.0"
    assert steps["Refuse"]["Metadata"] == {"Fail": {"ErrorMessage": "The error is 3.0"}}
    values = lab.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    assert values == [{"Name": "Instances", "Value": "1"}, {"Name": "Factor", "Value": "5"}]
    first = lab.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn, MaxResults=1)
    assert (first["PipelineParameters"], first["NextToken"]) == (values[:1], "1")
    with pytest.raises(ClientError, match="Not supported by local_mock: PipelineVersionId"):
        lab.sagemaker.describe_pipeline(PipelineName=pipeline, PipelineVersionId=1)


def test_a_cached_step_takes_over_what_the_same_arguments_gave(lab: Lab, pipeline: str, good: str) -> None:
    arn = start(lab, pipeline)
    assert ended(lab, arn)["PipelineExecutionStatus"] == "Succeeded"
    again, before = runs(lab, arn), runs(lab, good)
    assert again["Train"]["CacheHitResult"] == {"SourcePipelineExecutionArn": good}
    assert again["Train"]["Metadata"] == before["Train"]["Metadata"]
    assert "CacheHitResult" not in again["Evaluate"]  # its output names the execution


def test_a_failed_step_ends_the_execution_and_can_be_retried(lab: Lab) -> None:
    steps = [
        step("Bad", "Training", training(lab, "bad.py")),
        step("After", "Training", training(lab), DependsOn=["Bad"]),
        step("Apart", "Fail", {"ErrorMessage": "never"}, DependsOn=["After"]),
    ]
    name = create(lab, definition(steps))
    arn = start(lab, name)
    assert ended(lab, arn)["PipelineExecutionStatus"] == "Failed"
    (bad,) = runs(lab, arn).values()
    assert bad["StepStatus"] == "Failed"
    assert bad["FailureReason"].startswith("AlgorithmError: exit code 3")
    lab.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    assert ended(lab, arn)["PipelineExecutionStatus"] == "Failed"
    assert runs(lab, arn)["Bad"]["Metadata"] != bad["Metadata"]


def test_a_step_may_wait_for_another_to_fail(lab: Lab) -> None:
    steps = [
        step("Bad", "Training", training(lab, "bad.py")),
        step("Then", "Training", training(lab), DependsOn=[{"Step": "Bad", "Trigger": "Failed"}]),
        step("Never", "Training", training(lab), DependsOn=["Bad"]),
    ]
    arn = start(lab, create(lab, definition(steps)))
    assert ended(lab, arn)["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert {n: r["StepStatus"] for n, r in runs(lab, arn).items()} == {"Bad": "Failed", "Then": "Succeeded"}


def test_a_request_that_sagemaker_refuses_is_the_step_s_failure_after_its_retries(lab: Lab) -> None:
    wrong = {**training(lab), "ResourceConfig": {**CLUSTER, "InstanceCount": 100}}
    untyped = {
        **training(lab),
        "StoppingCondition": {"MaxRuntimeInSeconds": {"Std:Join": {"On": "", "Values": [1]}}},
    }
    internal = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "MaxAttempts": 3, "IntervalSeconds": 0}
    for arguments, message in (
        (wrong, "Failed to invoke sagemaker:CreateTrainingJob. Error Details: local_mock starts a process"),
        (untyped, "Failed to invoke sagemaker:CreateTrainingJob. Error Details: Parameter validation failed"),
    ):
        arn = start(lab, create(lab, definition([step("T", "Training", arguments, RetryPolicies=[internal])])))
        assert ended(lab, arn)["PipelineExecutionStatus"] == "Failed"
        run = runs(lab, arn)["T"]
        assert message in run["FailureReason"]
        assert run["AttemptCount"] == 1  # no policy is for a request that is wrong


def test_stop_ends_the_jobs_that_run_and_starts_no_more(lab: Lab) -> None:
    slow = [step(name, "Training", training(lab, "slow.py")) for name in ("A", "B")]
    name = create(lab, definition([*slow, step("C", "Training", training(lab), DependsOn=["A"])]))
    arn = start(lab, name)
    jobs: list[str] = []
    for _ in range(400):
        steps = runs(lab, arn).values()
        jobs = [run["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2] for run in steps if run.get("Metadata")]
        if len(jobs) == 2:
            break
        time.sleep(0.02)
    with pytest.raises(ClientError, match="has executions that run"):
        lab.sagemaker.delete_pipeline(PipelineName=name)
    lab.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert ended(lab, arn)["PipelineExecutionStatus"] == "Stopped"
    assert {n: r["StepStatus"] for n, r in runs(lab, arn).items()} == {"A": "Stopped", "B": "Stopped"}
    assert {lab.wait(job)["TrainingJobStatus"] for job in jobs} == {"Stopped"}
    with pytest.raises(ClientError, match="is Stopped and cannot be stopped"):
        lab.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    lab.sagemaker.delete_pipeline(PipelineName=name)
    with pytest.raises(ClientError, match="does not exist"):
        lab.sagemaker.describe_pipeline(PipelineName=name)


def test_parallel_steps_are_bounded_by_the_configuration(lab: Lab) -> None:
    steps = [step(name, "Training", training(lab)) for name in ("A", "B", "C")]
    name = create(lab, definition(steps), ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    arn = start(lab, name)
    assert ended(lab, arn)["PipelineExecutionStatus"] == "Succeeded"
    a, b, c = runs(lab, arn).values()
    assert a["EndTime"] <= b["StartTime"]
    assert b["EndTime"] <= c["StartTime"]


def test_a_token_starts_an_execution_once(lab: Lab) -> None:
    name = create(lab, definition([step("F", "Fail", {"ErrorMessage": "x"})]))
    token = uuid.uuid4().hex
    arns = [
        lab.sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken=token)["PipelineExecutionArn"]
        for _ in range(2)
    ]
    assert arns[0] == arns[1]
    assert len(lab.sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]) == 1
    assert ended(lab, arns[0])["PipelineExecutionStatus"] == "Failed"


def test_pipelines_are_made_from_s3_changed_listed_and_refused(lab: Lab) -> None:
    text = definition([step("F", "Fail", {"ErrorMessage": "x"})])
    lab.s3.put_object(Bucket=lab.bucket, Key="pipe.json", Body=text.encode())
    name = f"from-s3-{lab.bucket}"
    lab.sagemaker.create_pipeline(
        PipelineName=name,
        RoleArn=ROLE,
        PipelineDefinitionS3Location={"Bucket": lab.bucket, "ObjectKey": "pipe.json"},
    )
    assert lab.sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"] == text
    with pytest.raises(ClientError, match=r"ValidationException.*already exists"):
        lab.sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=text, RoleArn=ROLE)
    with pytest.raises(ClientError, match=r"ValidationException.*Unable to parse pipeline definition"):
        lab.sagemaker.update_pipeline(PipelineName=name, PipelineDefinition="{}")
    arn = start(lab, name)
    changed = copy.deepcopy(json.loads(text))
    changed["Steps"][0]["Name"] = "Other"
    lab.sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=json.dumps(changed))
    kept = lab.sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert kept["PipelineDefinition"] == text
    others = [start(lab, name), start(lab, name)]
    pages = lab.sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=name, PaginationConfig={"PageSize": 1}, SortOrder="Ascending"
    )
    assert [e["PipelineExecutionArn"] for p in pages for e in p["PipelineExecutionSummaries"]] == [arn, *others]
    listed = lab.sagemaker.list_pipelines(PipelineNamePrefix="from-s3-")["PipelineSummaries"]
    assert [p["PipelineName"] for p in listed] == [name]
    with pytest.raises(ClientError, match="'newest' at 'sortOrder' failed to satisfy constraint"):
        lab.sagemaker.list_pipelines(SortOrder="newest")
    with pytest.raises(ClientError, match="MaxResults must be 1 to 100, but got 101"):
        lab.sagemaker.list_pipeline_executions(PipelineName=name, MaxResults=101)
    with pytest.raises(ClientError, match="Unknown parameter 'Rate'"):
        start(lab, name, Rate="1")
    with pytest.raises(ClientError, match="Not supported by local_mock: SelectiveExecutionConfig"):
        lab.sagemaker.start_pipeline_execution(
            PipelineName=name, SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "F"}]}
        )
    with pytest.raises(ClientError, match=r"ResourceNotFound.*Pipeline execution 'arn:none' does not exist"):
        lab.sagemaker.describe_pipeline_execution(PipelineExecutionArn="arn:none")


def test_a_stack_makes_changes_and_deletes_a_pipeline(lab: Lab) -> None:
    stacks = aws.client(lab.settings, "cloudformation")
    name = f"stacked-{lab.bucket}"
    text = definition([step("F", "Fail", {"ErrorMessage": "x"})])
    other = definition([step("Other", "Fail", {"ErrorMessage": "y"})])
    lab.s3.put_object(Bucket=lab.bucket, Key="stacked.json", Body=other.encode())

    def template(place: dict[str, Any], **more: Any) -> str:
        properties = {"PipelineName": name, "RoleArn": ROLE, "PipelineDefinition": place, **more}
        resource = {"Type": "AWS::SageMaker::Pipeline", "Properties": properties}
        return json.dumps({"Resources": {"P": resource}, "Outputs": {"Name": {"Value": {"Ref": "P"}}}})

    tags = [{"Key": "lab", "Value": "mouse"}]
    stacks.create_stack(StackName=name, TemplateBody=template({"PipelineDefinitionBody": text}, Tags=tags))
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    assert (stack["StackStatus"], stack["Outputs"][0]["OutputValue"]) == ("CREATE_COMPLETE", name)
    made = lab.sagemaker.describe_pipeline(PipelineName=name)
    assert made["PipelineDefinition"] == text
    assert lab.sagemaker.list_tags(ResourceArn=made["PipelineArn"])["Tags"] == tags
    assert ended(lab, start(lab, name))["PipelineExecutionStatus"] == "Failed"
    place = {"PipelineDefinitionS3Location": {"Bucket": lab.bucket, "Key": "stacked.json"}}
    stacks.update_stack(StackName=name, TemplateBody=template(place, PipelineDescription="changed", Tags=tags))
    made = lab.sagemaker.describe_pipeline(PipelineName=name)
    assert (made["PipelineDefinition"], made["PipelineDescription"]) == (other, "changed")
    stacks.delete_stack(StackName=name)
    with pytest.raises(ClientError, match="does not exist"):
        lab.sagemaker.describe_pipeline(PipelineName=name)
