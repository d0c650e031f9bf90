"""The definitions as requests to QuickSight (`requests`, sent by `publish`) and as CloudFormation (`template`).

Create or update: what exists is updated, so a second publication is harmless. QuickSight itself, and its bill, are
AWS's: neither has been run against an account yet (see the README of this folder).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etholake.pages.dashboards.definitions import Definitions, Json, fill

__all__ = ["Call", "publish", "requests", "template"]

OWN_THEME = "arn:${Partition}:quicksight:${Region}:${AccountId}:theme/${Prefix}"


@dataclass(frozen=True)
class Call:
    """One thing to create: `create_<what>` with `create`, or `update_<what>` with `update` where it exists."""

    what: str  # data_source, data_set, theme, dashboard
    id: str
    create: Json
    update: Json


def requests(definitions: Definitions, values: Mapping[str, str], *, own_theme: bool) -> list[Call]:
    """Return every request in the order in which it must be sent. Pure.

    Parameters
    ----------
    values
        A value for each of `definitions.PLACEHOLDERS`.
    own_theme
        Whether the theme of the definitions is created, too (else ``ThemeArn`` names one that exists).
    """
    calls = [_call("data_source", fill(definitions.data_source, values), {"Type"})]
    calls += [_call("data_set", fill(body, values), set()) for body in definitions.data_sets.values()]
    if own_theme:
        calls.append(_call("theme", fill(definitions.theme, values), set()))
    calls += [_call("dashboard", fill(body, values), set()) for body in definitions.dashboards.values()]
    return calls


def _call(what: str, create: Json, only_create: set[str]) -> Call:
    key = "".join(part.title() for part in what.split("_")) + "Id"
    leave_out = {"Permissions", *only_create}  # an update has an operation of its own for them
    return Call(what, create[key], create, {k: v for k, v in create.items() if k not in leave_out})


def publish(client: Any, calls: list[Call]) -> list[tuple[str, str]]:
    """Send the calls; (id, 'created' or 'updated') of each. An updated dashboard's new version is published."""
    done = []
    for call in calls:
        try:
            getattr(client, f"create_{call.what}")(**call.create)
            done.append((call.id, "created"))
        except client.exceptions.ResourceExistsException:
            answer = getattr(client, f"update_{call.what}")(**call.update)
            if call.what == "dashboard":
                client.update_dashboard_published_version(
                    AwsAccountId=call.update["AwsAccountId"],
                    DashboardId=call.id,
                    VersionNumber=int(answer["VersionArn"].rpartition("/")[2]),
                )
            done.append((call.id, "updated"))
    return done


# --- CloudFormation ---------------------------------------------------------------------------------------
_PSEUDO = {"AccountId": "AWS::AccountId", "Region": "AWS::Region", "Partition": "AWS::Partition"}
_ARN = re.compile(
    r"arn:\$\{Partition\}:quicksight:\$\{Region\}:\$\{AccountId\}:(datasource|dataset)/\$\{Prefix\}(?:-(\w+))?"
)


def template(definitions: Definitions) -> Json:
    """Return a CloudFormation template of the documents; placeholders are parameters and references."""
    resources: Json = {"DataSource": _resource("DataSource", definitions.data_source)}
    for name, body in definitions.data_sets.items():
        resources[_logical("DataSet", name)] = _resource("DataSet", body)
    resources["Theme"] = {**_resource("Theme", definitions.theme), "Condition": "OwnTheme"}
    for name, body in definitions.dashboards.items():
        resources[_logical("Dashboard", name)] = _resource("Dashboard", body)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Etholake's dashboards: QuickSight over Athena (`etholake dashboards --template`).",
        "Parameters": {
            "Prefix": {
                "Type": "String",
                "Default": "etholake",
                "AllowedPattern": "[a-z0-9-]{1,40}",
                "Description": "Begins the id of everything that is created.",
            },
            "Database": {"Type": "String", "Default": "etholake", "AllowedPattern": "[a-z0-9_]{1,255}"},
            "WorkGroup": {"Type": "String", "Default": "etholake", "AllowedPattern": "[a-zA-Z0-9._-]{1,128}"},
            "Principal": {
                "Type": "String",
                "AllowedPattern": "arn:aws[a-z-]*:quicksight:[a-z0-9-]+:[0-9]{12}:(user|group)/.+",
                "Description": "ARN of the QuickSight user or group that may see and change the dashboards.",
            },
            "ThemeArn": {
                "Type": "String",
                "Default": "",
                "Description": "A theme that exists; empty: Etholake's own.",
            },
        },
        "Conditions": {"OwnTheme": {"Fn::Equals": [{"Ref": "ThemeArn"}, ""]}},
        "Resources": resources,
    }


def _logical(kind: str, name: str) -> str:
    return kind + "".join(part.title() for part in name.split("_"))


def _resource(kind: str, body: Json) -> Json:
    return {"Type": f"AWS::QuickSight::{kind}", "Properties": _substituted(body)}


def _substituted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _substituted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_substituted(item) for item in value]
    return _reference(value) if isinstance(value, str) and "${" in value else value


def _reference(text: str) -> Json:
    if text == "${ThemeArn}":
        return {"Fn::If": ["OwnTheme", {"Fn::GetAtt": ["Theme", "Arn"]}, {"Ref": "ThemeArn"}]}
    if match := _ARN.fullmatch(text):
        source = "DataSource" if match[1] == "datasource" else _logical("DataSet", match[2])
        return {"Fn::GetAtt": [source, "Arn"]}
    if match := re.fullmatch(r"\$\{(\w+)\}", text):
        return {"Ref": _PSEUDO.get(match[1], match[1])}
    return {"Fn::Sub": re.sub(r"\$\{(\w+)\}", lambda m: f"${{{_PSEUDO.get(m[1], m[1])}}}", text)}
