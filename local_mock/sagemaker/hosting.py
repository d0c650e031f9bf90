"""A model that answers: one process that serves the code of a `model.tar.gz` on a free loopback port.

The process is ``code/serve.py`` of the archive, or `model_server` where the archive brings only an `inference.py`
with `model_fn, input_fn, predict_fn, output_fn`. It answers ``GET /ping`` and ``POST
/invocations``, as a container does: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import http.client
import shutil
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_mock.context import Context
from local_mock.errors import LocalMockError
from local_mock.glue.logs import LogShipper
from local_mock.process import Child
from local_mock.sagemaker.archive import unpack
from local_mock.sagemaker.errors import RunError, shorten

__all__ = ["ContainerResponse", "Host", "container_of", "data_uri", "free_port"]

_MODEL_SERVER = Path(__file__).with_name("model_server.py")
START_TIMEOUT_S = 120.0
REASON_LINES = 15


@dataclass(frozen=True)
class ContainerResponse:
    """The response of a model's server."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def container_of(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one container of a model's definition. Raises RunError for an inference pipeline."""
    containers = [c for c in (model.get("PrimaryContainer"), *(model.get("Containers") or [])) if c]
    if len(containers) != 1:
        raise RunError(f"ClientError: a model must have one container here, but got {len(containers)}.")
    return dict(containers[0])


def data_uri(container: Mapping[str, Any]) -> str:
    """Return the URI of the model's archive, or a prefix that ends in '/'; '' if the container names none."""
    if uri := container.get("ModelDataUrl"):
        return str(uri)
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return str(source.get("S3Uri", ""))


class Host:
    """One server process. `start` returns when it answers; `stop` ends it and removes its folder."""

    def __init__(
        self, container: Mapping[str, Any], context: Context, region: str, group: str, stream: str
    ) -> None:
        self._container, self._context = container, context
        self._region, self._group, self._stream = region, group, stream
        self.folder = context.state_dir / "sagemaker" / "hosts" / uuid.uuid4().hex[:12]
        self._child: Child | None = None
        self._shipper: LogShipper | None = None
        self._lock = threading.Lock()
        self.stopped = False
        self.port = 0

    def start(self, extra: Mapping[str, str] | None = None) -> None:
        """Unpack the model, start its server, wait until ``/ping`` says 200.

        Raises
        ------
        RunError
            The model cannot be unpacked, its server ended or was not ready in time; with the last log lines.
        """
        try:
            self._unpack()
        except (LocalMockError, OSError) as err:
            raise RunError(f"ClientError: the model could not be unpacked: {err}") from err
        log = self.folder / "host.log"
        self._shipper = LogShipper(self._region, self._stream, {self._group: log})
        self.port = free_port()
        child = Child(
            [sys.executable, self._server()], env=self._environment(extra), cwd=self.folder, log_path=log
        )
        with self._lock:
            self._child = child
            if self.stopped:
                child.stop(0)
        self._await_ready(child)

    def watch(self, on_death: Callable[[str], None]) -> None:
        """Call `on_death` with a reason if the process ends without `stop`."""
        child = self._child
        assert child is not None

        def wait() -> None:
            result = child.wait()
            if not self.stopped:
                on_death(
                    shorten(
                        f"The model server ended with exit code {result.returncode}.", child.tail(REASON_LINES)
                    )
                )

        threading.Thread(target=wait, name=f"host-{self.port}", daemon=True).start()

    def post(
        self, body: bytes, content_type: str, accept: str = "", headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> ContainerResponse:  # fmt: skip
        """POST /invocations. Raises OSError if the server cannot be reached or does not answer in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        sent = {"Content-Type": content_type or "application/octet-stream", **(headers or {})}
        if accept:
            sent["Accept"] = accept
        try:
            connection.request("POST", "/invocations", body, sent)
            response = connection.getresponse()
            got = {name.lower(): value for name, value in response.getheaders()}
            return ContainerResponse(response.status, got, response.read())
        except http.client.HTTPException as err:
            raise ConnectionError(f"the model's server broke off: {err!r}") from err
        finally:
            connection.close()

    def stop(self) -> None:
        """End the process (idempotent)."""
        with self._lock:
            self.stopped = True
            child = self._child
        if child:
            child.stop(grace_s=2.0)
        if self._shipper:
            self._shipper.close()
            self._shipper = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unpack(self) -> None:
        model = self.folder / "model"
        model.mkdir(parents=True)
        uri = data_uri(self._container)
        if not uri:
            raise FileNotFoundError("the container has no ModelDataUrl, and this mock runs no images.")
        if uri.endswith("/"):
            self._context.data.download(uri, model)
        else:
            unpack(self._context.data.local_file(uri), model)
        program = self._environment_of_model().get("SAGEMAKER_PROGRAM", "inference.py")
        if not (model / "code" / program).is_file():
            raise FileNotFoundError(f"{uri} has no code/{program}, which must say how the model is used.")

    def _server(self) -> Path:
        own = self.folder / "model" / "code" / "serve.py"
        return own if own.is_file() else _MODEL_SERVER

    def _environment_of_model(self) -> dict[str, str]:
        return dict(self._container.get("Environment") or {})

    def _environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        return {
            **self._environment_of_model(),
            **self._context.child_environment(),
            **(extra or {}),
            "SM_MODEL_DIR": str(self.folder / "model"),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SERVE_HOST": "127.0.0.1",  # whatever the container's environment says: loopback only
        }

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            code = child.poll()
            if code is not None:
                if self.stopped:
                    raise RunError("It was stopped before it was ready.")
                head = f"The model server ended with exit code {code} before it was ready. Last lines of its log:"
                raise RunError(shorten(head, child.tail(REASON_LINES)))
            if self._ping() == 200:
                return
            time.sleep(0.05)
        raise RunError(
            shorten(
                f"The model server did not pass its health check in {START_TIMEOUT_S:.0f} s.",
                child.tail(REASON_LINES),
            )
        )

    def _ping(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
