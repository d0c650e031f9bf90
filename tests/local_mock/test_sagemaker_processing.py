"""Processing jobs of the mock: inputs, script, outputs, messages, failures, stop, time limit."""

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sagemaker_lab import Lab

from etholake import aws
from etholake.settings import Settings

SCRIPT = """
import json, os, pathlib, sys, time
root = pathlib.Path("/opt/ml/processing")
if "--fail" in sys.argv:
    sys.exit("this cannot be processed")
seen = sorted(str(p.relative_to(root / "in")) for p in (root / "in").rglob("*") if p.is_file())
(root / "out" / "seen.json").write_text(json.dumps({"seen": seen, "own": os.environ["OWN"], "argv": sys.argv[1:]}))
config = json.load(open("/opt/ml/config/resourceconfig.json"))
pathlib.Path("/opt/ml/output/message").write_text("on " + config["current_host"])
print("processed", len(seen), flush=True)
if "--slow" in sys.argv:
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def lab(mock_settings: Settings) -> Lab:
    made = Lab(mock_settings)
    made.s3.put_object(Bucket=made.bucket, Key="scripts/work.py", Body=SCRIPT.encode())
    return made


def start(lab: Lab, *arguments: str, mode: str = "EndOfJob", source: str = "in/", **changes: Any) -> str:
    name = f"p-{uuid.uuid4().hex[:8]}"

    def given(label: str, uri: str) -> dict[str, Any]:
        path = f"/opt/ml/processing/{label}"
        s3 = {
            "S3Uri": f"s3://{lab.bucket}/{uri}",
            "LocalPath": path,
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        }
        return {"InputName": label, "S3Input": s3}

    output = {"S3Uri": f"s3://{lab.bucket}/processed/{name}", "LocalPath": "/opt/ml/processing/out",
              "S3UploadMode": mode}  # fmt: skip
    lab.sagemaker.create_processing_job(
        **{
            "ProcessingJobName": name, "RoleArn": "arn:aws:iam::123456789012:role/processor",
            "AppSpecification": {
                "ImageUri": "none", "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/work.py"],
                "ContainerArguments": ["--n", "3", *arguments]},
            "ProcessingInputs": [given("code", "scripts/work.py"), given("in", source)],
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
            "ProcessingResources": {"ClusterConfig": {
                "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}},
            "Environment": {"OWN": "mine"}, "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        } | changes
    )  # fmt: skip
    return name


def ended(lab: Lab, name: str) -> dict[str, Any]:
    for _ in range(600):
        job: dict[str, Any] = lab.sagemaker.describe_processing_job(ProcessingJobName=name)
        if job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"):
            return job
        time.sleep(0.05)
    raise AssertionError(f"{name} has not ended")


def result(lab: Lab, name: str) -> dict[str, Any]:
    body = lab.s3.get_object(Bucket=lab.bucket, Key=f"processed/{name}/seen.json")["Body"].read()
    answer: dict[str, Any] = json.loads(body)
    return answer


def test_a_script_reads_inputs_and_its_outputs_are_in_s3(lab: Lab) -> None:
    name = start(lab)
    job = ended(lab, name)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert result(lab, name) == {"seen": ["a.txt", "deep/b.txt"], "own": "mine", "argv": ["--n", "3"]}
    assert job["ExitMessage"] == "on algo-1"
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    logs = aws.client(lab.settings, "logs")
    group = "/aws/sagemaker/ProcessingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"][0]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    assert "processed 2" in [e["message"] for e in events]
    listed = lab.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert [j["ProcessingJobStatus"] for j in listed] == ["Completed"]


def test_a_failure_says_why_and_writes_nothing(lab: Lab) -> None:
    name = start(lab, "--fail")
    job = ended(lab, name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "exit code 1" in job["FailureReason"]
    assert "this cannot be processed" in job["FailureReason"]
    assert "Contents" not in lab.s3.list_objects_v2(Bucket=lab.bucket, Prefix=f"processed/{name}/")
    job = ended(lab, start(lab, source="nothing/"))
    assert "No objects were found" in job["FailureReason"]


def test_stop_and_time_limit_end_it_and_continuous_output_is_there_before(lab: Lab) -> None:
    name = start(lab, "--slow", mode="Continuous")
    for _ in range(200):
        if "Contents" in lab.s3.list_objects_v2(Bucket=lab.bucket, Prefix=f"processed/{name}/"):
            break
        time.sleep(0.05)
    assert result(lab, name)["argv"][-1] == "--slow"
    lab.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert ended(lab, name)["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="in status Stopped"):
        lab.sagemaker.stop_processing_job(ProcessingJobName=name)
    job = ended(lab, start(lab, "--slow", StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert "MaxRuntimeInSeconds" in job["FailureReason"]


def on_two_instances(lab: Lab, *arguments: str, **source: str) -> str:
    """Start a job on two instances, each of which leaves `<host>.json`, and `same.json`."""
    s3 = {
        "S3Uri": f"s3://{lab.bucket}/in/",
        "LocalPath": "/opt/ml/processing/in",
        "S3DataType": "S3Prefix",
        **source,
    }
    code = {"S3Uri": f"s3://{lab.bucket}/scripts/host.py", "LocalPath": "/opt/ml/processing/code",
            "S3DataType": "S3Prefix"}  # fmt: skip
    return start(
        lab,
        AppSpecification={
            "ImageUri": "none",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/host.py"],
            "ContainerArguments": list(arguments) or ["nobody"],
        },
        ProcessingInputs=[{"InputName": "code", "S3Input": code}, {"InputName": "in", "S3Input": s3}],
        ProcessingResources={"ClusterConfig": {
            "InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}},
    )  # fmt: skip


HOST = """
import json, pathlib, sys, time
root = pathlib.Path("/opt/ml/processing")
config = json.load(open("/opt/ml/config/resourceconfig.json"))
host = config["current_host"]
if sys.argv[1] == host:
    sys.exit("this host fails")
if sys.argv[1] != "nobody":
    time.sleep(60)
seen = sorted(str(p.relative_to(root / "in")) for p in (root / "in").rglob("*") if p.is_file())
for name in (host, "same"):
    (root / "out" / f"{name}.json").write_text(json.dumps({"seen": seen, "hosts": config["hosts"], "host": host}))
"""


def test_several_instances_share_the_inputs_and_their_outputs_are_together(lab: Lab) -> None:
    lab.s3.put_object(Bucket=lab.bucket, Key="scripts/host.py", Body=HOST.encode())
    both = ["a.txt", "deep/b.txt"]
    names = [on_two_instances(lab, S3DataDistributionType="ShardedByS3Key"), on_two_instances(lab)]
    for name, shares in zip(names, ([["a.txt"], ["deep/b.txt"]], [both, both]), strict=True):
        assert ended(lab, name)["ProcessingJobStatus"] == "Completed"
        for host, share in zip(("algo-1", "algo-2"), shares, strict=True):
            body = lab.s3.get_object(Bucket=lab.bucket, Key=f"processed/{name}/{host}.json")["Body"].read()
            assert json.loads(body) == {"seen": share, "hosts": ["algo-1", "algo-2"], "host": host}
        listed = lab.s3.list_objects_v2(Bucket=lab.bucket, Prefix=f"processed/{name}/")["Contents"]
        assert len(listed) == 3
    job = ended(lab, on_two_instances(lab, "algo-2"))
    assert job["ProcessingJobStatus"] == "Failed"
    assert "exit code 1 on algo-2" in job["FailureReason"]
    assert "this host fails" in job["FailureReason"]
    with pytest.raises(ClientError, match=r"InstanceCount must be 1\.\.8, but got 9"):
        start(lab, ProcessingResources={"ClusterConfig": {
            "InstanceCount": 9, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}})  # fmt: skip


def test_what_is_not_done_is_refused(lab: Lab) -> None:
    job = ended(lab, start(lab, AppSpecification={"ImageUri": "none"}))
    assert "runs no container images" in job["FailureReason"]
    outside = {"S3Uri": f"s3://{lab.bucket}/in/", "LocalPath": "/etc", "S3DataType": "S3Prefix"}
    with pytest.raises(ClientError, match="LocalPath must lie below /opt/ml"):
        start(lab, ProcessingInputs=[{"InputName": "x", "S3Input": outside}])
    leaving = {"S3Uri": f"s3://{lab.bucket}/in/", "LocalPath": "/opt/ml/../../out", "S3DataType": "S3Prefix"}
    job = ended(lab, start(lab, ProcessingInputs=[{"InputName": "x", "S3Input": leaving}]))
    assert "would leave /opt/ml" in job["FailureReason"]
    with pytest.raises(ClientError, match="Could not find processing job"):
        lab.sagemaker.stop_processing_job(ProcessingJobName="nobody")
