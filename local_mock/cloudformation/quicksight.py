"""Resource types of QuickSight: data sources, data sets, themes and dashboards, ids given by the template."""

from __future__ import annotations

from typing import Any

from local_mock.cloudformation.kind import Kind, Properties, Requests, without
from local_mock.context import ACCOUNT

__all__ = ["QUICKSIGHT"]


def _same_readers(_: str, old: Properties, new: Properties) -> Requests:
    """Raise ValueError if an update changes who may see a resource: QuickSight has another operation for that."""
    if old.get("Permissions") != new.get("Permissions"):
        raise ValueError("local_mock cannot change the Permissions of what is in QuickSight: replace it.")
    return []


def _kind(name: str, noun: str, arn: str, *only_created: str) -> Kind:
    def request(given: str, properties: Properties) -> dict[str, Any]:
        return {"AwsAccountId": ACCOUNT, **properties, f"{name}Id": given}

    return Kind(
        f"AWS::QuickSight::{name}", "quicksight", f"{name}Id",
        create=lambda n, p: [(f"create_{noun}", request(n, p))],
        update=lambda n, p: [(f"update_{noun}", request(n, without(p, "Permissions", "Tags", *only_created)))],
        delete=lambda n, _: [(f"delete_{noun}", {"AwsAccountId": ACCOUNT, f"{name}Id": n})],
        dropped=_same_readers,
        attributes={"Arn": f"arn:aws:quicksight:{{region}}:{{account}}:{arn}/{{name}}"},
    )  # fmt: skip


QUICKSIGHT: tuple[Kind, ...] = (
    _kind("DataSource", "data_source", "datasource", "Type"),
    _kind("DataSet", "data_set", "dataset"),
    _kind("Theme", "theme", "theme"),
    _kind("Dashboard", "dashboard", "dashboard"),
)
