"""The template: lint, names that others rely on, and the promises about access and data."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cfnlint.decode.cfn_yaml
import pytest

from etholake.contract import CODE_ZONE, RAW_ZONE, RESULTS_ZONE
from etholake.settings import Settings
from etholake.stages import deploy

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / deploy.TEMPLATE


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return dict(cfnlint.decode.cfn_yaml.loads(TEMPLATE.read_text()))


def test_cfn_lint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, TEMPLATE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_parameter_is_given_or_has_a_default(template: dict[str, Any]) -> None:
    given = deploy.parameters(Settings(), code_digest="0" * 16, create_bucket=True)
    declared = template["Parameters"]
    assert set(given) <= set(declared)
    assert {name for name, body in declared.items() if "Default" not in body} <= set(given)
    assert given["MaxGapFrames"] == str(declared["MaxGapFrames"]["Default"])


def test_outputs_that_the_stages_read(template: dict[str, Any]) -> None:
    assert set(template["Outputs"]) == {
        "BucketName", "DatabaseName", "WorkGroupName", "GlueRoleArn", "SageMakerRoleArn", "CompactJobName",
        "TablesJobName", "TrackingJobName", "RawCrawlerName",
    }  # fmt: skip


def test_every_type_can_be_verified_after_deployment() -> None:
    everything = deploy.template_resources(TEMPLATE.read_text(), create_bucket=True)
    assert set(everything.values()) <= set(deploy._CHECKS)
    adopted = deploy.template_resources(TEMPLATE.read_text(), create_bucket=False)
    assert set(everything) - set(adopted) == {"Bucket"}


def test_the_bucket_is_private_encrypted_versioned_and_never_goes_with_the_stack(template: dict[str, Any]) -> None:
    bucket = template["Resources"]["Bucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"]["Status"] == "Enabled"
    assert "BucketEncryption" in bucket["Properties"]
    expiring = [
        rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in rule
    ]
    assert [rule["Prefix"] for rule in expiring] == [f"{RESULTS_ZONE}/"]  # no data expires
    deny = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_jobs_are_bounded_and_find_their_code(template: dict[str, Any]) -> None:
    jobs = [body["Properties"] for body in template["Resources"].values() if body["Type"] == "AWS::Glue::Job"]
    assert len(jobs) == 3
    for job in jobs:
        assert (job["GlueVersion"], job["WorkerType"]) == ("5.1", "G.1X")
        assert job["Timeout"] <= 240
        script = job["Command"]["ScriptLocation"]["Fn::Sub"]
        assert (ROOT / script.removeprefix(f"s3://${{BucketName}}/{CODE_ZONE}/")).is_file()
        arguments = job["DefaultArguments"]
        assert arguments["--job-bookmark-option"] == "job-bookmark-disable"
        assert arguments["--enable-metrics"] == "true"
        pins = (ROOT / "pyproject.toml").read_text()
        assert all(f'"{pin}"' in pins for pin in arguments["--additional-python-modules"].split(","))


def test_the_crawler_looks_at_the_raw_zone(template: dict[str, Any]) -> None:
    targets = template["Resources"]["RawCrawler"]["Properties"]["Targets"]["S3Targets"]
    assert all(t["Path"]["Fn::Sub"].startswith(f"s3://${{BucketName}}/{RAW_ZONE}/") for t in targets)


def test_roles_name_actions_and_resources(template: dict[str, Any]) -> None:
    roles = [body["Properties"] for body in template["Resources"].values() if body["Type"] == "AWS::IAM::Role"]
    assert len(roles) == 2
    for role in roles:
        assert "ManagedPolicyArns" not in role
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not [action for action in actions if "*" in action], statement["Sid"]
            if statement["Resource"] == "*":  # only where the action knows no resources
                assert set(actions) <= {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}
