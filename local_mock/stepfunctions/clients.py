"""Clients of a task: boto3 at this server's one endpoint, requests checked as any client's are."""

from __future__ import annotations

import sys
from typing import Any

from local_mock import clients

__all__ = ["client_for", "install"]

_PACKAGE = "moto.stepfunctions.parser"


def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
    """Return `clients.client_for` of the role in `state_credentials` (moto's, with a `role_arn`)."""
    return clients.client_for(region, service, str(getattr(state_credentials, "role_arn", "")))


def install() -> None:
    """Put `client_for` in the place of moto's maker of clients, which every module imported by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE) and hasattr(module, "boto_client_for"):
            module.boto_client_for = client_for  # type: ignore[attr-defined]
