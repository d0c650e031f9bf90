"""Evaluation as a SageMaker processing job: `sagemaker/evaluate.py` on the raw zone and a submission.

The same score as stage evaluate, computed where the data are; `evaluation.json` stays in the model zone, where the
model registry refers to it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etholake import aws, logs
from etholake.contract import MODEL_ZONE, RAW_ZONE
from etholake.errors import AwsError
from etholake.settings import Settings
from etholake.stages import StageResult, train

__all__ = ["evaluate", "evaluation_request"]

POLL_S, POLL_MAX_S = 0.3, 10.0
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
ROOT = "/opt/ml/processing"


def evaluate(settings: Settings, submission: Path, videos: Sequence[int] | None = None) -> StageResult:
    """Score `submission` (a CSV of this machine) on the raw zone of the lake.

    Returns
    -------
    StageResult
        `details`: the scores of stage evaluate, `evaluation_uri`, `job_name`.

    Raises
    ------
    AwsError
        Nothing is deployed, or the job failed; the message has the reason.
    """
    s3, client = aws.client(settings, "s3"), aws.client(settings, "sagemaker")
    role = aws.stack_outputs(settings)["SageMakerRoleArn"]
    job = f"etholake-evaluate-{time.time_ns() // 1_000_000}"
    prefix = f"{MODEL_ZONE}/evaluations/{job}"
    with submission.open("rb") as content:
        s3.put_object(Bucket=settings.bucket, Key=f"{prefix}/submission/submission.csv", Body=content)
    client.create_processing_job(**evaluation_request(settings, job, prefix, role, videos or ()))
    _await(client, job)
    uri = f"s3://{settings.bucket}/{prefix}/evaluation.json"
    scores = json.loads(s3.get_object(Bucket=settings.bucket, Key=f"{prefix}/evaluation.json")["Body"].read())
    details = {"score": scores["score"], "labs": scores["labs"], "evaluation_uri": uri, "job_name": job}
    return StageResult("evaluate", "done", f"official score {scores['score']:.4f}, in {uri}", details)


def evaluation_request(
    settings: Settings, job: str, prefix: str, role: str, videos: Sequence[int] = ()
) -> dict[str, Any]:
    """Arguments of CreateProcessingJob. Pure."""
    bucket = f"s3://{settings.bucket}"
    inputs = {
        "source": f"{bucket}/{train.SOURCE}",
        "metadata": f"{bucket}/{RAW_ZONE}/metadata/",
        "annotations": f"{bucket}/{RAW_ZONE}/train_annotation/",
        "submission": f"{bucket}/{prefix}/submission/",
    }
    options = train.job_settings()
    script = (
        f"mkdir -p {ROOT}/code && tar -xzf {ROOT}/source/sourcedir.tar.gz -C {ROOT}/code && cd {ROOT}/code && "
        'exec python3 evaluate.py "$@"'
    )
    arguments = [
        word for name in ("metadata", "annotations", "submission") for word in (f"--{name}", f"{ROOT}/{name}")
    ]
    arguments += ["--output", f"{ROOT}/output", logs.ARGUMENT, logs.run_id()]
    if videos:
        arguments += ["--videos", ",".join(str(video) for video in videos)]
    return {
        "ProcessingJobName": job,
        "RoleArn": role,
        "AppSpecification": {
            "ImageUri": options["training"]["image"].format(region=settings.region, account=settings.account),
            "ContainerEntrypoint": ["/bin/bash", "-c", script, "evaluate"],
            "ContainerArguments": arguments,
        },
        "ProcessingInputs": [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"{ROOT}/{name}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, uri in inputs.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "evaluation",
                    "S3Output": {
                        "S3Uri": f"{bucket}/{prefix}",
                        "LocalPath": f"{ROOT}/output",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": settings.instance_type,
                "VolumeSizeInGB": options["processing"]["volume_gb"],
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": options["processing"]["max_runtime_s"]},
    }


def _await(client: Any, job: str) -> None:
    """Until the job has completed. Raises AwsError if it ended otherwise."""
    pause = POLL_S
    while True:
        found = client.describe_processing_job(ProcessingJobName=job)
        status = found["ProcessingJobStatus"]
        if status == "Completed":
            return
        if status in {"Failed", "Stopped"}:
            raise AwsError(
                f"Processing job '{job}' ended as {status}: {found.get('FailureReason', 'no reason was given')}\n"
                f"Its log is in the CloudWatch group {LOG_GROUP}."
            )
        time.sleep(pause)
        pause = min(pause * 1.2, POLL_MAX_S)
