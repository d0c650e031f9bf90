"""The context that every service of a server shares: folders, port, region, access to data.

Set once by the server before the services are installed. No service keeps a path or a port of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_mock.data import DataAccess
from local_mock.errors import LocalMockError
from local_mock.options import DUMMY_KEY, MOUNT, PREFIX
from local_mock.plain_paths import interpreter_folder

__all__ = ["ACCOUNT", "Context", "child_environment", "client_environment", "get_context", "set_context"]

ACCOUNT = "123456789012"  # moto's account
_LOOPBACK = "127.0.0.1,localhost"
# Not handed to jobs: options of this server, credentials, settings of Python and Spark, the working folder's code.
_PRIVATE = (PREFIX, "AWS_", "MOTO_", "PYTHON", "PYSPARK_", "SPARK_", "SM_")
_PRIVATE_NAMES = frozenset({"VIRTUAL_ENV"})


@dataclass(frozen=True)
class Context:
    """The server's surroundings.

    Attributes
    ----------
    s3_root : folder whose subfolders are the buckets (resolved); unused if `s3_endpoint` is set.
    state_dir : folder for logs, caches and working folders of jobs (resolved).
    port : the loopback port that the server listens on.
    region : default AWS region.
    data : how services read and write objects (`local_mock.data`).
    s3_endpoint : URL of an S3 elsewhere (LocalStack), None if S3 is our own folders.
    calls : file that records every request, None for none; jobs then reach S3 by requests, not by its folders.
    mount_variable : environment variable that tells a job the folder of the buckets.
    class_archive, spare_driver : see `local_mock.options.Options`.
    secret : opens the server's own controls (`local_mock.gate`), made anew at each start.
    """

    s3_root: Path
    state_dir: Path
    port: int
    region: str
    data: DataAccess
    s3_endpoint: str | None = None
    calls: Path | None = None
    mount_variable: str = MOUNT
    class_archive: bool = True
    spare_driver: bool = False
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False, kw_only=True)

    @property
    def url(self) -> str:
        """The one endpoint of all services."""
        return f"http://127.0.0.1:{self.port}"

    def child_environment(self, parent: Mapping[str, str] | None = None, principal: str = "") -> dict[str, str]:
        """Return the environment of a job: this server as the one AWS endpoint, nothing of the parent's settings.

        `principal` is the role whose name the job's requests carry as access key.
        `parent` defaults to this process's environment. The interpreter's own `bin` comes first on PATH.
        """
        parent = os.environ if parent is None else parent
        env = {k: v for k, v in parent.items() if not k.startswith(_PRIVATE) and k not in _PRIVATE_NAMES}
        env |= client_environment(self.url, self.region)
        env |= {
            "AWS_ACCESS_KEY_ID": principal or DUMMY_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,  # a profile of the user must not redirect a job
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": _LOOPBACK,
            "no_proxy": _LOOPBACK,
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join((str(interpreter_folder()), parent.get("PATH", os.defpath))),
        }
        if self.s3_endpoint is None and self.calls is None:
            env[self.mount_variable] = str(self.s3_root)
        elif self.s3_endpoint is not None:
            env["AWS_ENDPOINT_URL_S3"] = self.s3_endpoint
        return env


def client_environment(url: str, region: str) -> dict[str, str]:
    """Return the variables with which any AWS client, CLI and SDK use the server at `url`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": DUMMY_KEY,
        "AWS_SECRET_ACCESS_KEY": DUMMY_KEY,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
    }


_current: Context | None = None


def set_context(context: Context | None) -> None:
    """Set the context of this process; called by the server, and by tests of a service on its own."""
    global _current  # noqa: PLW0603
    _current = context


def get_context() -> Context:
    """Return the context of this process. Raises LocalMockError outside a server."""
    if _current is None:
        raise LocalMockError("No local_mock server runs in this process: start one with `local-mock up`.")
    return _current


def child_environment() -> dict[str, str]:
    """Return `Context.child_environment` of this process's server."""
    return get_context().child_environment()
