"""Start the training job through the SageMaker Python SDK (`ModelTrainer`), and follow it to its end.

The SDK is imported only when there is something to do, and its telemetry is off.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.progress import OnProgress
from etholake.settings import Settings
from etholake.stages import jobs
from etholake.stages.job_settings import image_uri
from etholake.stages.model import instances

__all__ = ["LOG_GROUP", "follow", "launch", "sdk_environment"]

CHECKPOINTS = "/opt/ml/checkpoints"  # SageMaker copies it to S3 while the job runs, and back when it starts again
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_EPOCH = re.compile(r"epoch=(\d+) epochs=(\d+) (train_loss=\S+ val_score=\S+(?: left=\d+s)?)")


def launch(
    settings: Settings,
    role: str,
    source: str,
    options: Mapping[str, Any],
    parameters: Mapping[str, Any],
    channels: Mapping[str, str],
    checkpoints: str,
    extra: str = "",
) -> str:
    """Start the job inside `sdk_environment`; return its name.

    Parameters
    ----------
    source : where the code lies, ``s3://…/sourcedir.tar.gz``; its entry point is `train.py`.
    options : `training` of `sagemaker/jobs.json`.
    parameters : arguments of the entry point.
    channels : name -> ``s3://`` prefix.
    checkpoints : ``s3://`` prefix that the job's checkpoints are copied to, and back when it starts again.
    extra : "" or "video": the extra whose libraries the job needs beside those of every training.
    """
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.shapes import MetricDefinition
    from sagemaker.train.configs import (
        CheckpointConfig,
        Compute,
        InputData,
        OutputDataConfig,
        SourceCode,
        StoppingCondition,
    )
    from sagemaker.train.distributed import Torchrun

    from sagemaker.train import ModelTrainer

    needed = f"requirements-{extra}.txt" if extra else "requirements.txt"  # of `packages.build`
    per_instance = instances.processes(options)
    trainer = ModelTrainer(
        sagemaker_session=Session(
            boto_session=aws.session(settings),
            default_bucket=settings.bucket,  # else STS is asked at a fixed address
            default_bucket_prefix=f"{MODEL_ZONE}/training",
        ),
        role=role,
        base_job_name=f"etholake-train-{secrets.token_hex(3)}",  # the SDK adds the time in whole seconds only
        training_image=image_uri(settings, "training"),
        source_code=SourceCode(source_dir=source, entry_script="train.py", requirements=needed),
        compute=Compute(**instances.compute(settings.instance_type, options)),
        stopping_condition=StoppingCondition(**instances.stopping(options)),
        distributed=Torchrun(process_count_per_node=per_instance) if per_instance else None,
        hyperparameters=dict(parameters),
        output_data_config=OutputDataConfig(s3_output_path=settings.uri(MODEL_ZONE, "training")),
        checkpoint_config=CheckpointConfig(s3_uri=checkpoints, local_path=CHECKPOINTS),
        environment={"SM_CHECKPOINT_DIR": CHECKPOINTS},
    ).with_metric_definitions([MetricDefinition(name=n, regex=r) for n, r in options["metrics"].items()])
    data = [InputData(channel_name=name, data_source=uri) for name, uri in channels.items()]
    trainer.train(input_data_config=data, wait=False, logs=False)
    return str(trainer._latest_training_job.training_job_name)


@contextlib.contextmanager
def sdk_environment(settings: Settings) -> Iterator[None]:
    """Set this target's endpoint for the SDK's own clients, without telemetry; restore the environment after."""
    before = dict(os.environ)
    config = Path(settings.state_dir).resolve() / "sagemaker-sdk.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n",
        encoding="utf-8",
    )
    os.environ |= aws.environment(settings) | {
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
        # The role is ours: `infra/` says what it may do, and deploy has checked that it is there.
        "SAGEMAKER_VALIDATE_ROLE": "false",
    }
    logging.getLogger("sagemaker").setLevel(logging.WARNING)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def follow(settings: Settings, job: str, tick: OnProgress) -> dict[str, Any]:
    """Wait for the job's end and report its epochs; return its description. Ctrl-C stops the job.

    Raises AwsError unless it completed.
    """
    client, lines = aws.client(settings, "sagemaker"), _JobLog(settings, job)

    def describe() -> dict[str, Any]:
        description: dict[str, Any] = client.describe_training_job(TrainingJobName=job)
        for line in lines.new():
            if epoch := _EPOCH.search(line):
                tick(int(epoch[1]), int(epoch[2]), epoch[3])
        return description

    return jobs.completed(
        describe, "TrainingJobStatus", f"Training job '{job}'", LOG_GROUP,
        on_interrupt=lambda: client.stop_training_job(TrainingJobName=job),
    )  # fmt: skip


class _JobLog:
    """Read the job's log from where it was read last; yield nothing as long as there is no log."""

    def __init__(self, settings: Settings, job: str) -> None:
        self._logs, self._job = aws.client(settings, "logs"), job
        self._stream, self._token = "", ""

    def new(self) -> Iterator[str]:
        try:
            if not self._stream:
                streams = self._logs.describe_log_streams(
                    logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self._job}/"
                )["logStreams"]
                if not streams:
                    return
                self._stream = streams[0]["logStreamName"]
            while True:
                where = {"nextToken": self._token} if self._token else {"startFromHead": True}
                page = self._logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=self._stream, **where)
                yield from (event["message"] for event in page["events"])
                if page["nextForwardToken"] == self._token or not page["events"]:
                    return
                self._token = page["nextForwardToken"]
        except self._logs.exceptions.ResourceNotFoundException:
            return
