"""Every resource of every template, with every property, at its own service: made, changed, gone."""

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from described import UNTOLD, actual, covers, plain, wanted

from etholake import aws
from etholake.settings import Settings
from etholake.stages.cloud import deploy, resource_checks, stacks, templates
from etholake.stages.pipeline import machine

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = templates.load(ROOT / "infra")
DEFINITION = (ROOT / machine.DEFINITION).read_bytes()
EVERYTHING = {
    "AlarmEmail": "lab@example.org", "MonthlyBudgetUsd": "10", "UseLakeFormation": "true", "UseQuickSight": "true",
    "NotifyEmail": "lab@example.org", "StartOnManifest": "ENABLED", "StartOnSchedule": "ENABLED",
}  # fmt: skip


@pytest.fixture
def settings(mock_settings: Settings) -> Iterator[Settings]:
    name = f"made-{uuid.uuid4().hex[:8]}"
    place = dataclasses.replace(
        mock_settings, bucket=name, database=name.replace("-", "_"), workgroup=name, stack=name
    )
    yield place
    deploy.destroy(place, place.bucket)


def parameters_of(settings: Settings, **changed: str) -> dict[str, str]:
    given = (
        deploy.parameters(settings, code_digest="0" * 16) | machine.parameters(settings, DEFINITION) | EVERYTHING
    )
    return given | {"EndpointName": settings.stack} | changed


def differences(settings: Settings, values: dict[str, str]) -> tuple[list[str], list[tuple[str, str, Any]]]:
    """(what is not as the templates say, every resource that was looked at)."""
    mismatches, looked_at, outputs = [], [], {}
    for template in TEMPLATES:
        name = aws.stack_name(settings, template.stack)
        physical = resource_checks.physical_ids(settings, name)
        given = templates.resolve(template, {**values, **outputs})
        for logical, properties in wanted(template, {**given, "AWS::StackName": name}, physical).items():
            kind = template.body["Resources"][logical]["Type"]
            there = actual(settings, kind, physical[logical], properties)
            for key, value in properties.items():
                if (kind, key) not in UNTOLD and not covers(plain(there.get(key)), plain(value)):
                    mismatches.append(f"{logical}.{key}: {plain(there.get(key))} instead of {plain(value)}")
            looked_at.append((kind, physical[logical], properties))
        outputs |= aws.stack_outputs(settings)
    return mismatches, looked_at


def gone(settings: Settings, kind: str, physical: str, properties: Any) -> bool:
    try:
        actual(settings, kind, physical, properties)
    except (ClientError, ValueError, StopIteration, AssertionError):  # not there, not listed, not enabled
        return True
    return False


def test_every_resource_is_made_as_the_template_says_changed_and_deleted(settings: Settings) -> None:
    values = parameters_of(settings)

    def upload(stack: str) -> None:
        if stack == "storage":
            key = machine.definition_key(DEFINITION)
            aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=DEFINITION)

    stacks.execute(settings, stacks.make_plan(settings, TEMPLATES, values), values, upload)
    wrong, made = differences(settings, values)
    assert wrong == []
    assert len(made) == sum(len(template.body["Resources"]) for template in TEMPLATES)  # all conditions hold

    changed = parameters_of(
        settings, MaxWorkers="5", LogRetentionDays="90", QueryResultDays="3", MonthlyBudgetUsd="20",
        EndpointLatencyMs="500", BytesScannedCutoff="20000000", AlarmEmail="other@example.org",
        Schedule="rate(1 day)", StartOnManifest="DISABLED",
    )  # fmt: skip
    assert differences(settings, changed)[0] != []
    plans = stacks.make_plan(settings, TEMPLATES, changed)
    stacks.execute(settings, plans, changed)
    touched = {change.name for plan in plans for change in plan.changes if change.action == "Modify"}
    assert touched == {
        "Bucket", "WorkGroup", "TrackingJob", "CompactJob", "ClipsJob", "JobOutputLog", "JobErrorLog",
        "EndpointLog", "AlarmTopic", "Budget", "EndpointLatency", "ManifestRule", "ScheduleRule",
    }  # fmt: skip
    wrong, _ = differences(settings, changed)
    assert [w for w in wrong if not w.startswith("AlarmTopic.Subscription")] == []

    fewer = changed | {"MonthlyBudgetUsd": "0", "UseLakeFormation": "false", "UseQuickSight": "false"}
    plans = stacks.make_plan(settings, TEMPLATES, fewer)
    removed = {change.name for plan in plans for change in plan.changes if change.action == "Remove"}
    assert removed == {
        "Budget", "CrawlerOnDatabase", "CrawlerOnTables", "JobsOnDatabase", "JobsOnTables", "QuickSightPolicy",
    }  # fmt: skip
    stacks.execute(settings, plans, fewer)
    left = {
        k for k, p, wished in made if "LakeFormation" in k or "Budget" in k if not gone(settings, k, p, wished)
    }
    assert left == set()

    deploy.destroy(settings, settings.bucket)
    assert [(kind, name) for kind, name, wished in made if not gone(settings, kind, name, wished)] == []


def test_a_plan_that_is_not_confirmed_changes_nothing(settings: Settings) -> None:
    shown: list[str] = []

    def no(plan: str) -> bool:
        shown.append(plan)
        return False

    assert "nothing was changed" in deploy.run(settings, no).summary
    with pytest.raises(ClientError, match="404"):
        aws.client(settings, "s3").head_bucket(Bucket=settings.bucket)
    assert f"{settings.stack}-storage: is created\n  + Key " in shown[0]

    deploy.run(settings)
    changed = dataclasses.replace(settings, max_gap_frames=7)
    assert "nothing was changed" in deploy.run(changed, no).summary
    assert f"{settings.stack}-compute: is changed\n  ~ TablesJob" in shown[1]
    assert f"{settings.stack}-storage: nothing to do" in shown[1]
    jobs = aws.client(settings, "glue").get_job(JobName=f"{settings.stack}-curate-tables")["Job"]
    assert jobs["DefaultArguments"]["--max_gap_frames"] == "15"
    sets = aws.client(settings, "cloudformation").list_change_sets(StackName=f"{settings.stack}-compute")
    assert [
        s
        for s in sets["Summaries"]
        if s["StackName"].startswith(settings.stack) and "AVAILABLE" in s.get("ExecutionStatus", "")
    ] == []

    assert "nothing was deleted" in deploy.destroy(settings, settings.bucket, no).summary
    assert f"bucket {settings.bucket}: is deleted WITH ALL DATA" in shown[2]
    assert "= Bucket " in shown[2]
    assert "- Database " in shown[2]
    assert aws.stack_outputs(settings)["BucketName"] == settings.bucket
    assert deploy.run(settings).status == "unchanged"


def test_two_stacks_of_one_account_share_the_log_of_the_endpoint(settings: Settings) -> None:
    other = dataclasses.replace(
        settings, bucket=f"{settings.bucket}-b", database=f"{settings.database}_b",
        workgroup=f"{settings.workgroup}-b", stack=f"{settings.stack}-b",
    )  # fmt: skip
    deploy.run(settings)
    try:
        assert "EndpointLog" not in deploy.run(other).details["resources"]
        assert deploy.run(other).status == "unchanged"
    finally:
        deploy.destroy(other, other.bucket)
    assert deploy.run(settings).status == "unchanged"  # its log is still there


def test_a_key_and_a_registry_that_were_kept_are_taken_over(settings: Settings) -> None:
    first = deploy.run(settings).details["outputs"]
    deploy.destroy(settings)
    again = deploy.run(settings).details
    assert again["outputs"]["KmsKeyArn"] == first["KmsKeyArn"]
    assert not {"Key", "Bucket", "LogBucket", "ModelPackageGroup"} & set(again["resources"])
    group = aws.client(settings, "sagemaker").describe_model_package_group(ModelPackageGroupName=settings.stack)
    assert group["ModelPackageGroupDescription"] == "Behaviour classifiers of Etholake"
