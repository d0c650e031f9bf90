"""The templates: lint, names that others rely on, and the promises about access and data."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etholake.contract import CODE_ZONE, RAW_ZONE, RESULTS_ZONE
from etholake.errors import UsageError
from etholake.settings import Settings
from etholake.stages.cloud import deploy, resource_checks, templates
from etholake.stages.pipeline import machine
from etholake.stages.serving.endpoint_requests import VARIANT

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = templates.load(ROOT / "infra")
STACKS = {template.stack: template for template in TEMPLATES}
RESOURCES = {
    (template.stack, name): body for template in TEMPLATES for name, body in template.body["Resources"].items()
}
ENVIRONMENTS = ("dev", "prod")


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: body for (_, name), body in RESOURCES.items() if body["Type"] == kind}


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    files = [ROOT / templates.FOLDER / f"{template.stack}.yaml" for template in TEMPLATES]
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_parameter_is_given_by_settings_file_or_an_earlier_stack(environment: str) -> None:
    given = templates.parameter_file(ROOT / "infra", environment, TEMPLATES)
    settings = deploy.parameters(Settings(), code_digest="0" * 16) | machine.parameters(Settings(), b"{}")
    assert not set(given) & set(settings)  # one place for each
    sources = given | settings
    for template in TEMPLATES:
        values = templates.resolve(template, sources)  # raises for what is missing
        assert set(values) == set(template.declared)
        sources |= {name: "arn:or:name" for name in template.body["Outputs"]}


def test_the_environments_give_the_same_parameters() -> None:
    dev, prod = (templates.parameter_file(ROOT / "infra", environment, TEMPLATES) for environment in ENVIRONMENTS)
    assert set(dev) == set(prod)
    assert dev != prod


def test_unknown_environments_and_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Environment 'test' has no file in infra/parameters\. Known: dev, prod"):
        templates.parameter_file(ROOT / "infra", "test", TEMPLATES)
    folder = tmp_path / "parameters"
    folder.mkdir(parents=True)
    (folder / "dev.json").write_text(json.dumps({"Parameters": {"MaxWorker": 3}}))
    with pytest.raises(UsageError, match="MaxWorker"):
        templates.parameter_file(tmp_path, "dev", TEMPLATES)
    with pytest.raises(UsageError, match=r"infra/compute\.yaml needs parameters that no stack before it gives"):
        templates.resolve(STACKS["compute"], {"BucketName": "b"})


def test_defaults_are_those_of_the_settings() -> None:
    given = deploy.parameters(Settings(), code_digest="0" * 16)
    for template in TEMPLATES:
        for name, declaration in template.declared.items():
            if name in given and "Default" in declaration:
                assert str(declaration["Default"]) == given[name], name


def test_outputs_that_the_stages_read() -> None:
    outputs = {name for template in TEMPLATES for name in template.body["Outputs"]}
    assert outputs >= {
        "BucketName", "LogBucketName", "KmsKeyArn", "DatabaseName", "WorkGroupName", "GlueRoleArn",
        "CrawlerRoleArn", "SageMakerRoleArn", "CompactJobName", "TablesJobName", "TrackingJobName",
        "RawCrawlerName", "AlarmTopicArn", "ModelPackageGroupName",
    }  # fmt: skip


def test_every_type_can_be_verified_after_deployment() -> None:
    assert {body["Type"] for body in RESOURCES.values()} <= set(resource_checks.CHECKS)


def test_conditions_decide_what_is_made() -> None:
    storage = STACKS["storage"]
    values = templates.resolve(storage, {"BucketName": "b"})
    everything = set(storage.resources(values))
    assert everything == set(storage.body["Resources"])
    adopted = set(storage.resources(values | {"CreateBucket": "false", "ExistingKeyArn": "arn:aws:kms:key"}))
    assert everything - adopted == {"Bucket", "LogBucket", "LogBucketPolicy", "Key", "KeyAlias"}
    compute = STACKS["compute"]
    parameters = {"BucketName": "b", "KmsKeyArn": "k", "DatabaseName": "d", "CodeDigest": "0" * 16}
    plain = set(compute.resources(templates.resolve(compute, parameters)))
    extra = parameters | {"UseLakeFormation": "true", "MonthlyBudgetUsd": "5"}
    assert set(compute.resources(templates.resolve(compute, extra))) - plain == {
        "Budget", "CrawlerOnDatabase", "CrawlerOnTables", "JobsOnDatabase", "JobsOnTables",
    }  # fmt: skip


def test_what_holds_data_stays_and_nothing_else() -> None:
    kept = {name for (_, name), body in RESOURCES.items() if body.get("DeletionPolicy") in deploy.KEPT}
    assert kept == {"Bucket", "LogBucket", "Key", "ModelPackageGroup"}
    assert all(body["UpdateReplacePolicy"] == "Retain" for (_, n), body in RESOURCES.items() if n in kept)


def test_buckets_are_private_encrypted_and_tls_only() -> None:
    for name, bucket in of_type("AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}, name
        assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert "BucketEncryption" in properties
    policies = of_type("AWS::S3::BucketPolicy")
    assert len(policies) == len(of_type("AWS::S3::Bucket"))
    for policy in policies.values():
        deny = policy["Properties"]["PolicyDocument"]["Statement"][0]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert len(deny["Resource"]) == 2  # the bucket and its objects


def test_the_lake_is_versioned_logged_and_encrypted_by_its_key() -> None:
    properties = of_type("AWS::S3::Bucket")["Bucket"]["Properties"]
    assert properties["VersioningConfiguration"]["Status"] == "Enabled"
    assert properties["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "LogBucket"}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert of_type("AWS::KMS::Key")["Key"]["Properties"]["EnableKeyRotation"] is True
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert [r["Prefix"] for r in rules if "ExpirationInDays" in r] == [f"{RESULTS_ZONE}/"]  # no data expires
    moved = [(r["Prefix"], r["Transitions"][0]["StorageClass"]) for r in rules if "Transitions" in r]
    assert moved == [(f"{RAW_ZONE}/", "STANDARD_IA")]
    assert [r["AbortIncompleteMultipartUpload"] for r in rules if "Prefix" not in r] == [
        {"DaysAfterInitiation": 7}
    ]


def test_jobs_are_bounded_and_find_their_code() -> None:
    jobs = of_type("AWS::Glue::Job")
    assert len(jobs) == 5
    for name, body in jobs.items():
        job = body["Properties"]
        assert (job["GlueVersion"], job["WorkerType"]) == ("5.1", "G.1X")
        assert job["Timeout"] <= (2880 if name == "ClipsJob" else 240)  # minutes; a video may last 12 hours
        script = job["Command"]["ScriptLocation"]["Fn::Sub"]
        assert (ROOT / script.removeprefix(f"s3://${{BucketName}}/{CODE_ZONE}/")).is_file()
        arguments = job["DefaultArguments"]
        assert arguments["--job-bookmark-option"] == "job-bookmark-disable"
        for flag in ("--enable-metrics", "--enable-auto-scaling", "--enable-continuous-cloudwatch-log"):
            assert arguments[flag] == "true"
        pins = {line.split(" ")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
        assert all(pin in pins for pin in arguments["--additional-python-modules"].split(","))
        prefix = arguments["--custom-logGroup-prefix"]["Fn::Sub"]
        groups = {g["Properties"]["LogGroupName"]["Fn::Sub"] for g in of_type("AWS::Logs::LogGroup").values()}
        assert {f"{prefix}/output", f"{prefix}/error"} <= groups


def test_logs_do_not_stay_forever() -> None:
    for name, group in of_type("AWS::Logs::LogGroup").items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_failures_raise_an_alarm() -> None:
    pattern = of_type("AWS::Events::Rule")["JobFailed"]["Properties"]["EventPattern"]
    job_names = {ref["Ref"] for ref in pattern["detail"]["jobName"]}
    assert job_names == set(of_type("AWS::Glue::Job")) - {"StepJob"}  # of its own failures the pipeline tells
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopicArn"}]
        assert {"Name": "VariantName", "Value": VARIANT} in alarm["Properties"]["Dimensions"]
    notices = of_type("AWS::Budgets::Budget")["Budget"]["Properties"]["NotificationsWithSubscribers"]
    assert {n["Notification"]["NotificationType"] for n in notices} == {"ACTUAL", "FORECASTED"}


def test_the_crawler_looks_at_the_raw_zone() -> None:
    targets = of_type("AWS::Glue::Crawler")["RawCrawler"]["Properties"]["Targets"]["S3Targets"]
    assert all(t["Path"]["Fn::Sub"].startswith(f"s3://${{BucketName}}/{RAW_ZONE}/") for t in targets)


def test_roles_name_actions_and_resources() -> None:
    roles = of_type("AWS::IAM::Role")
    assert {"GlueRole", "CrawlerRole", "SageMakerRole"} <= set(roles)
    for body in roles.values():
        role = body["Properties"]
        assert "ManagedPolicyArns" not in role
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not [action for action in actions if "*" in action], statement["Sid"]
