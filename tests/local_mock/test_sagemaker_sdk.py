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
