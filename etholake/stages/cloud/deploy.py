"""Stage deploy: make the stacks of `infra/` and upload the code; and `destroy`, the way back.

After CloudFormation reports success, every resource of the templates is looked up at its own service. The changes
are shown, and confirmed, before anything is done.
"""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.contract import CODE_ZONE
from etholake.digest import bytes_digest, fingerprint
from etholake.errors import AwsError, UsageError, raise_collected
from etholake.resources import folder, root
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.cloud import data_resources, resource_checks, stacks, teardown, templates
from etholake.stages.cloud.packages import Packages, build
from etholake.stages.job_settings import job_settings
from etholake.stages.pipeline import machine
from etholake.stages.state import load_state, save_state

__all__ = ["destroy", "parameters", "run"]

STAGE = "deploy"
KEPT = frozenset({"Retain", "RetainExceptOnCreate"})
Confirm = Callable[[str], bool]  # takes the plan as text


def run(settings: Settings, confirm: Confirm = lambda _: True) -> StageResult:
    """Create or update the stacks and upload what changed of the code.

    `confirm` is given the plan, once, before anything is done, and says whether to go on.

    Returns
    -------
    StageResult
        `details`: stacks, resources (logical -> physical id), outputs, uploaded keys, code digest.

    Raises
    ------
    AwsError
        A stack failed (with its events), or a resource of a template is not there afterwards.
    UsageError
        The bucket's name belongs to another account; a parameter is not known.
    """
    started = time.monotonic()
    infra = folder(templates.FOLDER)
    with tempfile.TemporaryDirectory() as temporary:
        packages = build(Path(temporary))
        code = _code(packages)
    definition = (root() / machine.DEFINITION).read_bytes()
    code[machine.definition_key(definition)] = definition
    stack_templates = templates.load(infra)
    reused = _reuse_parameters(settings)
    values = templates.parameter_file(infra, settings.environment, stack_templates)
    values |= parameters(settings, code_digest=packages.digest) | machine.parameters(settings, definition) | reused
    hashes = {key: _sha256(body) for key, body in code.items()}
    digest = fingerprint([t.text for t in stack_templates], values, hashes)

    if load_state(settings, STAGE).get("fingerprint") == digest:
        resources, problems = _check_stacks(settings, stack_templates, values)
        if not problems and not _outdated(settings, hashes):
            details = _details(settings, resources, [], packages.digest)
            return StageResult(
                STAGE, "unchanged", "Nothing to do: templates, code and settings are those deployed.", details
            )

    plans = stacks.make_plan(settings, stack_templates, values)
    if not confirm(stacks.render(plans)):
        stacks.discard(settings, plans)
        return StageResult(STAGE, "unchanged", "It was not confirmed: nothing was changed.", {})
    uploaded: list[str] = []

    def upload(stack: str) -> None:
        """Upload the code as soon as there is a bucket: later stacks refer to the objects."""
        if stack == aws.STACKS[0]:
            uploaded.extend(_upload(settings, code, hashes))

    stacks.execute(settings, plans, values, upload)
    resources, problems = _check_stacks(settings, stack_templates, values)
    raise_collected(
        AwsError,
        f"The stacks are not what {templates.FOLDER}/ says; run `make destroy`, then `make deploy`",
        problems,
    )
    details = _details(settings, resources, uploaded, packages.digest)
    save_state(settings, STAGE, {"fingerprint": digest, "details": details})
    stacks_done = ", ".join(f"{p.name} {_done(p)}" for p in plans)
    made_bucket = reused["CreateBucket"] == "true"
    bucket_note = "" if made_bucket else f" (bucket {settings.bucket} was there already and is taken over)"
    return StageResult(
        STAGE,
        "done",
        f"{stacks_done}: {len(resources)} resources are there{bucket_note}; "
        f"{len(uploaded)} of {len(code)} code files uploaded; {time.monotonic() - started:.1f} s.",
        details,
    )


def _done(plan: stacks.ChangePlan) -> str:
    return "unchanged" if not plan.changes else "created" if plan.new else "updated"


def destroy(
    settings: Settings, bucket_name_to_delete: str | None = None, confirm: Confirm = lambda _: True
) -> StageResult:
    """Delete what serves, what runs and the stacks; the bucket and its data stay unless its name is given.

    Endpoints, their configurations, models and autoscaling of this lake go in any case (`teardown`). With the
    name go: the bucket, the bucket of its access logs, its key (after 30 days), the model registry, and the logs
    of its jobs. It goes on after a failure, and can be run again.

    Raises
    ------
    UsageError
        The name is not that of the settings' bucket; nothing was done.
    AwsError
        Something could not be deleted: every such thing with AWS's reason.
    """
    bucket = settings.bucket
    if bucket_name_to_delete is not None and bucket_name_to_delete != bucket:
        raise UsageError(
            f"Bucket '{bucket_name_to_delete}' is not the lake's bucket '{bucket}': nothing was deleted. "
            "Give that name, or set ETHOLAKE_BUCKET."
        )
    names = [aws.stack_name(settings, stack) for stack in reversed(aws.STACKS)]
    existing = [name for name in names if stacks.describe(settings, name)]
    data = [name for name in (bucket, f"{bucket}-logs") if data_resources.bucket_exists(settings, name)]
    buckets = data if bucket_name_to_delete else []
    made = teardown.find(settings)
    kept = f"bucket '{bucket}' and its data are kept (name it to delete it)" if data and not buckets else ""
    if not existing and not buckets and not made:
        summary = "; ".join(filter(None, [f"There is no stack '{settings.stack}'", kept]))
        return StageResult("destroy", "unchanged", f"{summary}.", {})
    if not confirm("\n".join([*made.lines(), _deletions(settings, existing, buckets)])):
        return StageResult("destroy", "unchanged", "It was not confirmed: nothing was deleted.", {})
    key = data_resources.key_of(settings) if buckets else ""
    problems: list[str] = []
    _done_without(problems, partial(teardown.prepare, settings, existing))
    problems += teardown.remove(settings, made)
    done = [f"{len(made.endpoints)} endpoints and {len(made.models)} models were deleted"] if made else []
    for name in existing:
        if _done_without(problems, partial(stacks.delete, settings, name)):
            done.append(f"stack '{name}' was deleted")
    objects = 0
    if buckets:
        _done_without(problems, partial(teardown.forget_logs, settings))
        _done_without(problems, partial(data_resources.delete_registry, settings))
        counts: list[int] = []
        for name in buckets:
            _done_without(problems, partial(_delete_bucket, settings, name, counts))
        objects = sum(counts)
        done.append(f"bucket '{bucket}', its log bucket and {objects} object versions were deleted")
        if len(counts) == len(buckets) and data_resources.delete_key(settings, key):
            done.append("its key will be gone in 30 days")
    raise_collected(AwsError, "Not everything could be deleted; run `make destroy` again", problems)
    details = {"stack": settings.stack, "bucket": bucket, "objects_deleted": objects}
    summary = "; ".join(filter(None, [*done, kept]))
    return StageResult("destroy", "done", f"{summary[:1].upper()}{summary[1:]}.", details)


def _delete_bucket(settings: Settings, bucket: str, counts: list[int]) -> None:
    counts.append(data_resources.delete_bucket(settings, bucket) or 0)


def _done_without(problems: list[str], action: Callable[[], Any]) -> bool:
    """Return whether `action` succeeded; the sentence of its error is added to `problems`."""
    from botocore.exceptions import ClientError

    try:
        action()
    except (AwsError, ClientError) as err:
        problems.append(str(err))
        return False
    return True


# --- the plan ---------------------------------------------------------------------------------------------
def parameters(settings: Settings, *, code_digest: str) -> dict[str, str]:
    """Return the templates' parameters that come from the settings; others are in `infra/parameters`. Pure."""
    return {
        "Prefix": settings.stack,
        "BucketName": settings.bucket,
        "DatabaseName": settings.database,
        "WorkGroupName": settings.workgroup,
        "EndpointName": job_settings()["hosting"]["endpoint"],
        "MaxGapFrames": str(settings.max_gap_frames),
        "CodeDigest": code_digest,
    }


def _reuse_parameters(settings: Settings) -> dict[str, str]:
    """Return the parameters that make CloudFormation reuse resources left behind by a deleted stack.

    Once the stacks exist, the values are those that they were made with.
    """
    before = {
        p["ParameterKey"]: p["ParameterValue"]
        for stack in ("storage", "models")
        for p in (_living(settings, stack) or {}).get("Parameters", [])
    }
    bucket = data_resources.bucket_exists(settings, settings.bucket) if "CreateBucket" not in before else False
    group = data_resources.registry(settings) is not None if "CreateModelPackageGroup" not in before else False
    log = data_resources.endpoint_log(settings) if "CreateEndpointLog" not in before else False
    values = {
        "CreateBucket": "false" if bucket else "true",
        "ExistingKeyArn": data_resources.key_of(settings) if bucket else "",
        "CreateModelPackageGroup": "false" if group else "true",
        "CreateEndpointLog": "false" if log else "true",
    }
    return {name: str(before.get(name, value)) for name, value in values.items()}


def _living(settings: Settings, stack: str) -> dict[str, Any] | None:
    description = stacks.describe(settings, aws.stack_name(settings, stack))
    return description if description and description["StackStatus"] not in stacks.DEAD else None


def _deletions(settings: Settings, names: list[str], buckets: list[str]) -> str:
    """Return what `destroy` will delete, for a person."""
    kept = {
        name
        for template in templates.load(folder(templates.FOLDER))
        for name, body in template.body["Resources"].items()
        if body.get("DeletionPolicy") in KEPT
    }
    lines = []
    for name in names:
        lines.append(f"{name}: is deleted")
        for item in filter(lambda item: item.get("PhysicalResourceId"), resource_checks.resources(settings, name)):
            sign, note = ("=", "  (kept)") if item["LogicalResourceId"] in kept else ("-", "")
            lines.append(f"  {sign} {item['LogicalResourceId']:<24} {item['ResourceType']}{note}")
    lines += [f"bucket {name}: is deleted WITH ALL DATA, every version of every object" for name in buckets]
    return "\n".join(lines)


# --- is it there ------------------------------------------------------------------------------------------
def _check_stacks(
    settings: Settings, stack_templates: list[templates.Template], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return `resource_checks.check_resources` of all stacks."""
    existing: dict[str, str] = {}
    problems: list[str] = []
    outputs: dict[str, str] = {}
    for template in stack_templates:
        name = aws.stack_name(settings, template.stack)
        stack = stacks.describe(settings, name)
        if stack is None or stack["StackStatus"] not in stacks.SUCCESS:
            problems.append(f"stack '{name}' is {stack['StackStatus'] if stack else 'not there'}.")
            continue
        values = templates.resolve(template, {**given, **outputs})
        good, bad = resource_checks.check_resources(settings, name, template.resources(values))
        existing |= good
        problems += bad
        outputs |= {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}
    return existing, problems


# --- the code ---------------------------------------------------------------------------------------------
def _code(packages: Packages) -> dict[str, bytes]:
    """Return key -> content of everything that belongs into the code zone."""
    files = {
        f"{CODE_ZONE}/etholake.zip": packages.etholake_zip,
        f"{CODE_ZONE}/sourcedir.tar.gz": packages.sourcedir,
    }
    files |= {f"{CODE_ZONE}/glue_jobs/{path.name}": path for path in sorted(folder("glue_jobs").glob("*.py"))}
    return {key: path.read_bytes() for key, path in files.items()}


def _sha256(body: bytes) -> str:
    return base64.b64encode(bytes.fromhex(bytes_digest(body))).decode()


def _outdated(settings: Settings, hashes: Mapping[str, str]) -> list[str]:
    """Return the keys whose object is missing or has another content."""
    from botocore.exceptions import ClientError

    s3 = aws.client(settings, "s3")
    stale = []
    for key, wanted in hashes.items():
        try:
            uploaded = s3.head_object(Bucket=settings.bucket, Key=key)["Metadata"].get("sha256")
        except ClientError as err:
            if err.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            uploaded = None
        if uploaded != wanted:
            stale.append(key)
    return stale


def _upload(settings: Settings, code: Mapping[str, bytes], hashes: Mapping[str, str]) -> list[str]:
    """Upload the outdated objects; return their keys."""
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
