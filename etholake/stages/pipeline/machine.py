"""Build the parameters of the stack `infra/pipeline.yaml` and the input of an execution.

`etholake deploy` makes it, as the last of the stacks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from etholake import aws
from etholake.contract import CODE_ZONE
from etholake.digest import bytes_digest
from etholake.errors import AwsError, UsageError
from etholake.settings import AUTO, Settings
from etholake.stages import model_packages
from etholake.stages.job_settings import image_uri, job_settings
from etholake.stages.model import tune
from etholake.stages.model.training_checks import check_configurations

__all__ = ["DEFINITION", "arn", "definition_key", "input_of", "parameters"]

DEFINITION = "infra/pipeline.asl.json"

MAX_QUARANTINED = 0.5  # of a lab's rows: above this, the gate is closed
POLL_S = 15
ONE_MODEL = "tiny"  # what the setting `auto` means here: the state machine trains one model, not an ensemble


def arn(settings: Settings) -> str:
    """Return the ARN of the state machine. Raises AwsError if it is not deployed."""
    machine_arn = aws.stack_outputs(settings).get("StateMachineArn")
    if machine_arn is None:
        raise AwsError("The pipeline's stack is not deployed: run `make deploy` first.")
    return machine_arn


# --- requests ---------------------------------------------------------------------------------------------
def definition_key(definition: bytes) -> str:
    """Return the key of a definition: other content has another key, so that CloudFormation sees the change."""
    return f"{CODE_ZONE}/pipeline-{bytes_digest(definition)[:16]}.asl.json"


def parameters(settings: Settings, definition: bytes) -> dict[str, str]:
    """Return the template's parameters, but for those that the lake's stacks give."""
    return {
        "DefinitionKey": definition_key(definition),
        "TrainingImage": image_uri(settings, "training"),
        "HostingImage": image_uri(settings, "hosting"),
        "InstanceType": settings.instance_type,
        "ExecutionInput": json.dumps(input_of(settings), sort_keys=True),
        "StartOnManifest": "ENABLED" if settings.pipeline_on_manifest else "DISABLED",
        "StartOnSchedule": "ENABLED" if settings.pipeline_schedule else "DISABLED",
        **({"Schedule": settings.pipeline_schedule} if settings.pipeline_schedule else {}),
    }


def input_of(
    settings: Settings,
    config: str = "",
    holdout: tuple[int, ...] = (),
    max_quarantined: float = MAX_QUARANTINED,
    tuning: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the input of an execution.

    `tuning` searches hyper-parameters in place of one training: entries that replace those of ``tuning`` in
    `sagemaker/jobs.json` ({} for none); without ranges there, those of the configuration's family are searched.
    Raises UsageError for a share that is none, and for a configuration that does not exist.
    """
    chosen = config or (settings.config if settings.config != AUTO else ONE_MODEL)
    check_configurations(chosen)
    if not 0 <= max_quarantined <= 1:
        raise UsageError(
            f"Expected a share from 0 to 1 of rows that may be quarantined, but got {max_quarantined}."
        )
    search: dict[str, Any] = {} if tuning is None else {**job_settings()["tuning"], **tuning}
    if tuning is not None:
        search["ranges"] = tune.ranges(chosen, search["ranges"])
    return {
        "config": chosen,
        "holdout": sorted(set(holdout)),
        "max_quarantined": max_quarantined,
        "max_payload_mb": job_settings()["transform"]["max_payload_mb"],
        "tune": tuning is not None,
        "tuning": search,
        "model_package_group": model_packages.group_name(settings),
        "poll_seconds": POLL_S if settings.target == "aws" else 1,
        "settings": {
            "max_gap_frames": settings.max_gap_frames,
            "seed": settings.seed,
            "implausible_points": settings.implausible_points,
            "quality_limits": settings.quality_limits,
            "repair_label_clock": settings.repair_label_clock,
        },
    }
