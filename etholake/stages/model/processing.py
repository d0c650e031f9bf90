"""Run SageMaker processing jobs: a script of `sagemaker/` on inputs of the lake, its output in the model zone.

`evaluate` scores a submission by `sagemaker/evaluate.py`, where the data are: `evaluation.json` stays in the model
zone, where the model registry refers to it. `stages.model.features` starts the job of `sagemaker/features.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws, logs
from etholake.contract import MODEL_ZONE, RAW_ZONE
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages import jobs
from etholake.stages.job_settings import image_uri, job_settings
from etholake.stages.model.training_inputs import SOURCE
from etholake.stages.state import save_state

__all__ = ["evaluate", "request", "start"]

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
    s3 = aws.client(settings, "s3")
    prefix = f"{MODEL_ZONE}/evaluations/{time.time_ns() // 1_000_000}"
    with submission.open("rb") as content:
        s3.put_object(Bucket=settings.bucket, Key=f"{prefix}/submission/submission.csv", Body=content)
    bucket = f"s3://{settings.bucket}"
    inputs = {
        "metadata": f"{bucket}/{RAW_ZONE}/metadata/",
        "annotations": f"{bucket}/{RAW_ZONE}/train_annotation/",
        "submission": f"{bucket}/{prefix}/submission/",
    }
    arguments = ["--videos", ",".join(str(video) for video in videos)] if videos else []
    job = start(settings, "evaluate", inputs, arguments, prefix)
    uri = f"s3://{settings.bucket}/{prefix}/evaluation.json"
    scores = json.loads(s3.get_object(Bucket=settings.bucket, Key=f"{prefix}/evaluation.json")["Body"].read())
    details = {"score": scores["score"], "labs": scores["labs"], "evaluation_uri": uri, "job_name": job}
    return StageResult("evaluate", "done", f"official score {scores['score']:.4f}, in {uri}", details)


def start(
    settings: Settings, script: str, inputs: Mapping[str, str], arguments: Sequence[str], prefix: str
) -> str:
    """Run ``sagemaker/<script>.py`` to its end; return the job's name. Raises AwsError unless it completed."""
    job = f"etholake-{script}-{time.time_ns() // 1_000_000}"
    role, client = aws.stack_outputs(settings)["SageMakerRoleArn"], aws.client(settings, "sagemaker")
    given = [*arguments, logs.ARGUMENT, logs.run_id()]
    client.create_processing_job(**request(settings, job, script, inputs, given, prefix, role))
    logs.log_event("job", f"Processing job {job} has started", job=job)
    description = jobs.completed(
        lambda: client.describe_processing_job(ProcessingJobName=job),
        "ProcessingJobStatus", f"Processing job '{job}'", LOG_GROUP,
        on_interrupt=lambda: client.stop_processing_job(ProcessingJobName=job),
    )  # fmt: skip
    seconds = (description["ProcessingEndTime"] - description["ProcessingStartTime"]).total_seconds()
    worked = {"job_name": job, "instance_type": settings.instance_type, "seconds": round(seconds, 1)}
    save_state(settings, f"processing-{script}", {"details": worked})
    return job


def request(
    settings: Settings,
    job: str,
    name: str,
    inputs: Mapping[str, str],
    arguments: Sequence[str],
    prefix: str,
    role: str,
) -> dict[str, Any]:
    """Return the arguments of CreateProcessingJob.

    The script `name` gets each of its `inputs` (name -> ``s3://`` prefix) as an argument; what it leaves in
    ``--output`` goes to `prefix` of the bucket.
    """
    bucket = f"s3://{settings.bucket}"
    limits = job_settings()["processing"]
    script = (
        f"mkdir -p {ROOT}/code && tar -xzf {ROOT}/source/sourcedir.tar.gz -C {ROOT}/code && cd {ROOT}/code && "
        f'exec python3 {name}.py "$@"'
    )
    named = [word for given in inputs for word in (f"--{given}", f"{ROOT}/{given}")]
    return {
        "ProcessingJobName": job,
        "RoleArn": role,
        "AppSpecification": {
            "ImageUri": image_uri(settings, "training"),
            "ContainerEntrypoint": ["/bin/bash", "-c", script, name],
            "ContainerArguments": [*named, "--output", f"{ROOT}/output", *arguments],
        },
        "ProcessingInputs": [
            {
                "InputName": given,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"{ROOT}/{given}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for given, uri in {"source": f"{bucket}/{SOURCE}", **inputs}.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "output",
                    "S3Output": {
                        "S3Uri": f"{bucket}/{prefix.rstrip('/')}",
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
                "VolumeSizeInGB": limits["volume_gb"],
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": limits["max_runtime_s"]},
    }
