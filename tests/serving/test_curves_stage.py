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
from etholake.pages.curves import gaps_of, render, steps_of
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
    names = {
        "epoch": "epoch=([0-9]+)",
        "train_loss": r"train_loss=([-+.0-9e]+)",
        "val_score": r"val_score=(\S+)",
        "never": "never=(.)",
    }
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
    loss = [1.0, 0.5, 0.333, 0.25, 0.2]
    # 'none' is no value
    wanted = {"epoch": [1, 2, 3, 4, 5], "train_loss": loss, "val_score": [0.3, 0.4, 0.5]}
    assert done.details["jobs"] == {job: wanted}
    assert json.loads((tmp_path / "curves.json").read_text()) == {job: wanted}
    text = (tmp_path / "curves.html").read_text()
    # An epoch against itself says nothing: it is the axis of the two others.
    assert text.count("<figure") == text.count("<svg") == 2
    assert ">epoch</text>" in text
    points = drawn(text, "train_loss")
    assert len(points) == 5
    # A falling loss goes down the page: x and y grow together, from the top left.
    assert points == sorted(points)
    assert points[0] == (0, 0)
    # The first score was logged in epoch 3: it stands below the loss of epoch 3, not at the start.
    assert [x for x, _ in drawn(text, "val_score")] == [x for x, _ in points[2:]]


def drawn(page: str, metric: str) -> list[tuple[float, ...]]:
    """Return the points of a metric's line."""
    (line,) = re.findall(r'mark-line.*?d="M([^"]*)"', page[page.index(f"{metric} <small>") :])[:1]
    return [tuple(map(float, point.split(","))) for point in line.split("L")]


def test_epochs_are_the_axis_only_where_they_grow() -> None:
    expressions = {"epoch": "epoch=([0-9]+)", "loss": r"loss=(\S+)"}
    grow = curves.rows_of(["epoch=1 loss=3", "words", "epoch=4 loss=nan", "epoch=5 loss=none"], expressions)
    assert [sorted(row) for row in grow] == [["epoch", "loss"], ["epoch", "loss"], ["epoch"]]
    assert steps_of(grow) == [1, 4, 5]
    assert gaps_of(grow) == {"loss": [3, None, None]}
    again = curves.rows_of(["epoch=1 loss=3", "epoch=1 loss=2 loss=1"], expressions)
    assert curves.curves_of(again) == {"epoch": [1, 1], "loss": [3, 2, 1]}
    assert steps_of(again) is None
    page = render({"grow": grow, "again": again})
    assert ">logged line</text>" in page
    assert page.count("<svg") == 1


def test_a_job_that_logs_epochs_alone_has_no_metric(
    mock_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "read", lambda _, job: [{"epoch": 1.0}] if job == "bare" else [])
    with pytest.raises(DataError, match="The logs of bare hold no metric"):
        curves.run(mock_settings, tmp_path / "c.html", ["bare"])


def test_without_a_job_it_says_what_to_do(mock_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `make train` first, or name one with --job"):
        curves.run(mock_settings, tmp_path / "c.html")
