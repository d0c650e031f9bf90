"""Stage train: launch the training job through the SageMaker Python SDK (`ModelTrainer`) and follow it.

The job runs the deployed `sourcedir.tar.gz` (entry point `sagemaker/train.py`) on channels that are folders of
the curated zone. Unchanged tables, code, configuration, seed and held-out videos start nothing. How the SDK is
called and the job followed is in `training_job`, the learning itself in `etholake.training`.
"""

from __future__ import annotations

import io
import json
import math
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from etholake import aws, logs
from etholake.contract import CODE_ZONE, CURATED_ZONE, MODEL_ZONE
from etholake.digest import fingerprint
from etholake.errors import AwsError, DataError, UsageError
from etholake.lake import Lake, identity
from etholake.progress import OnProgress, silent
from etholake.resources import repository
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model import models, out_of_fold, training_job
from etholake.stages.state import load_state, save_state

__all__ = [
    "CHANNELS",
    "SOURCE",
    "TrainingOptions",
    "TrainingPlan",
    "channels",
    "hyperparameters",
    "job_settings",
    "plan",
    "run",
    "save",
]  # fmt: skip


STAGE = "train"
CHANNELS = {
    "tracking": "tracking_curated/split=train/",
    "metadata": "metadata_train/",
    "labels": "labeled_behaviors/",
    "annotations": "annotations_enriched/",
}
SOURCE = f"{CODE_ZONE}/sourcedir.tar.gz"
# What of the deployed package decides the model and what it ships; a change elsewhere need not train again.
MODEL_CODE = (
    "train.py", "inference.py", "serve.py", "etholake/contract/", "etholake/curate/", "etholake/dataset/",
    "etholake/events/",
    "etholake/features/", "etholake/models/", "etholake/training/",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingOptions:
    """An ensemble instead of one model: of so many folds by video (0: one model), each with so many seeds.

    Or a stack on an ensemble of each configuration; or a model that is trained before goes on with the lake's
    labs, by its own configuration.
    """

    folds: int = 0
    seeds: int = 1
    space: str = "probability"  # in which the members are averaged; or "logit"
    stack: bool = False
    base: str = ""  # a model to fine-tune, as `stages.models.pack` takes it; "" for none
    labs: tuple[str, ...] = ()  # train on these labs only; () for all


def run(
    settings: Settings,
    config_name: str,
    holdout: Sequence[int] = (),
    on_progress: OnProgress | None = None,
    wish: TrainingOptions | None = None,
) -> StageResult:
    """Train `config_name` (several, by comma, with folds), holding out `holdout` (or videos chosen per lab).

    What an ensemble said out of fold becomes the partition of the job's name in the table `out_of_fold`. A job
    that is launched again after it was killed goes on from its checkpoints.

    Returns
    -------
    StageResult
        `details`: `model_uri`, `job_name`, `config`, `split` (train, validation and test spans of the model's
        meta.json), `metrics`, `seconds`; with folds `out_of_fold_rows`. `unchanged` if a model for the same
        inputs is there.

    Raises
    ------
    DataError
        The curated zone is empty.
    UsageError
        The model to fine-tune is not there.
    AwsError
        Nothing is deployed, or the job failed; the message has the service's reason.
    """
    tick = on_progress or silent
    planned = plan(settings, config_name, holdout, wish)
    if planned.model:
        return StageResult(
            STAGE, "unchanged", f"Tables, code and configuration '{config_name}' are those of the last model.",
            planned.model,
        )  # fmt: skip
    began = time.monotonic()
    tick(0, 1, "launching")
    job = _launch(settings, planned.parameters, planned.digest, planned.base)
    try:
        found = training_job.follow(settings, job, tick)
    except KeyboardInterrupt:
        aws.client(settings, "sagemaker").stop_training_job(TrainingJobName=job)
        raise
    more: dict[str, Any] = {}
    if wish and wish.folds:
        output = found["ModelArtifacts"]["S3ModelArtifacts"].removesuffix("model.tar.gz") + "output.tar.gz"
        more["out_of_fold_rows"] = out_of_fold.store(settings, job, output, planned.digest)
    details = save(settings, planned.digest, config_name, found, time.monotonic() - began, **more)
    _forget_checkpoints(settings, planned.digest)
    return StageResult(STAGE, "done", _sentence(details), details)


# --- what the job is made of: pure --------------------------------------------------------------------------
@cache
def job_settings() -> dict[str, Any]:
    """Images, limits and metric expressions of training, hosting and transform: `sagemaker/jobs.json`."""
    content = json.loads((repository() / "sagemaker" / "jobs.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def hyperparameters(
    settings: Settings, config_name: str, holdout: Sequence[int], wish: TrainingOptions | None = None
) -> dict[str, Any]:
    """Arguments of `sagemaker/train.py`."""
    parameters: dict[str, Any] = {
        "config": config_name,
        "seed": settings.seed,
        "max_gap_frames": settings.max_gap_frames,
    }
    if holdout:
        parameters["holdout"] = ",".join(str(video) for video in sorted(set(holdout)))
    if settings.part_map:
        parameters["part_map"] = settings.part_map
    if wish and wish.labs:
        parameters["labs"] = ",".join(sorted(set(wish.labs)))
    if wish and wish.folds:
        parameters |= {"folds": wish.folds, "seeds": wish.seeds, "space": wish.space}
        if wish.stack:
            parameters["stack"] = 1
    return parameters


def channels(settings: Settings, base: str | None = None) -> dict[str, str]:
    """``s3://`` prefix of every channel; `base` is that of a model to fine-tune."""
    tables = {name: f"s3://{settings.bucket}/{CURATED_ZONE}/{folder}" for name, folder in CHANNELS.items()}
    return tables | ({"model": base} if base else {})


# --- what decides whether anything is to be done -----------------------------------------------------------
@dataclass(frozen=True)
class TrainingPlan:
    """What would be trained: the inputs' digest, the job's arguments; `model` describes one that is there."""

    digest: str
    parameters: dict[str, Any]
    model: dict[str, Any] | None
    base: str | None = None  # channel of the model that is fine-tuned


def plan(
    settings: Settings, config_name: str, holdout: Sequence[int] = (), wish: TrainingOptions | None = None
) -> TrainingPlan:
    """What a training on the tables as they are would be. Errors: see `run`."""
    if wish and wish.base and wish.folds:
        raise UsageError("--from fine-tunes one model: leave --folds out.")
    if not (wish and wish.folds) and ("," in config_name or (wish and wish.stack)):
        raise UsageError("Several configurations, or a stack of them, are cross-validated: say --folds 5, too.")
    inputs, code = _inputs(settings), _code(settings)
    base = models.stage(settings, wish.base) if wish and wish.base else None
    parameters = hyperparameters(settings, config_name, holdout, wish)
    digest = fingerprint(inputs, code, parameters, *([base] if base else []))
    state = load_state(settings, STAGE)
    same = state.get("fingerprint") == digest and _exists(settings, state["details"]["model_uri"])
    return TrainingPlan(digest, parameters, state["details"] if same else None, base)


def save(
    settings: Settings, digest: str, config_name: str, found: dict[str, Any], seconds: float, **more: Any
) -> dict[str, Any]:
    """Leave the stage's state for the next run; `found` describes the job that completed. Returns the details."""
    uri = found["ModelArtifacts"]["S3ModelArtifacts"]
    meta = _meta(settings, uri)
    details = {
        "model_uri": uri,
        "job_name": found["TrainingJobName"],
        "config": config_name,
        "split": meta["split"],
        **({"fine_tuned": meta["fine_tuned"]} if "fine_tuned" in meta else {}),
        "metrics": _metrics(found, meta),
        "notes": meta.get("notes", []),
        "seconds": round(seconds, 1),
        **more,
    }
    save_state(settings, STAGE, {"fingerprint": digest, "details": details})
    return details


def _inputs(settings: Settings) -> list[Any]:
    """Table, partition and identity of everything that the channels hold."""
    lake = Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)
    found = []
    for folder in CHANNELS.values():
        table = folder.partition("/")[0]
        partitions = [p for p in lake.partitions(table) if p.get("split", "train") == "train"]
        if not partitions:
            raise DataError(f"Table {table} of the curated zone is empty: run `make etl` first.")
        for partition in partitions:
            found.append([table, partition, identity(lake.current(table, partition))])
    return found


def _code(settings: Settings) -> str:
    """Fingerprint of the model's code as deployed (not as it lies on this machine)."""
    from botocore.exceptions import ClientError

    try:
        body = aws.client(settings, "s3").get_object(Bucket=settings.bucket, Key=SOURCE)["Body"].read()
    except ClientError as err:
        raise AwsError(
            f"The code of the training job is not at s3://{settings.bucket}/{SOURCE}: run `make deploy` first."
        ) from err
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        members = [m for m in archive.getmembers() if m.isreg() and m.name.startswith(MODEL_CODE)]
        return fingerprint([(m.name, fingerprint(_member(archive, m).hex())) for m in members])


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo | str) -> bytes:
    content = archive.extractfile(member)
    assert content is not None  # a regular file
    return content.read()


def _exists(settings: Settings, uri: str) -> bool:
    from botocore.exceptions import ClientError

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        aws.client(settings, "s3").head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True


# --- the job ------------------------------------------------------------------------------------------------
def _launch(settings: Settings, parameters: dict[str, Any], digest: str, base: str | None) -> str:
    """Start the job; returns its name."""
    from etholake.stages.model import features

    role = aws.stack_outputs(settings)["SageMakerRoleArn"]
    checkpoints = f"s3://{settings.bucket}/{_checkpoint_prefix(digest)}"
    named = parameters | {logs.ARGUMENT.removeprefix("--"): logs.run_id()}
    found = channels(settings, base) | features.channel(settings)
    with training_job.sdk_environment(settings):
        job = training_job.launch(
            settings, role, f"s3://{settings.bucket}/{SOURCE}", job_settings()["training"], named,
            found, checkpoints,
        )  # fmt: skip
    logs.tell("job", f"Training job {job} has started", job=job)
    return job


def _checkpoint_prefix(digest: str) -> str:
    """Of what is the same run: the same tables, code and parameters."""
    return f"{MODEL_ZONE}/checkpoints/{digest}/"


def _forget_checkpoints(settings: Settings, digest: str) -> None:
    """Of a run that is complete."""
    s3 = aws.client(settings, "s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=_checkpoint_prefix(digest))
    for keys in ([{"Key": item["Key"]} for item in page.get("Contents", [])] for page in pages):
        if keys:
            s3.delete_objects(Bucket=settings.bucket, Delete={"Objects": keys})


# --- the result ---------------------------------------------------------------------------------------------
def _meta(settings: Settings, uri: str) -> dict[str, Any]:
    """`meta.json` of a model archive."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = aws.client(settings, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            meta = json.loads(_member(archive, "meta.json"))
    except (tarfile.TarError, KeyError, ValueError) as err:
        raise AwsError(f"The training job left no readable meta.json in {uri}: {err}.") from err
    assert isinstance(meta, dict)
    return meta


def _metrics(found: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """The job's last metric values, and the score of the epoch that was kept."""
    metrics: dict[str, Any] = {m["MetricName"]: m["Value"] for m in found.get("FinalMetricDataList", [])}
    score = (meta.get("validation") or {}).get("score")
    metrics["best_val_score"] = score if isinstance(score, float) and math.isfinite(score) else None
    return metrics


def _sentence(details: dict[str, Any]) -> str:
    split, score = details["split"], details["metrics"]["best_val_score"]
    counts = ", ".join(
        f"{len({s['video_id'] for s in split[part]})} {part}" for part in ("train", "validation", "test")
    )
    said = "no validation score" if score is None else f"validation score {score:.3f}"
    if tuned := details.get("fine_tuned"):
        before = (tuned["before"] or {}).get("score")
        added = [*tuned["labs_added"], *tuned["actions_added"]]
        said += (
            f" (before: {'none' if before is None else f'{before:.3f}'}; added: {', '.join(added) or 'nothing'})"
        )
    return f"Model '{details['config']}' trained in {details['seconds']:.0f} s on videos ({counts}): {said}."
