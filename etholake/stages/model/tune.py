"""Stage tune: run a SageMaker hyper-parameter tuning job over the training of `train`, and return its best trial.

Strategy and limits are in `sagemaker/jobs.json` under `tuning`. The ranges are those of the model family
(`ModelFamily.tuning_ranges`), unless `ranges` there names others; a range belongs to a field of the configuration.
Each training job runs `sagemaker/trial.py` of the deployed source package. The same tables, code, ranges and
limits are not tuned twice.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from etholake import aws, logs
from etholake.contract import MODEL_ZONE
from etholake.digest import fingerprint
from etholake.errors import AwsError, SettingsError, UsageError
from etholake.models.registry import resolve
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.job_settings import image_uri, job_settings
from etholake.stages.model import backbones, features
from etholake.stages.model.clip_sets import clip_set_to_train
from etholake.stages.model.training_checks import check_data
from etholake.stages.model.training_inputs import (
    MODEL_SCRIPTS,
    SOURCE,
    TrainingOptions,
    channels,
    clip_states,
    deployed_fingerprint,
    hyperparameters,
    table_states,
)
from etholake.stages.state import load_state, open_lake, save_state
from etholake.stages.waiting import wait_for

__all__ = ["ranges", "ranges_request", "run", "search_request", "tuning_request"]

STAGE = "tune"
SCRIPTS = ("trial.py", *MODEL_SCRIPTS)
ENDED = frozenset({"Completed", "Failed", "Stopped"})


def run(
    settings: Settings,
    config_name: str,
    holdout: Sequence[int] = (),
    on_progress: OnProgress | None = None,
    *,
    fields: Mapping[str, Any] | None = None,
    weights: str = "",
    **changes: Any,
) -> StageResult:
    """Tune the configuration `config_name`.

    `fields` replace fields of it, and `weights` are those that its backbone starts with, both as in
    `training_inputs.TrainingOptions`. `changes` replace entries of `tuning` in jobs.json (strategy, jobs, …); None
    leaves an entry as it is.

    Returns
    -------
    StageResult
        `details`: `best` (parameters, objective, model_uri, job_name), `trials` (the same for every job, in the
        order of their start), `tuning_job`.

    Raises
    ------
    DataError
        The curated zone is empty, or has no labelled video.
    SettingsError
        A range cannot be used, or there is none; or the part map is not written as it must be.
    UsageError
        The configuration does not exist, or a held-out video or part does not (`training_checks.check_data`); a
        field is given that is tuned, or weights for a configuration without a backbone.
    AwsError
        Nothing is deployed, or no training job gave a value; the message has the service's reason.
    """
    tick = on_progress or silent
    options = job_settings()["tuning"] | {k: v for k, v in changes.items() if v is not None}
    options["ranges"] = ranges(config_name, options["ranges"])
    given = dict(fields or {})
    if both := sorted(given.keys() & options["ranges"].keys()):
        raise UsageError(
            f"The fields {', '.join(both)} are tuned: leave them out, or name other ranges in jobs.json."
        )
    parameters = hyperparameters(settings, config_name, holdout, TrainingOptions(fields=given))
    lake = open_lake(settings)
    clip_set = clip_set_to_train(lake, config_name)
    clips = clip_states(lake, clip_set)
    start = backbones.stage(settings, weights, config_name, given) if weights else None
    code = deployed_fingerprint(settings, SCRIPTS)
    digest = fingerprint(table_states(settings), code, parameters, options, *filter(None, (clips, start)))
    state = load_state(settings, STAGE)
    if state.get("fingerprint") == digest:
        return StageResult(
            STAGE, "unchanged", "Tables, code and ranges are those of the last tuning.", state["details"]
        )
    check_data(lake, holdout, part_map=settings.part_map)
    name = f"etholake-{digest[:8]}-{int(time.time()):x}{secrets.token_hex(2)}"  # of at most 32 characters
    named = parameters | {"run_id": logs.run_id()}
    role = aws.stack_outputs(settings)["SageMakerRoleArn"]
    more = features.channel(settings) | channels(settings, clip_set=clip_set, weights=start)
    request = tuning_request(settings, name, named, role, options, more)
    client = aws.client(settings, "sagemaker")
    client.create_hyper_parameter_tuning_job(**request)
    ended = _follow(client, name, tick)
    trials = [_trial(client, summary) for summary in _summaries(client, name)]
    best = next(t for t in trials if t["job_name"] == ended["BestTrainingJob"]["TrainingJobName"])
    details = {"tuning_job": name, "config": config_name, "best": best, "trials": trials}
    save_state(settings, STAGE, {"fingerprint": digest, "details": details})
    point = ", ".join(f"{key}={value}" for key, value in sorted(best["parameters"].items()))
    summary = f"best of {len(trials)} training jobs: {options['objective']} {best['objective']:.4f} with {point}."
    return StageResult(STAGE, "done", summary, details)


# --- the request: pure --------------------------------------------------------------------------------------
def ranges(config_name: str, own: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the ranges to search: `own`, or those of the configuration's family if `own` is empty.

    Raises SettingsError if there is none, or one is not for a field of the configuration.
    """
    family, config = resolve(config_name)
    chosen = dict(own or family.tuning_ranges)
    fields = {field.name for field in dataclasses.fields(config)}
    if not chosen:
        raise SettingsError(
            f"The model family '{family.name}' has no ranges to tune: name some under tuning.ranges of "
            "sagemaker/jobs.json."
        )
    if unknown := sorted(set(chosen) - fields):
        raise SettingsError(
            f"The ranges {unknown} are for no field of the configuration '{config_name}'; its fields: "
            f"{', '.join(sorted(fields))}."
        )
    return chosen


def ranges_request(ranges: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``ParameterRanges`` for ``{field: {"values": […]} | {"low", "high", "log", "whole"}}``."""
    request: dict[str, list[dict[str, Any]]] = {}
    for name, limits in ranges.items():
        if unknown := set(limits) - {"values", "low", "high", "log", "whole"}:
            raise SettingsError(f"Range '{name}' of sagemaker/jobs.json has unknown entries {sorted(unknown)}.")
        if "values" in limits:
            entry = {"Name": name, "Values": [str(value) for value in limits["values"]]}
            request.setdefault("CategoricalParameterRanges", []).append(entry)
            continue
        if "low" not in limits or "high" not in limits:
            raise SettingsError(f"Range '{name}' of sagemaker/jobs.json needs 'values', or 'low' and 'high'.")
        kind = "IntegerParameterRanges" if limits.get("whole") else "ContinuousParameterRanges"
        request.setdefault(kind, []).append(
            {
                "Name": name,
                "MinValue": str(limits["low"]),
                "MaxValue": str(limits["high"]),
                "ScalingType": "Logarithmic" if limits.get("log") else "Linear",
            }
        )
    return dict(request)


def search_request(settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``HyperParameterTuningJobConfig``: ranges, strategy and limits."""
    limits = {"MaxParallelTrainingJobs": int(options["parallel"])}
    if options["strategy"] != "Grid":
        limits["MaxNumberOfTrainingJobs"] = int(options["jobs"])
    return {
        "Strategy": options["strategy"],
        "RandomSeed": settings.seed,
        "HyperParameterTuningJobObjective": {"Type": options["type"], "MetricName": options["objective"]},
        "ResourceLimits": limits,
        "ParameterRanges": ranges_request(options["ranges"]),
        "TrainingJobEarlyStoppingType": options["early_stopping"],
    }


def tuning_request(
    settings: Settings,
    name: str,
    parameters: Mapping[str, Any],
    role: str,
    options: Mapping[str, Any],
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the arguments of CreateHyperParameterTuningJob; `more` are channels beside those of every training.

    A tuning job has no field for an entry point, so `sagemaker_program` names it, as the images' toolkit expects.
    """
    training = job_settings()["training"]
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": search_request(settings, options),
        "TrainingJobDefinition": {
            "StaticHyperParameters": {
                **{key: str(value) for key, value in parameters.items()},
                "sagemaker_program": "trial.py",
                "sagemaker_submit_directory": f"s3://{settings.bucket}/{SOURCE}",
            },
            "AlgorithmSpecification": {
                "TrainingImage": image_uri(settings, "training"),
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": n, "Regex": r} for n, r in training["metrics"].items()],
            },
            "RoleArn": role,
            "InputDataConfig": [
                {
                    "ChannelName": channel,
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
                }
                for channel, uri in (channels(settings) | dict(more or {})).items()
            ],
            "OutputDataConfig": {"S3OutputPath": settings.uri(MODEL_ZONE, "tuning")},
            "ResourceConfig": {
                "InstanceType": settings.instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": training["volume_gb"],
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": training["max_runtime_s"]},
        },
    }


# --- the job ------------------------------------------------------------------------------------------------
def _follow(client: Any, name: str, tick: OnProgress) -> dict[str, Any]:
    """Wait for the end and report the number of ended jobs. Raises AwsError unless the tuning job completed."""

    def describe() -> dict[str, Any]:
        response: dict[str, Any] = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        counters = response["TrainingJobStatusCounters"]
        ended = counters["Completed"] + counters["Stopped"] + counters["NonRetryableError"]
        limits = response["HyperParameterTuningJobConfig"]["ResourceLimits"]
        best = (response.get("BestTrainingJob") or {}).get("FinalHyperParameterTuningJobObjectiveMetric")
        tick(
            ended,
            limits.get("MaxNumberOfTrainingJobs", ended + 1),
            f"best {best['Value']:.4f}" if best else "",
        )
        return response

    job = wait_for(
        describe,
        lambda job: job["HyperParameterTuningJobStatus"] in ENDED,
        f"Tuning job '{name}'",
        on_interrupt=lambda: client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
    )
    status = job["HyperParameterTuningJobStatus"]
    if status != "Completed" or not (job.get("BestTrainingJob") or {}).get(
        "FinalHyperParameterTuningJobObjectiveMetric"
    ):
        reason = job.get("FailureReason", "no training job completed with a value of the objective.")
        raise AwsError(f"Tuning job '{name}' ended as {status}: {reason}")
    return job


def _summaries(client: Any, name: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending"
    )
    return [summary for page in pages for summary in page["TrainingJobSummaries"]]


def _trial(client: Any, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Describe one training job; `objective` and `model_uri` are None where it has none."""
    job = summary["TrainingJobName"]
    final = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
    response = client.describe_training_job(TrainingJobName=job)
    return {
        "job_name": job,
        "status": summary["TrainingJobStatus"],
        "parameters": dict(summary["TunedHyperParameters"]),
        "objective": final["Value"] if final else None,
        "model_uri": (response.get("ModelArtifacts") or {}).get("S3ModelArtifacts"),
    }
