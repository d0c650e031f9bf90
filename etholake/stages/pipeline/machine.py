"""The pipeline's own stack: the definition in the code zone, `infra/pipeline.yaml`, the input of an execution.

Deployed after the lake's stack, by `etholake deploy`. Requests and names are pure functions.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from etholake import aws, packaging
from etholake.contract import CODE_ZONE
from etholake.errors import AwsError, UsageError, raise_collected
from etholake.settings import Settings
from etholake.stages import StageResult, deploy, fingerprint, load_state, save_state
from etholake.stages.train import job_settings

__all__ = ["DEFINITION", "TEMPLATE", "arn", "definition_key", "ensure", "input_of", "parameters", "remove"]

TEMPLATE = "infra/pipeline.yaml"
STAGE = "deploy-pipeline"
_READY = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
DEFINITION = "infra/pipeline.asl.json"

MAX_QUARANTINED = 0.5  # of a lab's rows: above this, the gate is closed
POLL_S = 15
# Outputs of the lake's stack that the pipeline is given as parameters of the same names.
_FROM_LAKE = ("TrackingJobName", "TablesJobName", "RawCrawlerName", "SageMakerRoleArn")


def ensure(settings: Settings) -> StageResult:
    """Create or update the pipeline's stack; `unchanged` if what is deployed says the same.

    Raises AwsError if the lake's stack is not there, or a resource of the template is not there afterwards.
    """
    root = packaging.repository()
    template = (root / TEMPLATE).read_text(encoding="utf-8")
    definition = (root / DEFINITION).read_bytes()
    place = stack_of(settings)
    outputs = aws.stack_outputs(settings)
    stack = deploy.describe_stack(place)
    create_group = _creates_group(settings, stack)
    values = parameters(settings, outputs, definition, create_group=create_group)
    digest, state = fingerprint(template, values), load_state(settings, STAGE)
    skipped = () if create_group else ("CreateGroup",)
    wanted = deploy.template_resources(template, create_bucket=True, without=skipped)
    if stack and stack["StackStatus"] in _READY and state.get("fingerprint") == digest:
        resources, problems = deploy.verify(place, wanted)
        if not problems:
            said = f"Stack '{place.stack}' is as deployed."
            return StageResult(STAGE, "unchanged", said, _details(place, resources))
    key = definition_key(definition)
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=definition)
    action = deploy.apply(place, stack, deploy.stack_request(place, template, values))
    resources, problems = deploy.verify(place, wanted)
    raise_collected(
        AwsError, f"Stack '{place.stack}' is not what {TEMPLATE} says; run `make deploy` again", problems
    )
    _tell_events(settings)
    save_state(settings, STAGE, {"fingerprint": digest})
    summary = f"Stack '{place.stack}' {action}: {len(resources)} resources are there."
    return StageResult(
        STAGE, "unchanged" if action == "unchanged" else "done", summary, _details(place, resources)
    )


def _details(place: Settings, resources: Mapping[str, str]) -> dict[str, Any]:
    return {"stack": place.stack, "resources": dict(resources), "outputs": aws.stack_outputs(place)}


def remove(settings: Settings) -> bool:
    """Delete the pipeline's stack; the registry's versions stay. False if there was none."""
    return deploy.destroy(stack_of(settings)).status == "done"


def arn(settings: Settings) -> str:
    """The state machine. Raises AwsError if it is not deployed."""
    return aws.stack_outputs(stack_of(settings))["StateMachineArn"]


# --- pure -------------------------------------------------------------------------------------------------
def stack_of(settings: Settings) -> Settings:
    """The settings with the name of the pipeline's stack."""
    return dataclasses.replace(settings, stack=f"{settings.stack}-pipeline")


def definition_key(definition: bytes) -> str:
    """Where a definition lies: another content is another key, so that CloudFormation sees the change."""
    return f"{CODE_ZONE}/pipeline-{hashlib.sha256(definition).hexdigest()[:16]}.asl.json"


def model_group(settings: Settings) -> str:
    """Name of the model package group."""
    return settings.stack


def parameters(
    settings: Settings, outputs: Mapping[str, str], definition: bytes, *, create_group: bool
) -> dict[str, str]:
    """The template's parameters."""
    options = job_settings()
    account = settings.account
    return {
        **{name: outputs[name] for name in _FROM_LAKE},
        "BucketName": settings.bucket,
        "DatabaseName": settings.database,
        "DefinitionKey": definition_key(definition),
        "TrainingImage": options["training"]["image"].format(region=settings.region, account=account),
        "HostingImage": options["hosting"]["image"].format(region=settings.region, account=account),
        "InstanceType": settings.instance_type,
        "EndpointName": options["hosting"]["endpoint"],
        "ModelPackageGroupName": model_group(settings),
        "CreateGroup": "true" if create_group else "false",
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
) -> dict[str, Any]:
    """Input of an execution. Raises UsageError for a share that is none."""
    if not 0 <= max_quarantined <= 1:
        raise UsageError(
            f"Expected a share from 0 to 1 of rows that may be quarantined, but got {max_quarantined}."
        )
    return {
        "config": config or settings.config,
        "holdout": sorted(set(holdout)),
        "max_quarantined": max_quarantined,
        "model_package_group": model_group(settings),
        "poll_seconds": POLL_S if settings.target == "aws" else 1,
        "settings": {
            "max_gap_frames": settings.max_gap_frames,
            "seed": settings.seed,
            "quality_limits": settings.quality_limits,
            "repair_label_clock": settings.repair_label_clock,
        },
    }


# --- what is there already ---------------------------------------------------------------------------------
def _creates_group(settings: Settings, stack: Mapping[str, Any] | None) -> bool:
    """Whether the stack makes the group: as it did, or, for a new stack, if the group is not there yet."""
    from botocore.exceptions import ClientError

    for item in (stack or {}).get("Parameters", []):
        if item["ParameterKey"] == "CreateGroup":
            return str(item["ParameterValue"]) == "true"
    try:
        aws.client(settings, "sagemaker").describe_model_package_group(ModelPackageGroupName=model_group(settings))
    except ClientError as err:
        if "does not exist" in str(err):
            return True
        raise
    return False


def _tell_events(settings: Settings) -> None:
    """Let the bucket tell EventBridge of its objects; a bucket that was taken over keeps what else it tells."""
    s3 = aws.client(settings, "s3")
    now = s3.get_bucket_notification_configuration(Bucket=settings.bucket)
    now.pop("ResponseMetadata", None)
    if "EventBridgeConfiguration" not in now:
        wanted = {**now, "EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=settings.bucket, NotificationConfiguration=wanted)
