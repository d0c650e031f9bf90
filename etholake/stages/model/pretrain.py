"""Stage pretrain: a training job that learns from all tracks of the lake, labelled or not.

It is the job of stage `train` (same code, role and checkpoints) with other channels and without labels. Its model
is a base for ``etholake train --from`` and for ``etholake impute``; the lake's newest model stays what it is.
Unchanged tables, code, configuration and seed start nothing.
"""

from __future__ import annotations

import time
from typing import Any

from etholake import aws, logs
from etholake.contract import CURATED_ZONE, MODEL_ZONE
from etholake.digest import fingerprint
from etholake.errors import DataError, UsageError
from etholake.generations import identity
from etholake.models.network_family import NetworkFamily
from etholake.models.registry import resolve
from etholake.objects import delete_objects, list_objects, object_exists
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.job_settings import job_settings
from etholake.stages.model import training_job
from etholake.stages.model.explain import reconstruction_lines
from etholake.stages.model.training_inputs import SOURCE, deployed_fingerprint, hyperparameters
from etholake.stages.model.training_result import model_metadata
from etholake.stages.model_packages import add_pretrained
from etholake.stages.state import load_state, open_lake, save_state

__all__ = ["STAGE", "run"]

STAGE = "pretrain"
_TABLES = {
    "train": {"tracking": "tracking_curated/split=train/", "metadata": "metadata_train/"},
    "test": {"tracking_test": "tracking_curated/split=test/", "metadata_test": "metadata_test/"},
}


def run(settings: Settings, config_name: str, on_progress: OnProgress | None = None) -> StageResult:
    """Pre-train a configuration on all tracks of the lake.

    The model becomes a version of the registry, which cannot be approved.

    `details`: `model_uri` (for ``train --from``), `version` (its number in the registry), `job_name`, `config`,
    `reconstruction` (errors in cm of held-out videos, see `training.reconstruction.gap_errors`), `losses` (of
    training and validation by epoch), `seconds`.

    Raises
    ------
    UsageError
        There is no such configuration, or its family cannot be pre-trained.
    DataError
        The lake has no tracks.
    AwsError
        Nothing is deployed, or the job failed; the message has the service's reason.
    """
    tick = on_progress or silent
    family, _ = resolve(config_name)
    if not isinstance(family, NetworkFamily) or not family.can_pretrain:
        raise UsageError(
            f"The family '{family.name}' cannot be pre-trained: it learns from labels only. Name a configuration "
            "of pose_bert."
        )
    inputs, states = _channels(settings)
    parameters = hyperparameters(settings, config_name, ()) | {"pretrain": 1}
    digest = fingerprint(states, deployed_fingerprint(settings), parameters)
    state = load_state(settings, STAGE)
    if state.get("fingerprint") == digest:
        details: dict[str, Any] = state["details"]
        if object_exists(aws.client(settings, "s3"), details["model_uri"]):
            return StageResult(
                STAGE, "unchanged", "Tables, code and configuration are those of the last one.", details
            )
    began = time.monotonic()
    tick(0, 1, "launching")
    prefix = f"{MODEL_ZONE}/checkpoints/{digest}/"
    with training_job.sdk_environment(settings):
        name = training_job.launch(
            settings, aws.stack_outputs(settings)["SageMakerRoleArn"], f"s3://{settings.bucket}/{SOURCE}",
            job_settings()["training"], parameters | {logs.ARGUMENT.removeprefix("--"): logs.run_id()}, inputs,
            f"s3://{settings.bucket}/{prefix}",
        )  # fmt: skip
    job = training_job.follow(settings, name, tick)
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    meta = model_metadata(settings, uri)
    details = {
        "model_uri": uri,
        "version": add_pretrained(settings, job["TrainingJobName"], config_name, uri).number,
        "job_name": job["TrainingJobName"],
        "config": config_name,
        "reconstruction": meta["reconstruction"],
        "losses": [[row["train_loss"], row["val_loss"]] for row in meta["history"]],
        "seconds": round(time.monotonic() - began, 1),
    }
    save_state(settings, STAGE, {"fingerprint": digest, "details": details})
    s3 = aws.client(settings, "s3")
    delete_objects(s3, settings.bucket, [o["Key"] for o in list_objects(s3, settings.bucket, prefix)])
    text = [
        f"Model '{config_name}' pre-trained in {details['seconds']:.0f} s: version {details['version']} of the "
        f"registry, {uri}; train from it with `etholake train --from pretrained`.",
        *reconstruction_lines(meta["reconstruction"]),
    ]
    return StageResult(STAGE, "done", "\n  ".join(text), details)


def _channels(settings: Settings) -> tuple[dict[str, str], list[Any]]:
    """Return the channels of both splits, as far as they have tracks, and the states of their tables."""
    lake = open_lake(settings)
    inputs: dict[str, str] = {}
    states: list[Any] = []
    for split, folders in _TABLES.items():
        tracking = [p for p in lake.partitions("tracking_curated") if p.get("split") == split]
        table = f"metadata_{split}"
        if not tracking or not lake.partitions(table):
            continue
        inputs |= {name: f"s3://{settings.bucket}/{CURATED_ZONE}/{folder}" for name, folder in folders.items()}
        states += [["tracking_curated", p, identity(lake.current("tracking_curated", p))] for p in tracking]
        states += [[table, p, identity(lake.current(table, p))] for p in lake.partitions(table)]
    if not inputs:
        raise DataError("The curated zone has no tracks: run `make etl` first.")
    return inputs, states
