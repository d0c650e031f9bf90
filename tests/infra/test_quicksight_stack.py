"""The dashboards as a stack of QuickSight on the mock: made as the template says, changed, deleted."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from described import covers, plain, wanted

from etholake import aws
from etholake.settings import Settings
from etholake.stages.cloud.templates import Template, resolve
from etholake.stages.reports import dashboards

PRINCIPAL = "arn:aws:quicksight:us-east-1:123456789012:user/default/ana"
ACCOUNT = "123456789012"
# Type -> (how its service tells of it, what it does not tell)
TOLD: dict[str, Any] = {
    "AWS::QuickSight::DataSource": (
        lambda q, i: q.describe_data_source(AwsAccountId=ACCOUNT, DataSourceId=i)["DataSource"],
        {"AwsAccountId", "Permissions"},
    ),
    "AWS::QuickSight::DataSet": (
        lambda q, i: q.describe_data_set(AwsAccountId=ACCOUNT, DataSetId=i)["DataSet"],
        {"AwsAccountId", "Permissions"},
    ),
    "AWS::QuickSight::Theme": (
        lambda q, i: _theme(q.describe_theme(AwsAccountId=ACCOUNT, ThemeId=i)["Theme"]),
        {"AwsAccountId", "Permissions"},
    ),
    "AWS::QuickSight::Dashboard": (
        lambda q, i: q.describe_dashboard_definition(AwsAccountId=ACCOUNT, DashboardId=i),
        {"AwsAccountId", "Permissions", "DashboardPublishOptions", "ValidationStrategy"},
    ),
}


def _theme(theme: dict[str, Any]) -> dict[str, Any]:
    return {**theme, **theme["Version"]}


def differences(settings: Settings, template: Template, values: dict[str, str], name: str) -> list[str]:
    """Return what is not as the template says, asked at QuickSight."""
    pages = aws.client(settings, "cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    items = [item for page in pages for item in page["StackResourceSummaries"]]
    physical = {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in items}
    client, wrong = aws.client(settings, "quicksight"), []
    for logical, properties in wanted(template, values, physical).items():
        ask, untold = TOLD[template.body["Resources"][logical]["Type"]]
        there = plain(ask(client, physical[logical]))
        wrong += [
            f"{logical}.{key}"
            for key, value in properties.items()
            if key not in untold and not covers(there.get(key), plain(value))
        ]
    return wrong


@pytest.mark.long
def test_the_dashboards_are_made_changed_and_deleted_as_a_stack(mock_settings: Settings, tmp_path: Path) -> None:
    dashboards.write_template(tmp_path / "template.json")
    text = (tmp_path / "template.json").read_text()
    template, name = Template("dashboards", text, json.loads(text)), f"qs-{uuid.uuid4().hex[:8]}"
    client = aws.client(mock_settings, "quicksight")
    formation = aws.session(mock_settings).client(
        "cloudformation", endpoint_url=mock_settings.endpoint_url,
        config=Config(read_timeout=600, retries={"max_attempts": 0}),  # the stack is made while one waits
    )  # fmt: skip
    where = {"StackName": name, "TemplateBody": text}

    def values(**changed: str) -> dict[str, str]:
        return resolve(template, {"Prefix": name, "Principal": PRINCIPAL, "Database": "lake_a", **changed})

    def parameters(given: dict[str, str]) -> list[dict[str, str]]:
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]

    formation.create_stack(**where, Parameters=parameters(values()))
    stack = formation.describe_stacks(StackName=name)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", formation.describe_stack_events(StackName=name)
    assert differences(mock_settings, template, values(), name) == []
    assert differences(mock_settings, template, values(Database="lake_b", WorkGroup="other"), name) != []

    changed = values(Database="lake_b", WorkGroup="other")
    formation.update_stack(**where, Parameters=parameters(changed))
    assert formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"
    assert differences(mock_settings, template, changed, name) == []

    formation.delete_stack(StackName=name)
    for body in template.body["Resources"].values():
        ask, _ = TOLD[body["Type"]]
        own = {f"{body['Type'].rpartition(':')[2]}Id"}
        ((_, identity),) = [(k, v) for k, v in body["Properties"].items() if k in own]
        with pytest.raises(ClientError, match=r"(?i)not found"):
            ask(client, identity.get("Fn::Sub", "${Prefix}").replace("${Prefix}", name))


def test_readers_cannot_be_changed_in_silence(mock_settings: Settings) -> None:
    name = f"qs-{uuid.uuid4().hex[:8]}"
    formation = aws.client(mock_settings, "cloudformation")

    def body(reader: str) -> str:
        readers = [{"Principal": PRINCIPAL.replace("ana", reader), "Actions": ["quicksight:DescribeTheme"]}]
        properties = {
            "AwsAccountId": ACCOUNT, "ThemeId": name, "Name": "T", "BaseThemeId": "CLASSIC", "Configuration": {},
            "Permissions": readers,
        }  # fmt: skip
        return json.dumps({"Resources": {"Theme": {"Type": "AWS::QuickSight::Theme", "Properties": properties}}})

    formation.create_stack(StackName=name, TemplateBody=body("ana"))
    formation.update_stack(StackName=name, TemplateBody=body("bea"))
    events = formation.describe_stack_events(StackName=name)["StackEvents"]
    assert any("cannot change the Permissions" in event.get("ResourceStatusReason", "") for event in events)
    formation.delete_stack(StackName=name)
