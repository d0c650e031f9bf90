"""Training jobs of the mock, with small scripts: the container contract, artefacts, metrics, failures, stop."""

import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError
from sagemaker_lab import Lab, tar_gz

from etholake import aws
from etholake.settings import Settings

TRAIN = """
import json, os, sys, pathlib
print("hello from", pathlib.Path.cwd().name, sys.argv[1:], flush=True)
for epoch, loss in enumerate((0.9, 0.5, float("nan"), 0.25), 1):
    print(f"epoch={epoch} train_loss={loss:.4f}", flush=True)
seen = {name: sorted(str(p.relative_to(os.environ["SM_CHANNEL_DATA"]))
        for p in pathlib.Path(os.environ["SM_CHANNEL_DATA"]).rglob("*") if p.is_file()) for name in ["data"]}
answer = {"hps": json.loads(os.environ["SM_HPS"]), "argv": sys.argv[1:], "seen": seen, "own": os.environ["OWN"],
          "settings": [n for n in os.environ if n.startswith("ETHOLAKE_") and n != "ETHOLAKE_S3_MOUNT"],
          "config": json.load(open(os.environ["SM_INPUT_CONFIG_DIR"] + "/hyperparameters.json"))}
pathlib.Path(os.environ["SM_MODEL_DIR"], "answer.json").write_text(json.dumps(answer))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("fine")
"""
FAIL = """
import os, sys
open(os.environ["SM_OUTPUT_FAILURE"], "w").write("the data were of the wrong kind")
print("last words of the script")
sys.exit(3)
"""
SLOW = """
import os, pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "partial.txt").write_text("half")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("started", flush=True)
time.sleep(60)
"""
RUNTIME = "echo up > /opt/ml/model/where.txt; cat /opt/ml/input/config/resourceconfig.json"


@pytest.fixture(scope="module")
def lab(mock_settings: Settings) -> Lab:
    return Lab(mock_settings)


def test_runs_the_entry_point_under_the_container_contract(lab: Lab) -> None:
    name = lab.start(TRAIN)
    job = lab.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed"), job
    steps = [t["Status"] for t in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]} == {"loss": 0.25}
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{lab.bucket}/out/{name}/output/model.tar.gz"
    answer = json.loads(lab.unpacked(uri)["answer.json"])
    assert answer["hps"] == {"rate": 0.5, "name": "walk"}
    assert answer["argv"] == ["--rate", "0.5", "--name", "walk"]
    assert answer["seen"] == {"data": ["a.txt", "deep/b.txt"]}
    assert answer["own"].endswith(f"{name}/algo-1/own")
    assert not answer["settings"]
    assert answer["config"]["rate"] == "0.5"
    assert lab.unpacked(uri.replace("model.tar", "output.tar")) == {"report.txt": b"fine"}
    assert job["Environment"] == {"OWN": "/opt/ml/own"}
    listed = lab.sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    assert [j["TrainingJobStatus"] for j in listed] == ["Completed"]


def test_its_lines_are_in_the_logs_when_it_has_ended(lab: Lab) -> None:
    name = lab.start(TRAIN)
    lab.wait(name)
    logs = aws.client(lab.settings, "logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"]
    assert streams[0]["logStreamName"].startswith(f"{name}/algo-1")
    events = logs.get_log_events(
        logGroupName=group, logStreamName=streams[0]["logStreamName"], startFromHead=True
    )["events"]
    assert "epoch=4 train_loss=0.2500" in [e["message"] for e in events]


def test_a_container_entry_point_sees_its_own_opt_ml(lab: Lab) -> None:
    algorithm = {
        "TrainingImage": "none", "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", RUNTIME],
    }  # fmt: skip
    job = lab.wait(lab.start(None, AlgorithmSpecification=algorithm))
    assert job["TrainingJobStatus"] == "Completed", job
    assert lab.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"where.txt": b"up\n"}


def test_failure_reason_holds_exit_code_failure_file_and_last_lines(lab: Lab) -> None:
    job = lab.wait(lab.start(FAIL))
    assert job["TrainingJobStatus"] == "Failed"
    assert "ModelArtifacts" not in job
    for part in ("AlgorithmError: exit code 3", "the data were of the wrong kind", "last words of the script"):
        assert part in job["FailureReason"]
    assert len(job["FailureReason"]) <= 1024


def test_stop_uploads_what_was_saved(lab: Lab) -> None:
    name = lab.start(SLOW)
    lab.until(name, "Training")
    time.sleep(0.3)  # the script installs its handler
    lab.sagemaker.stop_training_job(TrainingJobName=name)
    job = lab.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert lab.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"partial.txt": b"half"}
    with pytest.raises(ClientError, match="in status Stopped"):
        lab.sagemaker.stop_training_job(TrainingJobName=name)


def test_max_runtime_ends_it(lab: Lab) -> None:
    job = lab.wait(lab.start(SLOW, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_manifest_brings_the_keys_it_names(lab: Lab) -> None:
    manifest = [{"prefix": f"s3://{lab.bucket}/in/"}, "deep/b.txt"]
    lab.s3.put_object(Bucket=lab.bucket, Key="m.json", Body=json.dumps(manifest).encode())
    channel = [{"ChannelName": "data", "DataSource": {"S3DataSource": {
        "S3DataType": "ManifestFile", "S3Uri": f"s3://{lab.bucket}/m.json"}}}]  # fmt: skip
    job = lab.wait(lab.start(TRAIN, InputDataConfig=channel))
    answer = json.loads(lab.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"])["answer.json"])
    assert answer["seen"] == {"data": ["deep/b.txt"]}


def test_an_empty_channel_fails_with_its_name(lab: Lab) -> None:
    channel = [{"ChannelName": "data", "DataSource": {"S3DataSource": {
        "S3DataType": "S3Prefix", "S3Uri": f"s3://{lab.bucket}/nothing/"}}}]  # fmt: skip
    job = lab.wait(lab.start(TRAIN, InputDataConfig=channel))
    assert job["TrainingJobStatus"] == "Failed"
    assert "No objects were found" in job["FailureReason"]
    assert "channel 'data'" in job["FailureReason"]


def test_an_archive_that_would_leave_its_folder_is_refused(lab: Lab) -> None:
    request = lab.request("print('never')")
    evil = tar_gz({"../evil.py": "print('out')", "train.py": "print('in')"})
    lab.s3.put_object(Bucket=lab.bucket, Key="code/evil.tar.gz", Body=evil)
    request["HyperParameters"]["sagemaker_submit_directory"] = f'"s3://{lab.bucket}/code/evil.tar.gz"'
    lab.sagemaker.create_training_job(**request)
    job = lab.wait(request["TrainingJobName"])
    assert "would leave the folder" in job["FailureReason"]


def test_names_are_unique_and_plain(lab: Lab) -> None:
    name = lab.start(TRAIN)
    with pytest.raises(ClientError, match="must be unique") as caught:
        lab.start(TRAIN, TrainingJobName=name)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    with pytest.raises(ClientError, match="regular expression"):
        lab.start(TRAIN, TrainingJobName="a/../b")
    lab.wait(name)


def test_what_is_not_done_is_refused(lab: Lab) -> None:
    with pytest.raises(ClientError, match=r"InstanceCount must be 1\.\.8, but got 9"):
        lab.start(TRAIN, ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 9, "VolumeSizeInGB": 1})
    job = lab.wait(lab.start(None))
    assert "runs no container images" in job["FailureReason"]
    with pytest.raises(ClientError, match="Could not find training job"):
        lab.sagemaker.stop_training_job(TrainingJobName="nobody")


def test_iam_simulation_says_what_the_mock_does(lab: Lab) -> None:
    iam = aws.client(lab.settings, "iam")
    role = iam.create_role(RoleName=f"r-{uuid.uuid4().hex[:6]}", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    results = iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["s3:PutObject"], ResourceArns=["arn:aws:s3:::b/*"]
    )["EvaluationResults"]
    assert [(r["EvalActionName"], r["EvalDecision"]) for r in results] == [("s3:PutObject", "allowed")]
