"""Etholake's one door to the server of `local_mock`: settings become its options, its errors become ours.

`local_mock` knows nothing of Etholake. Here stand the folders, the name of the mount variable and what of this
process's environment the server must not see.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etholake import aws
from etholake.errors import AwsError, UsageError
from etholake.localstack import host
from etholake.settings import Settings
from etholake.storage import MOUNT

if TYPE_CHECKING:
    from local_mock.lifecycle import Running
    from local_mock.options import Options

__all__ = ["down", "options", "require_answer", "require_java", "running", "up"]

_HIDDEN = ("ETHOLAKE_", "TARGET", "PORT", "MABE_DATA_DIR")


def options(settings: Settings) -> Options:
    """Return the options of the server of these settings; it ends with the processes that this one may name."""
    from local_mock import watch
    from local_mock.options import Options, switches

    beside = settings.target == "localstack"
    return Options(
        port=settings.mock_port if beside else settings.port,
        s3_root=Path(settings.s3_root),
        state_dir=Path(settings.state_dir),
        region=settings.region,
        s3_endpoint=aws.endpoint(settings, "s3") if beside else None,
        mount_variable=MOUNT,
        hidden_variables=_HIDDEN,
        ends_with=watch.parse(os.environ),
        **switches(os.environ),
    )


def up(settings: Settings) -> Running:
    """Return the running server, started if there is none; it has answered when this returns.

    Raises
    ------
    UsageError : on target aws; no LocalStack answers on its target; the port or a folder is in use.
    AwsError : it did not come up; the message has the end of its log.
    """
    from local_mock import lifecycle

    if settings.target == "aws":
        raise UsageError("Target aws needs no local_mock: it is answered by AWS.")
    with _translated():
        wanted = options(settings)
        if wanted.s3_endpoint is not None and not host.answers(settings.port):
            raise UsageError(f"No LocalStack answers on port {settings.port}: run `make localstack` first.")
        return lifecycle.up(wanted)


def running(settings: Settings) -> Running | None:
    """Return the server of these settings' state folder, None if there is none."""
    from local_mock import lifecycle

    with _translated():
        return lifecycle.running(options(settings))


def down(settings: Settings) -> bool:
    """Stop the server of these settings' state folder, with everything that it started. Whether there was one."""
    from local_mock import lifecycle

    with _translated():
        return lifecycle.down(options(settings))


def require_answer(settings: Settings) -> None:
    """Raise AwsError, with what to run, if local_mock does not answer at the port of these settings.

    Does nothing on target aws, which is answered by AWS.
    """
    from local_mock import lifecycle

    if settings.target == "aws":
        return
    name, port = (
        ("PORT", settings.port) if settings.target == "mock" else ("ETHOLAKE_MOCK_PORT", settings.mock_port)
    )
    occupant = lifecycle.occupant(port)
    if occupant == "other":
        raise AwsError(
            f"Another program answers on port {port}, where target '{settings.target}' has its services: stop "
            f"that program, or choose a free port: {name}=… make up, and the same {name} for every command."
        )
    if occupant == "nothing":
        raise AwsError(
            f"Nothing answers on target '{settings.target}', port {port} of 127.0.0.1. Start it with `make up`, "
            f"or set TARGET and {name}."
        )


def require_java(settings: Settings) -> None:
    """Raise UsageError, with how to install it, if Glue's jobs need a Java that this machine does not have.

    Does nothing on target aws, where Glue brings its own.
    """
    from local_mock.glue import java

    if settings.target != "aws" and (problem := java.problem(os.environ)):
        raise UsageError(f"No job was started. {problem}")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from local_mock import errors

    try:
        yield
    except errors.UsageError as err:
        raise UsageError(str(err).replace("`local-mock down`", "`etholake down`")) from err
    except errors.LocalMockError as err:
        raise AwsError(str(err)) from err
