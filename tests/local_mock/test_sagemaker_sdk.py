"""The SageMaker SDK's own tuner and processor, unchanged, against the mock."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sagemaker_lab import Lab

from etholake import aws
from etholake.settings import Settings
from etholake.stages.model.training_job import sdk_environment

TRIAL = """
import argparse
p = argparse.ArgumentParser()
p.add_argument("--rate", type=float)
a, _ = p.parse_known_args()
print(f"train_loss={(a.rate - 0.5) ** 2:.6f}", flush=True)
"""
PROCESS = """
import pathlib, sys
root = pathlib.Path("/opt/ml/processing")
names = sorted(p.name for p in (root / "in").iterdir())
(root / "out").mkdir(exist_ok=True)
(root / "out" / "names.txt").write_text(" ".join([*names, *sys.argv[1:]]))
"""
ROLE = "arn:aws:iam::123456789012:role/trainer"


@pytest.fixture(scope="module")
def lab(mock_settings: Settings) -> Iterator[Lab]:
    with sdk_environment(mock_settings):
        yield Lab(mock_settings)


def session(lab: Lab) -> Any:
    from sagemaker.core.helper.session_helper import Session

    return Session(boto_session=aws.session(lab.settings), default_bucket=lab.bucket, default_bucket_prefix="sdk")


@pytest.mark.long
def test_the_tuner_of_the_sdk_finds_the_best_job(lab: Lab, tmp_path: Path) -> None:
    from sagemaker.core.parameter import ContinuousParameter
    from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode
    from sagemaker.train.tuner import HyperparameterTuner

    from sagemaker.train import ModelTrainer

    (tmp_path / "trial.py").write_text(TRIAL)
    trainer = ModelTrainer(
        sagemaker_session=session(lab),
        role=ROLE,
        training_image="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        source_code=SourceCode(source_dir=str(tmp_path), entry_script="trial.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        hyperparameters={"epochs": 1},
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{lab.bucket}/out"),
    )
    tuner = HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name="loss",
        hyperparameter_ranges={"rate": ContinuousParameter(0.0, 1.0)},
        metric_definitions=[{"Name": "loss", "Regex": r"train_loss=(\S+)"}],
        strategy="Random",
        objective_type="Minimize",
        max_jobs=3,
        max_parallel_jobs=3,
        base_tuning_job_name="sdk",
    )
    tuner.tune(wait=False)
    name = tuner.latest_tuning_job.hyper_parameter_tuning_job_name
    tuning: dict[str, Any] = {}
    for _ in range(600):
        tuning = lab.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        if tuning["HyperParameterTuningJobStatus"] != "InProgress":
            break
        time.sleep(0.1)
    assert tuning["HyperParameterTuningJobStatus"] == "Completed", tuning
    assert tuning["TrainingJobStatusCounters"]["Completed"] == 3
    assert tuner.best_training_job() == tuning["BestTrainingJob"]["TrainingJobName"]


@pytest.mark.long
def test_the_script_processor_of_the_sdk_runs_its_script(lab: Lab, tmp_path: Path) -> None:
    from sagemaker.core.processing import ScriptProcessor
    from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output

    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    processor = ScriptProcessor(
        role=ROLE,
        image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/process:1",
        command=["python3"],
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session(lab),
    )
    source = ProcessingS3Input(
        s3_uri=f"s3://{lab.bucket}/in/", local_path="/opt/ml/processing/in", s3_data_type="S3Prefix",
        s3_input_mode="File",
    )  # fmt: skip
    output = ProcessingS3Output(
        s3_uri=f"s3://{lab.bucket}/sdk-out", local_path="/opt/ml/processing/out", s3_upload_mode="EndOfJob"
    )
    processor.run(
        code=str(script),
        inputs=[ProcessingInput(input_name="in", s3_input=source)],
        outputs=[ProcessingOutput(output_name="out", s3_output=output)],
        arguments=["--last"],
        wait=True,
        logs=False,
    )
    body = lab.s3.get_object(Bucket=lab.bucket, Key="sdk-out/names.txt")["Body"].read()
    assert body == b"a.txt deep --last"


@pytest.mark.long
def test_a_pipeline_of_the_sdk_runs_its_steps(lab: Lab, tmp_path: Path) -> None:
    from sagemaker.core.processing import ScriptProcessor
    from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
    from sagemaker.core.workflow.conditions import ConditionEquals
    from sagemaker.core.workflow.functions import Join, JsonGet
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import ProcessingStep

    work = PipelineSession(boto_session=aws.session(lab.settings), default_bucket=lab.bucket)
    script = tmp_path / "count.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "root = pathlib.Path('/opt/ml/processing')\n"
        "names = sorted(p.name for p in (root / 'in').rglob('*') if p.is_file())\n"
        "(root / 'out' / 'report.json').write_text(json.dumps({'names': names, 'word': sys.argv[1]}))\n"
    )
    word = ParameterString(name="Word", default_value="good")
    processor = ScriptProcessor(
        role=ROLE,
        image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/process:1",
        command=["python3"],
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=work,
    )
    source = ProcessingS3Input(
        s3_uri=f"s3://{lab.bucket}/in/", local_path="/opt/ml/processing/in", s3_data_type="S3Prefix",
        s3_input_mode="File",
    )  # fmt: skip
    target = ProcessingS3Output(
        s3_uri=f"s3://{lab.bucket}/counted", local_path="/opt/ml/processing/out", s3_upload_mode="EndOfJob"
    )
    report = PropertyFile(name="Report", output_name="out", path="report.json")
    count = ProcessingStep(
        name="Count",
        step_args=processor.run(
            code=str(script),
            inputs=[ProcessingInput(input_name="in", s3_input=source)],
            outputs=[ProcessingOutput(output_name="out", s3_output=target)],
            arguments=[word],
        ),
        property_files=[report],
    )
    read = JsonGet(step_name="Count", property_file=report, json_path="word")
    name = count.properties.ProcessingJobName
    check = ConditionStep(
        name="Check",
        conditions=[ConditionEquals(left=read, right="good")],
        if_steps=[],
        else_steps=[FailStep(name="Bad", error_message=Join(on=" of ", values=[read, name]))],
    )
    pipeline = Pipeline(name=f"sdk-{lab.bucket}", parameters=[word], steps=[count, check], sagemaker_session=work)
    pipeline.upsert(role_arn=ROLE)
    pipeline.upsert(role_arn=ROLE)  # the second changes what the first has made
    statuses = []
    for parameters in ({}, {"Word": "bad"}):
        execution = pipeline.start(parameters=parameters)
        for _ in range(600):
            description = execution.describe()
            if description["PipelineExecutionStatus"] != "Executing":
                break
            time.sleep(0.1)
        steps = {step["StepName"]: step for step in execution.list_steps()}
        statuses.append((description["PipelineExecutionStatus"], {n: s["StepStatus"] for n, s in steps.items()}))
    assert statuses == [
        ("Succeeded", {"Count": "Succeeded", "Check": "Succeeded"}),
        ("Failed", {"Count": "Succeeded", "Check": "Succeeded", "Bad": "Failed"}),
    ]
    job = steps["Count"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    assert steps["Bad"]["FailureReason"] == f"bad of {job}"
