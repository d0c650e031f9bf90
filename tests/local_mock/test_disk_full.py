"""A full disk: every service says so in AWS's shape, keeps what it had, and goes on when there is space again.

The disk is a small tmpfs (needs root and mount) under the S3 folder, filled to the last byte by the test.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_mock import lifecycle
from local_mock.context import client_environment
from local_mock.durable.state import State
from local_mock.errors import ServerError
from local_mock.options import Options


class Disk:
    """A file system of a few megabytes that can be filled and freed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._filler = folder, folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False)
    if os.geteuid() != 0 or mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield Disk(folder)
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def options(disk: Disk, tmp_path: Path) -> Iterator[Options]:
    made = Options(port=0, state_dir=tmp_path / "state", s3_root=disk.folder / "s3", ends_with=(os.getpid(),))
    yield made
    lifecycle.down(made)


def client(server: lifecycle.Running, service: str) -> Any:
    environment = client_environment(server.url, "us-east-1")
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
    )


# service -> (a request that changes state, one that reads it)
CHANGES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "glue": ("create_database", {"DatabaseInput": {"Name": "full"}}, "get_databases", {}),
    "athena": ("create_work_group", {"Name": "full"}, "list_work_groups", {}),
    "kms": ("create_key", {}, "list_keys", {}),
    "iam": ("create_role", {"RoleName": "full", "AssumeRolePolicyDocument": "{}"}, "list_roles", {}),
    "sns": ("create_topic", {"Name": "full"}, "list_topics", {}),
    "logs": ("create_log_group", {"logGroupName": "full"}, "describe_log_groups", {}),
    "sqs": ("create_queue", {"QueueName": "full"}, "list_queues", {}),
}


def test_every_service_says_that_the_disk_is_full_and_goes_on_when_it_is_not(disk: Disk, options: Options) -> None:
    server = lifecycle.up(options)
    client(server, "glue").create_database(DatabaseInput={"Name": "before"})
    client(server, "s3").create_bucket(Bucket="before")
    disk.fill()
    client_of = {service: client(server, service) for service in CHANGES}
    with pytest.raises(ClientError, match=r"InsufficientStorage.*no space.*Free some space"):
        client_of["glue"].create_database(DatabaseInput={"Name": "large", "Description": "x" * 200_000})
    for service, (change, arguments, read, reading) in CHANGES.items():
        with pytest.raises(ClientError, match=r"InsufficientStorage.*has no space") as error:
            getattr(client_of[service], change)(**arguments)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        getattr(client_of[service], read)(**reading)  # reading goes on
    with pytest.raises(ClientError, match="InsufficientStorage"):
        client(server, "s3").put_object(Bucket="before", Key="k", Body=b"x" * 100_000)
    disk.free()
    client_of["sns"].create_topic(Name="after")
    os.kill(server.pid, 9)
    again = lifecycle.up(options)
    databases = client(again, "glue").get_databases()["DatabaseList"]
    assert {"before", "full", "large"} <= {database["Name"] for database in databases}  # written after all
    assert any(topic["TopicArn"].endswith(":after") for topic in client(again, "sns").list_topics()["Topics"])


def test_up_on_a_full_disk_fails_and_succeeds_when_there_is_space(disk: Disk, options: Options) -> None:
    server = lifecycle.up(options)
    client(server, "glue").create_database(DatabaseInput={"Name": "kept"})
    lifecycle.down(options)
    disk.fill()
    with pytest.raises(ServerError, match=r"state of the services cannot be opened in .*Is its disk full\?"):
        lifecycle.up(options)
    assert lifecycle.running(options) is None
    disk.free()
    again = lifecycle.up(options)
    assert [d["Name"] for d in client(again, "glue").get_databases()["DatabaseList"]] == ["kept"]
    assert not list((options.s3_root / ".local_mock").glob("*.damaged-*"))


def test_a_state_folder_on_a_full_disk_is_named(disk: Disk, tmp_path: Path) -> None:
    options = Options(port=0, state_dir=disk.folder / "state", s3_root=tmp_path / "s3")
    options.state_dir.mkdir()
    (options.state_dir / "mock.lock").touch()
    (options.state_dir / "local_mock.out").touch()
    disk.fill()
    with pytest.raises(ServerError, match="local_mock"):
        lifecycle.up(options)
    disk.free()
    assert lifecycle.up(options).started
    lifecycle.down(options)


def test_a_write_without_space_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a limit on the size of files, which needs no rights."""
    import resource

    state = State(tmp_path / "x" / "state.sqlite")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096 * 20, hard))
    try:
        state.put("run/1", "y" * 300_000)
        with pytest.raises(OSError, match=r"has no space .*a restart would lose it"):
            state.after("glue", "CreateTable", "POST")
        state.after("glue", "GetTables", "POST")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    state.after("glue", "GetTables", "POST")
    assert list(State(tmp_path / "x" / "state.sqlite").all("run/")) == [("run/1", "y" * 300_000)]
