"""Spot training jobs: checkpoints kept in S3 while they run, interruption, resumption, limits; warm pools."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sagemaker_lab import Lab

from etholake.settings import Settings
from local_mock.gate import SECRET_HEADER, secret_of

# Counts to STEPS, one checkpoint a step; says where it began, and what it did on SIGTERM.
COUNTER = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"])
state = folder / "state.json"
begun = json.loads(state.read_text()) if state.exists() else {"step": 0, "starts": []}
begun["starts"].append(begun["step"])
begun["pid"] = os.getpid()
def save():
    partial = folder / "partial"
    partial.write_text(json.dumps(begun))
    partial.replace(state)
def leave(*_):
    begun["told"] = begun.get("told", 0) + 1
    save()
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
while begun["step"] < int(os.environ.get("STEPS", "40")):
    begun["step"] += 1
    save()
    print(f"train_loss={1 / begun['step']:.4f}", flush=True)
    time.sleep(0.06)
pathlib.Path(os.environ["SM_MODEL_DIR"], "answer.json").write_text(json.dumps(begun))
"""


@pytest.fixture(scope="module")
def lab(mock_settings: Settings) -> Lab:
    return Lab(mock_settings)


def spot(lab: Lab, name: str, **more: Any) -> dict[str, Any]:
    return {
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": f"s3://{lab.bucket}/checkpoints/{name}"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
    } | more


def saved(lab: Lab, name: str) -> dict[str, Any]:
    """The newest checkpoint in S3, once there is one with at least ten steps."""
    for _ in range(300):
        try:
            body = lab.s3.get_object(Bucket=lab.bucket, Key=f"checkpoints/{name}/state.json")["Body"].read()
            if (content := json.loads(body))["step"] >= 10:
                assert isinstance(content, dict)
                return content
        except lab.s3.exceptions.NoSuchKey:
            pass
        time.sleep(0.05)
    raise AssertionError("no checkpoint came to S3 while the job ran")


def interrupt(lab: Lab, name: str) -> Any:
    url = f"{lab.settings.endpoint_url}/_local_mock/interrupt/{name}"
    headers = {SECRET_HEADER: secret_of(lab.settings.state_dir)}
    with urllib.request.urlopen(urllib.request.Request(url, method="POST", headers=headers), timeout=10) as answer:
        return json.loads(answer.read())


def steps_of(job: dict[str, Any]) -> list[str]:
    return [t["Status"] for t in job["SecondaryStatusTransitions"]]


RESUMED = [
    "Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training", "Uploading",
    "Completed",
]  # fmt: skip


def test_a_killed_spot_job_resumes_from_its_checkpoint(lab: Lab) -> None:
    name = lab.start(COUNTER, **spot(lab, "killed"))
    at = saved(lab, "killed")
    os.kill(at["pid"], signal.SIGKILL)
    job = lab.wait(name)
    assert (job["TrainingJobStatus"], steps_of(job)) == ("Completed", RESUMED), job
    answer = json.loads(lab.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"])["answer.json"])
    assert answer["step"] == 40
    assert answer["starts"][0] == 0
    assert at["step"] <= answer["starts"][1] < 40  # nothing that was saved is done again
    assert 2 <= job["BillableTimeInSeconds"] <= 30


def test_an_interruption_lets_it_save_first(lab: Lab) -> None:
    name = lab.start(COUNTER, **spot(lab, "told"))
    saved(lab, "told")
    assert interrupt(lab, name) == {"interrupted": name}
    job = lab.wait(name)
    assert (job["TrainingJobStatus"], steps_of(job)) == ("Completed", RESUMED), job
    answer = json.loads(lab.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"])["answer.json"])
    assert (answer["told"], len(answer["starts"]), answer["step"]) == (1, 2, 40)


def test_a_killed_job_that_is_not_spot_fails(lab: Lab) -> None:
    checkpoints = {"S3Uri": f"s3://{lab.bucket}/checkpoints/plain/"}
    name = lab.start(COUNTER, CheckpointConfig=checkpoints)
    at = saved(lab, "plain")
    with pytest.raises(urllib.error.HTTPError, match="409"):
        interrupt(lab, name)
    os.kill(at["pid"], signal.SIGKILL)
    job = lab.wait(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert "exit code -9" in job["FailureReason"]
    again = lab.wait(lab.start(COUNTER, CheckpointConfig=checkpoints))  # a new job goes on by hand
    answer = json.loads(lab.unpacked(again["ModelArtifacts"]["S3ModelArtifacts"])["answer.json"])
    assert answer["starts"][1] >= at["step"]


def test_stop_keeps_the_last_checkpoint_and_waiting_has_an_end(lab: Lab) -> None:
    name = lab.start(COUNTER, **spot(lab, "stopped", Environment={"STEPS": "400"}))
    at = saved(lab, "stopped")
    lab.sagemaker.stop_training_job(TrainingJobName=name)
    assert lab.wait(name)["SecondaryStatus"] == "Stopped"
    assert saved(lab, "stopped")["step"] >= at["step"]
    assert saved(lab, "stopped")["told"] == 1
    short = {"StoppingCondition": {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}}
    name = lab.start(COUNTER, **spot(lab, "short", Environment={"STEPS": "400"}, **short))
    assert lab.wait(name)["SecondaryStatus"] in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")


def test_the_rules_of_spot_training_are_kept(lab: Lab) -> None:
    with pytest.raises(ClientError, match="at least MaxRuntimeInSeconds"):
        lab.start(COUNTER, EnableManagedSpotTraining=True)
    with pytest.raises(ClientError, match="only be given with EnableManagedSpotTraining"):
        lab.start(COUNTER, StoppingCondition={"MaxRuntimeInSeconds": 5, "MaxWaitTimeInSeconds": 9})


def test_a_warm_pool_is_kept_as_state_and_reused(lab: Lab) -> None:
    pool = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 7,
            "KeepAlivePeriodInSeconds": 600}  # fmt: skip
    first = lab.start("print(1)", ResourceConfig=pool)
    assert lab.wait(first)["WarmPoolStatus"]["Status"] == "Available"
    second = lab.start("print(2)", ResourceConfig=pool)
    lab.wait(second)
    assert lab.wait(first)["WarmPoolStatus"] == {"Status": "Reused", "ReusedByJob": second}
    assert "WarmPoolStatus" not in lab.wait(lab.start("print(3)"))
