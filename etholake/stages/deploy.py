"""Stage deploy: the stack of `infra/`, then the code in the code zone; and `destroy`, the way back.

Success is never taken on trust: after CloudFormation says that it is done, every resource of the template is
asked for at its own service. Requests are pure functions; what exists decides between create and update.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws, packaging
from etholake.contract import CODE_ZONE
from etholake.errors import AwsError, UsageError, raise_collected
from etholake.settings import Settings
from etholake.stages import StageResult, fingerprint, load_state, save_state

__all__ = [
    "apply", "check_bucket", "describe_stack", "destroy", "parameters", "run", "stack_request",
    "template_resources", "verify",
]  # fmt: skip

STAGE = "deploy"
TEMPLATE = "infra/etholake.yaml"
WAIT_S = 1800
_READY = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"})
_DEAD = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})  # can only be deleted
_SUCCESS = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
# Type -> (service, operation, the argument that takes the physical id): how to see that a resource is there.
_CHECKS: Mapping[str, tuple[str, str, str]] = {
    "AWS::S3::Bucket": ("s3", "head_bucket", "Bucket"),
    "AWS::S3::BucketPolicy": ("s3", "get_bucket_policy", "Bucket"),
    "AWS::Glue::Database": ("glue", "get_database", "Name"),
    "AWS::Glue::Job": ("glue", "get_job", "JobName"),
    "AWS::Glue::Crawler": ("glue", "get_crawler", "Name"),
    "AWS::Athena::WorkGroup": ("athena", "get_work_group", "WorkGroup"),
    "AWS::IAM::Role": ("iam", "get_role", "RoleName"),
    "AWS::StepFunctions::StateMachine": ("stepfunctions", "describe_state_machine", "stateMachineArn"),
    "AWS::SNS::Topic": ("sns", "get_topic_attributes", "TopicArn"),
    "AWS::Events::Rule": ("events", "describe_rule", "Name"),
    "AWS::SageMaker::ModelPackageGroup": ("sagemaker", "describe_model_package_group", "ModelPackageGroupName"),
}


def run(settings: Settings) -> StageResult:
    """Create or update the stack and upload what changed of the code.

    Returns
    -------
    StageResult
        `details`: stack, resources (logical -> physical id), outputs, uploaded keys, code digest.

    Raises
    ------
    AwsError
        The stack failed (with its events), or a resource of the template is not there afterwards.
    UsageError
        The bucket's name belongs to another account.
    """
    started = time.monotonic()
    root = packaging.repository()
    template = (root / TEMPLATE).read_text(encoding="utf-8")
    stack = describe_stack(settings)
    create_bucket = _creates_bucket(settings, stack)
    with tempfile.TemporaryDirectory() as folder:
        packages = packaging.build(Path(folder))
        code = _code(root, packages)
    values = parameters(settings, code_digest=packages.digest, create_bucket=create_bucket)
    hashes = {key: _sha256(body) for key, body in code.items()}
    digest = fingerprint(template, values, hashes)
    wanted = template_resources(template, create_bucket=create_bucket)

    if stack and stack["StackStatus"] in _SUCCESS and load_state(settings, STAGE).get("fingerprint") == digest:
        resources, problems = verify(settings, wanted)
        if not problems and not _outdated(settings, hashes):
            details = _details(settings, resources, [], packages.digest)
            return StageResult(STAGE, "unchanged", "Template, code and settings are those deployed.", details)

    action = apply(settings, stack, stack_request(settings, template, values))
    uploaded = _upload(settings, code, hashes)
    resources, problems = verify(settings, wanted)
    raise_collected(
        AwsError,
        f"Stack '{settings.stack}' is not what {TEMPLATE} says; run `make destroy`, then `make deploy`",
        problems,
    )
    details = _details(settings, resources, uploaded, packages.digest)
    save_state(settings, STAGE, {"fingerprint": digest, "details": details})
    adopted = "" if create_bucket else f" (bucket {settings.bucket} was there already and is taken over)"
    return StageResult(
        STAGE,
        "done",
        f"Stack '{settings.stack}' {action}: {len(resources)} resources are there{adopted}; "
        f"{len(uploaded)} of {len(code)} code files uploaded; {time.monotonic() - started:.1f} s.",
        details,
    )


def destroy(settings: Settings, bucket_name_to_delete: str | None = None) -> StageResult:
    """Delete the stack; the bucket and its data stay unless its name is given.

    Raises UsageError, before anything is done, if the name is not that of the settings' bucket.
    """
    check_bucket(settings, bucket_name_to_delete)
    stack = describe_stack(settings)
    if stack:
        _delete_stack(settings, stack["StackId"])
    objects = _delete_bucket(settings) if bucket_name_to_delete else None
    said = [f"stack '{settings.stack}' was deleted"] if stack else []
    if objects is not None:
        said.append(f"bucket '{settings.bucket}' and {objects} object versions were deleted")
    elif _bucket_exists(settings):
        said.append(f"bucket '{settings.bucket}' and its data are kept (name it to delete it)")
    changed = stack is not None or objects is not None
    summary = "; ".join(said) or f"there is no stack '{settings.stack}'"
    details = {"stack": settings.stack, "bucket": settings.bucket, "objects_deleted": objects or 0}
    return StageResult("destroy", "done" if changed else "unchanged", f"{summary.capitalize()}.", details)


def check_bucket(settings: Settings, name: str | None) -> None:
    """Raises UsageError if a bucket is named for deletion that is not that of the settings."""
    if name is not None and name != settings.bucket:
        raise UsageError(
            f"Bucket '{name}' is not the lake's bucket '{settings.bucket}': nothing was deleted. "
            "Give that name, or set ETHOLAKE_BUCKET."
        )


# --- requests and the template: pure ----------------------------------------------------------------------
def parameters(settings: Settings, *, code_digest: str, create_bucket: bool) -> dict[str, str]:
    """The template's parameters. Pure."""
    return {
        "BucketName": settings.bucket,
        "CreateBucket": "true" if create_bucket else "false",
        "DatabaseName": settings.database,
        "WorkGroupName": settings.workgroup,
        "MaxGapFrames": str(settings.max_gap_frames),
        "CodeDigest": code_digest,
    }


def stack_request(settings: Settings, template: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of create_stack and update_stack. Pure."""
    return {
        "StackName": settings.stack,
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": "project", "Value": "etholake"}],
    }


def template_resources(template: str, *, create_bucket: bool, without: Sequence[str] = ()) -> dict[str, str]:
    """Logical id -> type of every resource that the template makes. Pure.

    `without` names conditions that do not hold; `create_bucket` is the one of the lake's template.
    """
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):
        """Short forms (!Ref, !Sub, …) are read as plain values: only ids, types and conditions are wanted."""

    def plain(loader: Any, _suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_mapping(node, deep=True)

    Loader.add_multi_constructor("!", plain)
    body = yaml.load(template, Loader=Loader)  # noqa: S506 - a SafeLoader
    return {
        name: resource["Type"]
        for name, resource in body["Resources"].items()
        if resource.get("Condition") not in ({*without} if create_bucket else {*without, "CreateBucket"})
    }


# --- the stack --------------------------------------------------------------------------------------------
def describe_stack(settings: Settings, stack_id: str | None = None) -> dict[str, Any] | None:
    """The stack as described, None if there is none (or it was deleted)."""
    from botocore.exceptions import ClientError

    try:
        found = aws.client(settings, "cloudformation").describe_stacks(StackName=stack_id or settings.stack)
    except ClientError as err:
        if "does not exist" in str(err):
            return None
        raise
    stack: dict[str, Any] = found["Stacks"][0]
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def _creates_bucket(settings: Settings, stack: Mapping[str, Any] | None) -> bool:
    """Whether the stack makes the bucket: as it did, or, for a new one, if the bucket is not there yet."""
    if stack and stack["StackStatus"] not in _DEAD:
        for item in stack.get("Parameters", []):
            if item["ParameterKey"] == "CreateBucket":
                return str(item["ParameterValue"]) == "true"
    return not _bucket_exists(settings)


def _bucket_exists(settings: Settings) -> bool:
    from botocore.exceptions import ClientError

    try:
        aws.client(settings, "s3").head_bucket(Bucket=settings.bucket)
    except ClientError as err:
        status = err.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return False
        if status in (301, 403):
            raise UsageError(
                f"Bucket '{settings.bucket}' belongs to another account or region: set ETHOLAKE_BUCKET to a name "
                "of your own."
            ) from err
        raise
    return True


def apply(settings: Settings, stack: Mapping[str, Any] | None, request: dict[str, Any]) -> str:
    """Create or update, and wait. Returns what was done, as a participle."""
    from botocore.exceptions import ClientError

    formation = aws.client(settings, "cloudformation")
    if stack and stack["StackStatus"] in _DEAD:
        _delete_stack(settings, stack["StackId"])
        stack = None
    elif stack and stack["StackStatus"].endswith("_IN_PROGRESS"):
        _wait(settings, stack["StackId"])
    try:
        if stack is None:
            made = formation.create_stack(**request)
            done = "created"
        else:
            made = formation.update_stack(**request)
            done = "updated"
    except ClientError as err:
        if "No updates are to be performed" in str(err):
            return "unchanged"
        raise AwsError(f"CloudFormation refused {TEMPLATE} for stack '{settings.stack}': {err}") from err
    state = _wait(settings, made["StackId"])
    if state not in _SUCCESS:
        raise AwsError(
            f"Stack '{settings.stack}' ended as {state}. What failed:\n{_failures(settings, made['StackId'])}"
        )
    return done


def _wait(settings: Settings, stack_id: str) -> str:
    """Block until nothing is in progress; the final state ('DELETE_COMPLETE' if it has gone)."""
    for _ in _pauses(f"stack '{settings.stack}'"):
        stack = describe_stack(settings, stack_id)
        state = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        if not state.endswith(("_IN_PROGRESS", "_PENDING")):
            return str(state)
    raise AssertionError  # _pauses raises first


def _pauses(what: str) -> Iterator[None]:
    pause, deadline = 0.1, time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
        pause = min(5.0, pause * 1.5)
    raise AwsError(f"{what.capitalize()} is still in progress after {WAIT_S} s: look at its events, run again.")


def _failures(settings: Settings, stack_id: str) -> str:
    pages = aws.client(settings, "cloudformation").get_paginator("describe_stack_events")
    events = [event for page in pages.paginate(StackName=stack_id) for event in page["StackEvents"]]
    failed = [
        f"  - {e['LogicalResourceId']} ({e['ResourceType']}): {e.get('ResourceStatusReason', 'no reason given')}"
        for e in sorted(events, key=lambda e: e["Timestamp"])
        if e["ResourceStatus"].endswith("_FAILED")
    ]
    return "\n".join(failed) or "  - no event says why"


def _delete_stack(settings: Settings, stack_id: str) -> None:
    aws.client(settings, "cloudformation").delete_stack(StackName=settings.stack)
    state = _wait(settings, stack_id)
    if state != "DELETE_COMPLETE":
        raise AwsError(
            f"Stack '{settings.stack}' could not be deleted ({state}):\n{_failures(settings, stack_id)}"
        )


def _delete_bucket(settings: Settings) -> int | None:
    """Delete every version of every object, then the bucket. Returns the number of versions, None if no bucket."""
    if not _bucket_exists(settings):
        return None
    s3 = aws.client(settings, "s3")
    count = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=settings.bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        keys = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if keys:
            answer = s3.delete_objects(Bucket=settings.bucket, Delete={"Objects": keys, "Quiet": True})
            problems = [f"{e['Key']}: {e['Message']}" for e in answer.get("Errors", [])]
            raise_collected(AwsError, f"Objects of bucket '{settings.bucket}' could not be deleted", problems)
            count += len(keys)
    s3.delete_bucket(Bucket=settings.bucket)
    return count


def verify(settings: Settings, wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """(logical -> physical id of what is there, a sentence for each resource that is not)."""
    from botocore.exceptions import ClientError

    formation = aws.client(settings, "cloudformation")
    pages = formation.get_paginator("list_stack_resources").paginate(StackName=settings.stack)
    physical = {
        item["LogicalResourceId"]: item.get("PhysicalResourceId", "")
        for page in pages
        for item in page["StackResourceSummaries"]
    }
    there, problems = {}, []
    for name, kind in wanted.items():
        if kind not in _CHECKS:
            problems.append(f"{name}: nobody knows how to see that an {kind} exists (add it to deploy._CHECKS).")
            continue
        if not physical.get(name):
            problems.append(f"{name} ({kind}) is not among the stack's resources.")
            continue
        service, operation, argument = _CHECKS[kind]
        # The physical id of a policy is not its bucket's name on every target.
        identity = settings.bucket if kind == "AWS::S3::BucketPolicy" else physical[name]
        try:
            getattr(aws.client(settings, service), operation)(**{argument: identity})
        except ClientError as err:
            problems.append(f"{name} ({kind} '{identity}') does not answer: {err.response['Error']['Code']}.")
            continue
        there[name] = identity
    return there, problems


# --- the code ---------------------------------------------------------------------------------------------
def _code(root: Path, packages: packaging.Packages) -> dict[str, bytes]:
    """Key -> content of everything that belongs into the code zone."""
    files = {
        f"{CODE_ZONE}/etholake.zip": packages.etholake_zip,
        f"{CODE_ZONE}/sourcedir.tar.gz": packages.sourcedir,
    }
    files |= {f"{CODE_ZONE}/glue_jobs/{path.name}": path for path in sorted((root / "glue_jobs").glob("*.py"))}
    return {key: path.read_bytes() for key, path in files.items()}


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _outdated(settings: Settings, hashes: Mapping[str, str]) -> list[str]:
    """Keys whose object is missing or has another content."""
    from botocore.exceptions import ClientError

    s3 = aws.client(settings, "s3")
    stale = []
    for key, wanted in hashes.items():
        try:
            found = s3.head_object(Bucket=settings.bucket, Key=key)["Metadata"].get("sha256")
        except ClientError as err:
            if err.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            found = None
        if found != wanted:
            stale.append(key)
    return stale


def _upload(settings: Settings, code: Mapping[str, bytes], hashes: Mapping[str, str]) -> list[str]:
    """Upload what is outdated; returns the keys."""
    stale = _outdated(settings, hashes)
    for key in stale:
        aws.client(settings, "s3").put_object(
            Bucket=settings.bucket, Key=key, Body=code[key], Metadata={"sha256": hashes[key]}
        )
    return stale


def _details(settings: Settings, resources: Mapping[str, str], uploaded: list[str], digest: str) -> dict[str, Any]:
    return {
        "stack": settings.stack,
        "resources": dict(resources),
        "outputs": aws.stack_outputs(settings),
        "uploaded": uploaded,
        "code_digest": digest,
    }
