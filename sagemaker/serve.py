"""The HTTP host of a model: GET /ping, POST /invocations, around the four functions of `inference.py`.

Run it by hand:   SM_MODEL_DIR=model SAGEMAKER_BIND_TO_PORT=8080 python serve.py

`SM_MODEL_DIR` (default /opt/ml/model) holds the unpacked model with its `code/`. In a container set
`SERVE_HOST=0.0.0.0`; by default only this machine can connect. The model is loaded in the background: /ping says
503 `loading` until it is ready, then 200 `ready`, and the process ends with code 1 and the reason if it cannot be
loaded. An exception with a `status_code` of 4xx is the client's error: the response is its reason, and the server
continues.

SERVE_PROCESSES (default 1) is the number of processes that predict, each with the model in its memory and one
request at a time; the requests wait in one queue for all of them. With one, it is this process.

Only programs may ask: a request that a web page of another origin sends (`Origin`, `Sec-Fetch-Site`) is refused.
So is one whose `Host` is no name of this machine (DNS rebinding), unless SERVE_HOST is no loopback address.

Limits, whose errors say what to do instead: the size of a request (SAGEMAKER_MAX_PAYLOAD_IN_MB, which a batch
transform sets, else SERVE_MAX_PAYLOAD_MB, else 6; 0 for none), the time of a response (SERVE_TIMEOUT_S, else 60 s,
an hour in a batch transform), and the number of waiting requests (SERVE_MAX_WAITING, else 32).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import ipaddress
import json
import logging
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

DEFAULT_PAYLOAD_MB, DEFAULT_TIMEOUT_S = 6.0, 60.0  # of InvokeEndpoint
BATCH_TIMEOUT_S = 3600.0  # the longest InvocationsTimeoutInSeconds
DEFAULT_WAITING = 32
# A client that still sends does not read the response, so the rest of a body that is too long is read and dropped,
# up to so much; then the connection is closed.
MAX_DROPPED = 64 << 20
PREDICT = "--predict"  # with the number of an open socket: this process predicts for the host at its other end
FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
log = logging.getLogger("etholake.serve")


@dataclass(frozen=True)
class Limits:
    """Limits: `max_bytes` of a request, `timeout_s` of a response, `waiting` requests at once."""

    max_bytes: int
    timeout_s: float
    waiting: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Limits:
        """Read the limits from environment variables."""

        def number(*names: str, default: float) -> float:
            return next((float(environ[name]) for name in names if environ.get(name)), default)

        megabytes = number("SAGEMAKER_MAX_PAYLOAD_IN_MB", "SERVE_MAX_PAYLOAD_MB", default=DEFAULT_PAYLOAD_MB)
        batch = environ.get("SAGEMAKER_BATCH", "").lower() == "true"
        seconds = BATCH_TIMEOUT_S if batch else number("SERVE_TIMEOUT_S", default=DEFAULT_TIMEOUT_S)
        waiting = int(number("SERVE_MAX_WAITING", default=DEFAULT_WAITING))
        return cls(int(megabytes * (1 << 20)) if megabytes > 0 else 1 << 62, seconds, waiting)


class Predictor(Protocol):
    """Answers requests once it is ready: `Model` in this process, `Processes` in others."""

    ready: bool

    def load(self) -> None:
        """Load the model."""

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return (body, content type) of the response to one request."""


class Model:
    """The module `code/inference.py` and what its `model_fn` returned. One prediction at a time."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder, self._program = folder, program
        self._module: ModuleType | None = None
        self._loaded: Any = None
        self._one_at_a_time = threading.Lock()
        self.ready = False

    def load(self) -> None:
        """Import the module and call `model_fn`."""
        began = time.monotonic()
        module = self._import()
        missing = [name for name in FUNCTIONS if not callable(getattr(module, name, None))]
        if missing:
            raise TypeError(
                f"code/{self._program} must define {', '.join(FUNCTIONS)}; missing: {', '.join(missing)}."
            )
        self._loaded = module.model_fn(str(self._folder))
        self._module, self.ready = module, True
        log.info("model ready after %.2f s", time.monotonic() - began)

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return (body, content type) of the response to one request."""
        module = self._module
        assert module is not None
        data = module.input_fn(body, content_type)
        with self._one_at_a_time:
            prediction = module.predict_fn(data, self._loaded)
        result = module.output_fn(prediction, accept)
        output, kind = result if isinstance(result, tuple) else (result, accept)
        return (output.encode() if isinstance(output, str) else bytes(output)), kind

    def _import(self) -> ModuleType:
        code = self._folder / "code"
        path = code / self._program
        sys.path.insert(0, str(code))  # the model has the package that trained it beside it
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be imported.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module


class RefusedByProcessError(Exception):
    """The answer of a predicting process that is an error, which it has logged: its HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Process:
    """A process that predicts for this one, one request at a time."""

    def __init__(self, threads: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, PREDICT, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={"OMP_NUM_THREADS": str(threads), **os.environ},
            )
        self._connection = Connection(ours.detach())
        self._loaded = False

    def wait(self) -> None:
        """Wait until it has loaded the model. Raises EOFError or OSError if it ends instead."""
        if not self._loaded:
            self._connection.recv_bytes()
            self._loaded = True

    def ask(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return (body, content type) of its response.

        Raises RefusedByProcessError for a response that is an error, and as `wait`.
        """
        self.wait()
        self._connection.send_bytes(json.dumps([content_type, accept]).encode())
        self._connection.send_bytes(body)
        status, text = json.loads(self._connection.recv_bytes())
        output = self._connection.recv_bytes()
        if status != 200:
            raise RefusedByProcessError(status, text)
        return output, text

    def end(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()


class Processes:
    """Some processes that hold the model each; a request is answered by the first that is idle."""

    def __init__(self, count: int) -> None:
        self._count, self._threads = count, max(1, (os.cpu_count() or 1) // count)
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self.ready = False

    def load(self) -> None:
        """Start the processes and wait for the model in each."""
        began = time.monotonic()
        started = [_Process(self._threads) for _ in range(self._count)]
        for process in started:
            process.wait()
            self._idle.put(process)
        self.ready = True
        log.info("%d processes ready after %.2f s", self._count, time.monotonic() - began)

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return (body, content type) of the response to one request; a process that ends is replaced."""
        process = self._idle.get()
        try:
            return process.ask(body, content_type, accept)
        except RefusedByProcessError:
            raise
        except Exception as err:  # its next answer could be to this request
            process.end()
            process = _Process(self._threads)
            raise RuntimeError("the process that predicted has ended: it may have had too little memory") from err
        finally:
            self._idle.put(process)


def predict_for_host(descriptor: int, model: Model) -> None:
    """Answer the requests that come through a socket until its other end closes."""
    connection = Connection(descriptor)
    model.load()
    _log_json_lines()
    with contextlib.suppress(EOFError, OSError):
        connection.send_bytes(b"ready")
        while True:
            content_type, accept = json.loads(connection.recv_bytes())
            body = connection.recv_bytes()
            try:
                output, kind = model.answer(body, content_type, accept)
                head: tuple[int, str] = (200, kind)
            except Exception as err:
                head, output = _reason(err), b""
            connection.send_bytes(json.dumps(head).encode())
            connection.send_bytes(output)


def is_loopback(name: str) -> bool:
    """Return whether a host name or address is this machine's own: loopback, `localhost` or a name below it."""
    name = name.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def refused_visitor(headers: Mapping[str, str], any_host: bool) -> str | None:
    """Return why a request may not be answered, None for a program's (or an own page's) request.

    A browser names the page that asks and the name that it connected to; a page cannot change these headers.
    `any_host` accepts every `Host`, as in a container, whose name this process cannot know.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    name = _HOST.fullmatch(host)
    if not any_host and (name is None or not is_loopback(name[1])):
        return "This server answers to loopback addresses and localhost only."
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        return "This server does not answer web pages of another origin."
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "This server does not answer web pages of another site."
    return None


def application(model: Predictor, limits: Limits, any_host: bool = False) -> FastAPI:
    """Return the application with its two routes; `any_host` as in `refused_visitor`."""
    app = FastAPI(openapi_url=None)
    answering: set[Request] = set()  # used by the event loop's thread only

    @app.middleware("http")
    async def gate(request: Request, answer_it: Callable[[Request], Awaitable[Response]]) -> Response:
        reason = refused_visitor(request.headers, any_host)
        return await answer_it(request) if reason is None else _refusal(403, reason)

    @app.get("/ping")
    def ping() -> Response:
        status, code = ("ready", 200) if model.ready else ("loading", 503)
        return Response(json.dumps({"status": status}), code, media_type="application/json")

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        if not model.ready:
            return _refusal(503, "The model is still being loaded: try again in some seconds.")
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            return _refusal(
                415, f"Content-Encoding '{encoding[:40]}' is not read: send the body as it is.", closes=True
            )
        if len(answering) >= limits.waiting:
            return _refusal(503, f"{limits.waiting} requests are waiting already: try again in some seconds.")
        answering.add(request)
        try:
            return await answer(request)
        finally:
            answering.discard(request)

    async def answer(request: Request) -> Response:
        try:
            body = await asyncio.wait_for(_body(request, limits.max_bytes), limits.timeout_s)
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError:
            reason = f"The request was not sent within {limits.timeout_s:g} s."
            return _refusal(408, reason, closes=True)
        if body is None:
            limit = f"{limits.max_bytes / (1 << 20):g} MB"
            reason = f"The request is longer than {limit}: use a batch transform for long videos."
            return _refusal(413, reason, closes=True)
        content_type = request.headers.get("content-type", "application/octet-stream")
        accept = request.headers.get("accept", "")
        try:
            output, kind = await asyncio.wait_for(
                asyncio.to_thread(model.answer, body, content_type, accept), limits.timeout_s
            )
        except TimeoutError:
            return _refusal(
                504,
                f"The answer took longer than {limits.timeout_s:g} s: ask about fewer frames, or use an "
                "asynchronous endpoint or a batch transform for long videos.",
            )
        except Exception as err:
            return _failure(err)
        return Response(output, media_type=kind)

    return app


async def _body(request: Request, max_bytes: int) -> bytes | None:
    """Return the whole body; None if it is longer than allowed (then at most `MAX_DROPPED` more is read)."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size <= max_bytes:
            pieces.append(piece)
        else:
            pieces.clear()
        if size > max_bytes + MAX_DROPPED:
            break
    return b"".join(pieces) if size <= max_bytes else None


def _failure(err: Exception) -> Response:
    return _refusal(*_reason(err))


def _reason(err: Exception) -> tuple[int, str]:
    """Return the HTTP status of a failed prediction and the reason; log both."""
    if isinstance(err, RefusedByProcessError):
        return err.status, str(err)
    status = getattr(err, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        log.warning("refused with %d: %s", status, err)
        return status, str(err)
    log.error("request failed\n%s", "".join(traceback.format_exception(err)))
    return 500, f"The model failed on this request: {type(err).__name__}: {err}"


def _refusal(status: int, reason: str, *, closes: bool = False) -> Response:
    headers = {"Connection": "close"} if closes else {}
    return Response(json.dumps({"error": reason}), status, headers, media_type="application/json")


def _log_json_lines() -> None:
    """Log JSON lines as all other parts do, with the model's own package (an older one may not have this)."""
    with contextlib.suppress(ImportError):
        from etholake import logs

        logs.to_stdout()


def main() -> None:
    """Serve until SIGTERM; with `PREDICT` and the number of a socket, predict for the host at its other end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    folder = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    own = Model(folder, os.environ.get("SAGEMAKER_PROGRAM", "inference.py"))
    if sys.argv[1:2] == [PREDICT]:
        predict_for_host(int(sys.argv[2]), own)
        return
    processes = int(os.environ.get("SERVE_PROCESSES") or 1)
    if processes < 1:
        sys.exit(f"SERVE_PROCESSES must be at least 1, but is {processes}.")
    model: Predictor = own if processes == 1 else Processes(processes)
    host = os.environ.get("SERVE_HOST", "127.0.0.1")
    server = uvicorn.Server(
        uvicorn.Config(
            application(model, Limits.of(os.environ), any_host=not is_loopback(host)),
            host=host,
            port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")),
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    )
    failed = threading.Event()

    def load() -> None:
        try:
            model.load()
            _log_json_lines()
        except BaseException:
            traceback.print_exc()
            failed.set()
            server.should_exit = True

    threading.Thread(target=load, name="load", daemon=True).start()
    server.run()
    if failed.is_set():
        sys.exit("The model could not be loaded: see the lines above.")


if __name__ == "__main__":
    main()
