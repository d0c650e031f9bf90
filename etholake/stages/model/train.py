"""Stage train: launch the training job through the SageMaker Python SDK (`ModelTrainer`) and follow it.

The job runs the deployed `sourcedir.tar.gz` (entry point `sagemaker/train.py`) on channels that are folders of
the curated zone. Unchanged tables, code, configuration, seed and held-out videos start nothing. The inputs are in
`training_inputs`, the job in `training_job`, what it leaves in `training_result`, the learning itself in
`etholake.training`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from etholake import aws, logs
from etholake.contract import MODEL_ZONE, SPLITS
from etholake.objects import delete_objects, list_objects
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.job_settings import job_settings
from etholake.stages.model import features, out_of_fold, training_job, unlike
from etholake.stages.model.training_checks import check_configurations
from etholake.stages.model.training_inputs import (
    SOURCE,
    STAGE,
    TrainingOptions,
    TrainingPlan,
    channels,
    recommended,
    training_plan,
)
from etholake.stages.model.training_result import save_training, sentence
from etholake.stages.state import open_lake
from etholake.training.trackers import check_trackers

__all__ = ["TrainingOptions", "recommended", "run"]


def run(
    settings: Settings,
    config_name: str,
    holdout: Sequence[int] = (),
    on_progress: OnProgress | None = None,
    options: TrainingOptions | None = None,
) -> StageResult:
    """Train `config_name` (several, by comma, with folds), holding out `holdout` (or videos chosen per lab).

    `auto` stands for what `recommended` returns.
    The out-of-fold predictions of an ensemble become the partition of the job's name in the table `out_of_fold`.
    A job that is launched again after it was killed goes on from its checkpoints. Ctrl-C stops the job.

    Returns
    -------
    StageResult
        `details`: `model_uri`, `job_name`, `config`, `split` (train, validation and test spans of the model's
        meta.json), `metrics`, `seconds`; with folds `out_of_fold_rows`. `unchanged` if a model for the same
        inputs is there.

    Raises
    ------
    DataError
        The curated zone is empty, or has no labelled video.
    UsageError
        There is no such configuration, the options contradict each other or the tables, or the model to fine-tune
        is not there.
    AwsError
        Nothing is deployed, or the job failed; the message has the service's reason.
    """
    tick = on_progress or silent
    check_trackers(options.trackers if options else ())
    config_name, options, reason = recommended(config_name, options or TrainingOptions(), holdout)
    if reason:
        logs.log_event("note", reason)
    if not options.base:  # a base is fine-tuned by its own configuration
        check_configurations(config_name, options.fields, options.tasks)
    plan = training_plan(settings, config_name, holdout, options)
    if plan.model:
        summary = f"Tables, code and configuration '{config_name}' are those of the last model."
        return StageResult(STAGE, "unchanged", summary, plan.model)
    began = time.monotonic()
    tick(0, 1, "launching")
    name = _launch(settings, plan, options.trackers)
    job = training_job.follow(settings, name, tick)
    more: dict[str, Any] = {}
    if options.folds:
        output = job["ModelArtifacts"]["S3ModelArtifacts"].removesuffix("model.tar.gz") + "output.tar.gz"
        more["out_of_fold_rows"] = out_of_fold.store(settings, name, output, plan.digest)
    details = save_training(settings, plan.digest, config_name, job, time.monotonic() - began, **more)
    _delete_checkpoints(settings, plan.digest)
    notes = [*([reason] if reason else []), *_unlike(settings, details)]
    summary = "\n  ".join([sentence(details), *(f"Note: {note}" for note in notes)])
    return StageResult(STAGE, "done", summary, details)


def _unlike(settings: Settings, details: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each split with videos that differ from those that taught the model."""
    lake = open_lake(settings)
    by_split = {split: unlike.traits(lake, split) for split in SPLITS}
    for split, videos in by_split.items():
        if differing := unlike.unlike_taught(by_split, details, split):
            yield f"split {split}: {unlike.sentence(differing, len(videos))}"


def _launch(settings: Settings, plan: TrainingPlan, trackers: Sequence[str]) -> str:
    """Start the job; return its name."""
    role = aws.stack_outputs(settings)["SageMakerRoleArn"]
    checkpoints = f"s3://{settings.bucket}/{_checkpoint_prefix(plan.digest)}"
    parameters = plan.parameters | {logs.ARGUMENT.removeprefix("--"): logs.run_id()}
    if trackers:
        parameters["trackers"] = ",".join(trackers)
    inputs = channels(settings, plan.base, plan.clip_set, plan.weights, plan.values) | features.channel(settings)
    with training_job.sdk_environment(settings):
        name = training_job.launch(
            settings, role, f"s3://{settings.bucket}/{SOURCE}", job_settings()["training"], parameters,
            inputs, checkpoints, plan.extra,
        )  # fmt: skip
    logs.log_event("job", f"Training job {name} has started", job=name)
    return name


def _checkpoint_prefix(digest: str) -> str:
    """Return the key prefix for checkpoints.

    Runs with the same tables, code and parameters share it, so a restarted job resumes.
    """
    return f"{MODEL_ZONE}/checkpoints/{digest}/"


def _delete_checkpoints(settings: Settings, digest: str) -> None:
    """Delete the checkpoints of a run that is complete."""
    s3 = aws.client(settings, "s3")
    objects = list_objects(s3, settings.bucket, _checkpoint_prefix(digest))
    delete_objects(s3, settings.bucket, [item["Key"] for item in objects])
