"""Methods of moto's `QuickSightResponse`: the requests are kept as they were sent, by kind and id."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.quicksight.exceptions import ResourceNotFoundException
from moto.quicksight.responses import QuickSightResponse

__all__ = ["OPERATIONS", "PATHS"]

_ACCOUNT = r"{0}/accounts/(?P<account_id>[^/]+)"
PATHS = (
    rf"{_ACCOUNT}/data-sets/(?P<data_set_id>[^/]+)$",
    rf"{_ACCOUNT}/themes$",
    rf"{_ACCOUNT}/themes/(?P<theme_id>[^/]+)$",
    rf"{_ACCOUNT}/dashboards/(?P<dashboard_id>[^/]+)/definition$",
    rf"{_ACCOUNT}/dashboards/(?P<dashboard_id>[^/]+)/versions/(?P<version>[0-9]+)$",
)
_NAMES = {"DataSet": "dataset", "Theme": "theme", "Dashboard": "dashboard"}  # as in ARNs
_create_data_set = QuickSightResponse.create_data_set
_create_dashboard = QuickSightResponse.create_dashboard


def _kept(response: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (kind, id) -> request, of this account and region."""
    kept: dict[tuple[str, str], dict[str, Any]] = response.quicksight_backend.__dict__.setdefault("_kept", {})
    return kept


def _body(response: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.body) if response.body else {}
    return body


def _named(response: Any, kind: str) -> str:
    """Return the id that a path (or, on creation, the body) gives."""
    return str(response._get_param(f"{kind}Id"))


def _found(response: Any, kind: str) -> dict[str, Any]:
    try:
        return _kept(response)[kind, _named(response, kind)]
    except KeyError:
        raise ResourceNotFoundException(f"{kind} {_named(response, kind)} not found") from None


def _arn(response: Any, kind: str) -> str:
    backend = response.quicksight_backend
    place = f"arn:aws:quicksight:{backend.region_name}:{backend.account_id}"
    return f"{place}:{_NAMES[kind]}/{_named(response, kind)}"


def _answer(response: Any, kind: str, **more: Any) -> str:
    answer = {"Arn": _arn(response, kind), f"{kind}Id": _named(response, kind), "Status": 200, "RequestId": "none"}
    return json.dumps(answer | more)


def _keep(response: Any, kind: str) -> None:
    _kept(response)[kind, _named(response, kind)] = {**_body(response), f"{kind}Id": _named(response, kind)}


def _update(response: Any, kind: str) -> str:
    """Replace a stored resource by the request's content; its permissions stay."""
    there = _found(response, kind)
    kept = {key: there[key] for key in ("Permissions", "Tags", f"{kind}Id") if key in there}
    _kept(response)[kind, _named(response, kind)] = {**_body(response), **kept}
    return _answer(response, kind)


def _delete(response: Any, kind: str) -> str:
    _found(response, kind)
    del _kept(response)[kind, _named(response, kind)]
    return _answer(response, kind)


# --- data sets --------------------------------------------------------------------------------------------
def create_data_set(self: Any) -> Any:
    _keep(self, "DataSet")
    return _create_data_set(self)


def describe_data_set(self: Any) -> str:
    return json.dumps({"DataSet": {**_found(self, "DataSet"), "Arn": _arn(self, "DataSet")}, "Status": 200})


def update_data_set(self: Any) -> str:
    return _update(self, "DataSet")


def delete_data_set(self: Any) -> str:
    self.quicksight_backend.data_sets.pop(_named(self, "DataSet"), None)
    return _delete(self, "DataSet")


# --- themes -----------------------------------------------------------------------------------------------
def create_theme(self: Any) -> str:
    _keep(self, "Theme")
    return _answer(self, "Theme", CreationStatus="CREATION_SUCCESSFUL")


def describe_theme(self: Any) -> str:
    there = _found(self, "Theme")
    version = {"Configuration": there.get("Configuration", {}), "BaseThemeId": there.get("BaseThemeId", "")}
    described = {
        "ThemeId": there["ThemeId"],
        "Name": there.get("Name", ""),
        "Arn": _arn(self, "Theme"),
        "Version": version,
    }
    return json.dumps({"Theme": described, "Status": 200})


def update_theme(self: Any) -> str:
    return _update(self, "Theme")


def delete_theme(self: Any) -> str:
    return _delete(self, "Theme")


# --- dashboards: moto's own, and what it was given ----------------------------------------------------------
def create_dashboard(self: Any) -> Any:
    _keep(self, "Dashboard")
    return _create_dashboard(self)


def describe_dashboard_definition(self: Any) -> str:
    there = _found(self, "Dashboard")
    described = {key: there[key] for key in ("DashboardId", "Name", "Definition", "ThemeArn") if key in there}
    return json.dumps({**described, "Status": 200})


def update_dashboard(self: Any) -> str:
    answer = json.loads(_update(self, "Dashboard"))
    dashboard, body = self.quicksight_backend.dashboards[_named(self, "Dashboard")], _body(self)
    dashboard.name, dashboard.definition = body["Name"], body.get("Definition")
    dashboard.theme_arn, dashboard.version_number = body.get("ThemeArn"), dashboard.version_number + 1
    return json.dumps({**answer, "VersionArn": dashboard.version_arn, "CreationStatus": "CREATION_SUCCESSFUL"})


def update_dashboard_published_version(self: Any) -> str:
    _found(self, "Dashboard")
    return _answer(self, "Dashboard")


def delete_dashboard(self: Any) -> str:
    answer = _delete(self, "Dashboard")
    self.quicksight_backend.dashboards.pop(_named(self, "Dashboard"), None)
    return answer


OPERATIONS: tuple[Callable[[Any], Any], ...] = (
    create_data_set, describe_data_set, update_data_set, delete_data_set,
    create_theme, describe_theme, update_theme, delete_theme,
    create_dashboard, describe_dashboard_definition, update_dashboard, update_dashboard_published_version,
    delete_dashboard,
)  # fmt: skip
