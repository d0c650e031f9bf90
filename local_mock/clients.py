"""Clients of this server's own services, for parts that act as a client of it: tasks, steps of pipelines."""

from __future__ import annotations

import threading
from typing import Any

from local_mock.context import get_context
from local_mock.options import DUMMY_KEY

__all__ = ["client_for"]

_lock = threading.Lock()
_clients: dict[tuple[str, str, str, str], Any] = {}


def client_for(region: str, service: str, role_arn: str = "") -> Any:
    """Return a boto3 client of `service` (cached) at this server's endpoint; S3 may be elsewhere (LocalStack).

    The name of the role is the access key of its requests, by which one sees who asked.
    """
    import boto3
    from botocore.config import Config

    context = get_context()
    url = context.s3_endpoint if service == "s3" and context.s3_endpoint else context.url
    principal = role_arn.rpartition("/")[2] or DUMMY_KEY
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
