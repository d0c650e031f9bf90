"""The pytest plugin: a server for the session, clean buckets and the environment for a test. Opt-in.

Installed with the distribution; it does nothing until a test asks for one of its fixtures:

- `local_mock_server` (session): a started server with folders of its own;
- `local_mock` (function): the same server, no buckets, and the variables with which boto3, awswrangler, PyAthena
  and child processes use it. Nothing of the user's AWS configuration is read.

The server ends with the test run, however that ends. Databases, jobs and endpoints live as long as the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_mock import lifecycle
from local_mock.context import client_environment
from local_mock.options import Options, switches

__all__ = ["MockServer", "local_mock", "local_mock_server"]

_FOREIGN = "AWS_"


@dataclass(frozen=True)
class MockServer:
    """A running server.

    Attributes
    ----------
    url : the endpoint of all services.
    s3_root : folder whose subfolders are the buckets.
    environment : the variables that make any AWS client use the server.
    """

    url: str
    s3_root: Path
    environment: dict[str, str]


@pytest.fixture(scope="session")
def local_mock_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockServer]:
    """Start a server for the session."""
    folder = tmp_path_factory.mktemp("local_mock")
    owners = [os.getpid(), *([os.getppid()] if "PYTEST_XDIST_WORKER" in os.environ else [])]
    folders: dict[str, Any] = {"s3_root": folder / "s3", "state_dir": folder / "state"}
    options = Options(port=0, **folders, ends_with=tuple(owners), **switches(os.environ))
    url = lifecycle.up(options).url
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    nowhere |= {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1,localhost"}
    yield MockServer(url, options.s3_root, client_environment(url, options.region) | nowhere)
    lifecycle.down(options)


@pytest.fixture
def local_mock(local_mock_server: MockServer, monkeypatch: pytest.MonkeyPatch) -> MockServer:
    """Set the environment for one test, which starts without buckets."""
    import boto3

    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    for name, value in local_mock_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # an earlier one has other credentials
    _remove_buckets(boto3.client("s3"))
    return local_mock_server


def _remove_buckets(s3: Any) -> None:
    for name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=name, Key=item["Key"], VersionId=item["VersionId"])
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            if page.get("Contents"):
                keys = [{"Key": item["Key"]} for item in page["Contents"]]
                s3.delete_objects(Bucket=name, Delete={"Objects": keys})
        s3.delete_bucket(Bucket=name)
