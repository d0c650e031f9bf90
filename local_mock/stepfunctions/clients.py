"""Clients of a task: boto3 at this server's one endpoint, requests checked as any client's are."""

from __future__ import annotations

import sys
import threading
from typing import Any

from local_mock.context import get_context
from local_mock.options import DUMMY_KEY

__all__ = ["client_for", "install"]

_PACKAGE = "moto.stepfunctions.parser"
_lock = threading.Lock()
_clients: dict[tuple[str, str, str, str], Any] = {}


def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
    """Return a boto3 client of `service` (cached); S3 may be elsewhere (LocalStack).

    The name of the role in `state_credentials` (moto's, with a `role_arn`) is the access key of its requests, by
    which one sees who asked.
    """
    import boto3
    from botocore.config import Config

    context = get_context()
    url = context.s3_endpoint if service == "s3" and context.s3_endpoint else context.url
    principal = str(getattr(state_credentials, "role_arn", "")).rpartition("/")[2] or DUMMY_KEY
    with _lock:  # making one is not safe for threads, using it is
        made = _clients.get((region, service, url, principal))
        if made is None:
            made = _clients[region, service, url, principal] = boto3.session.Session().client(
                service,
                endpoint_url=url,
                region_name=region,
                aws_access_key_id=principal,
                aws_secret_access_key=DUMMY_KEY,
                config=Config(retries={"mode": "standard", "max_attempts": 3}, max_pool_connections=32),
            )
        return made


def install() -> None:
    """Put `client_for` in the place of moto's maker of clients, which every module imported by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE) and hasattr(module, "boto_client_for"):
            module.boto_client_for = client_for  # type: ignore[attr-defined]
