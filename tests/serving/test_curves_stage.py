"""Curves of training jobs, from the logs of jobs that really ran on the mock."""

import io
import json
import re
import tarfile
import uuid
from pathlib import Path

import pytest

from etholake import aws
from etholake.errors import DataError
from etholake.settings import Settings
from etholake.stages.reports import curves

SCRIPT = (
    "for n in range(1, 6): print(f\"epoch={n} train_loss={1 / n:.3f} val_score={'none' if n < 3 else n / 10}\")"
)


@pytest.fixture(scope="module")
def job(mock_settings: Settings) -> str:
    s3, sagemaker = aws.client(mock_settings, "s3"), aws.client(mock_settings, "sagemaker")
    bucket, name = f"curves-{uuid.uuid4().hex[:8]}", f"curves-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        info = tarfile.TarInfo("train.py")
        info.size = len(SCRIPT)
        archive.addfile(info, io.BytesIO(SCRIPT.encode()))
    s3.put_object(Bucket=bucket, Key="code.tar.gz", Body=sink.getvalue())
    names = {"train_loss": r"train_loss=([-+.0-9e]+)", "val_score": r"val_score=(\S+)", "never": "never=(.)"}
    sagemaker.create_training_job(
        TrainingJobName=name, RoleArn="arn:aws:iam::123456789012:role/trainer",
        HyperParameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{bucket}/code.tar.gz"},
        AlgorithmSpecification={"TrainingImage": "none", "TrainingInputMode": "File",
                                "MetricDefinitions": [{"Name": n, "Regex": r} for n, r in names.items()]},
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"}, StoppingCondition={"MaxRuntimeInSeconds": 60},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    )  # fmt: skip
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    return name


def test_the_curves_are_what_the_job_printed(mock_settings: Settings, job: str, tmp_path: Path) -> None:
    done = curves.run(mock_settings, tmp_path / "curves.html", [job])
    wanted = {"train_loss": [1.0, 0.5, 0.333, 0.25, 0.2], "val_score": [0.3, 0.4, 0.5]}  # 'none' is no value
    assert done.details["jobs"] == {job: wanted}
    assert json.loads((tmp_path / "curves.json").read_text()) == {job: wanted}
    text = (tmp_path / "curves.html").read_text()
    assert text.count("<figure") == text.count("<svg") == 2
    (loss,) = re.findall(r'mark-line.*?d="M([^"]*)"', text[text.index("train_loss <small>") :])[:1]
    points = [tuple(map(float, point.split(","))) for point in loss.split("L")]
    assert len(points) == 5
    assert points == sorted(points)  # a falling loss goes down the page: x and y grow together
    assert points[0] == (0, 0)  # the largest loss comes first, at the top left


def test_without_a_job_it_says_what_to_do(mock_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `make train` first, or name one with --job"):
        curves.run(mock_settings, tmp_path / "c.html")
