"""The server process: takes its locks, installs the services, answers until it is told to stop.

Nothing here knows what a service does. It is run by ``python -m local_mock`` (see `local_mock.lifecycle` for
starting it in the background) and keeps, in the state folder, `mock.json` (pid, port, url, s3_root) while it
answers. Locks are `flock`s: the kernel gives them back when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import gc
import importlib
import json
import logging
import logging.handlers
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from local_mock import calls, disk, documents, faults, instance_offerings, payloads, process, watch
from local_mock.context import ACCOUNT, Context, set_context
from local_mock.data import ClientData, FolderData
from local_mock.disk import StateNotWrittenError
from local_mock.durable import state as durable
from local_mock.durable.restart import mark_ended
from local_mock.durable.state import State
from local_mock.errors import ServerError, UsageError
from local_mock.gate import HEALTH, Gate, is_trusted
from local_mock.http import LoopbackServer, WsgiApp
from local_mock.keys import PRIVATE
from local_mock.options import HANDED_ON, PREFIX, Options
from local_mock.repeats import Repeats

__all__ = ["HEALTH", "SERVICES", "hold", "is_held", "serve"]

SERVICES = (
    "s3", "glue", "athena", "sagemaker", "stepfunctions", "events", "cloudformation", "quicksight", "tagging",
)  # fmt: skip
INTERRUPT = "/_local_mock/interrupt/"  # POST …/<training job>: takes its spot instances away
LOG_NAME = "local_mock.log"
_LOCK_WAIT_S = 2.0  # the kernel takes a moment to release the locks of a process with much memory


@contextlib.contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on a file, waiting for a holder that is just ending (a killed server, say).

    Raises
    ------
    UsageError : another process has it and goes on; the message names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as file:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as err:
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"{what} is in use by another local_mock (process {_holder(file)}). "
                        "Stop that one with `local-mock down`, or choose another folder."
                    ) from err
            time.sleep(0.02)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "unknown"


def is_held(path: Path) -> int | None:
    """Process id that holds a lock file, None if nobody does."""
    try:
        with path.open("r", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(_holder(file))
    except (OSError, ValueError):
        pass
    return None


def make_context(options: Options, port: int) -> Context:
    """Return the context of a server on `port`."""
    state_dir, root = options.state_dir.resolve(), options.s3_root.resolve()
    data = (
        ClientData(options.s3_endpoint, options.region, state_dir / "cache" / "s3")
        if options.s3_endpoint
        else FolderData(root)
    )
    return Context(
        root,
        state_dir,
        port,
        options.region,
        data,
        options.s3_endpoint,
        options.record_calls,
        options.mount_variable,
        options.class_archive,
        options.spare_driver,
    )


class Services:
    """moto with our services in it, made in the background: S3 answers at once, others wait for `application`.

    Importing moto's and our services takes seconds, which a client of S3 need not wait for.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ready = threading.Event()
        self._app: WsgiApp | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._make, daemon=True).start()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self._ready.wait()
        if self._app is not None:
            return self._app(environ, start_response)
        message = f"local_mock could not install its services: {self._error!r} (see its log)."
        status, headers, body = faults.answer(faults.service_of(environ), 501, "NotImplemented", message)
        start_response(status, headers)
        return [body]

    def wait(self) -> None:
        """Wait until the services are installed (or could not be)."""
        self._ready.wait()

    def _make(self) -> None:
        try:
            with _permanent():
                install(self._context)
            state = durable.current()
            if state is not None:
                state.restore()
                mark_ended(state, self._context)
            self._app = _moto() if state is None else _kept(_moto(), state)
        except BaseException as err:
            logging.getLogger("local_mock").exception("The services could not be installed")
            self._error = err
        finally:
            self._ready.set()


@contextlib.contextmanager
def _permanent() -> Iterator[None]:
    """Keep the garbage collector from what the block makes: it does not run meanwhile, and never looks at it.

    Modules live as long as the server. To look at them again and again took a third of the time of their import.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def install(context: Context) -> None:
    """Put our services into moto. S3 stays out where it is elsewhere."""
    documents.install()
    instance_offerings.install()
    for name in SERVICES:
        if name == "s3" and context.s3_endpoint is not None:
            continue
        importlib.import_module(f"local_mock.{name}").install(context)


def _moto() -> WsgiApp:
    """Return moto's application, with errors in AWS's shape."""
    from moto.backends import list_of_moto_modules
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    modules = {name.replace("_", "").replace("-", "") for name in list_of_moto_modules()}
    modules |= {"sagemakerruntime", "sagemakermetrics", "states", "cloudwatch", "events", "s3control"}

    def knows(service: str) -> bool:
        return service.replace("-", "").replace(".", "") in modules

    dispatcher = DomainDispatcherApplication(create_backend_app)
    # To find the service of a request moto looks at the 200 folders of its package.
    find = functools.lru_cache(256)(dispatcher.get_backend_for_host)
    dispatcher.get_backend_for_host = find
    return payloads.checked(Repeats(faults.guard(dispatcher, knows)))


def _kept(app: WsgiApp, state: State) -> WsgiApp:
    """Return moto's application with its state written before an answer goes out."""

    def kept(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        service, form = faults.service_of(environ), faults.peek_form(environ)
        response = app(environ, start_response)
        try:
            state.after(service, faults.action_of(environ, form), environ["REQUEST_METHOD"])
        except StateNotWrittenError as err:
            status, headers, body = faults.answer(service, disk.STATUS, disk.CODE, str(err))
            start_response(status, headers)  # in place of the first, of which nothing is sent yet
            return [body]
        return response

    return kept


def application(context: Context) -> WsgiApp:
    """Return the WSGI application: the gate, then health, S3, and moto for all else."""
    services = Services(context)
    objects: Any = None
    buckets: Any = None
    if context.s3_endpoint is None:
        from local_mock.s3.cors import Cors
        from local_mock.s3.responses import S3Application

        objects = S3Application(context, services)
        buckets = Cors(objects.wants, objects.cors_rules)

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == HEALTH:
            return _health(context, environ, start_response)
        if path.startswith(INTERRUPT) and environ["REQUEST_METHOD"] == "POST":
            services.wait()
            return _interrupt(context, path.removeprefix(INTERRUPT), start_response)
        if objects is not None and objects.wants(environ):
            return objects(environ, start_response)  # type: ignore[no-any-return]
        return services(environ, start_response)

    app = dispatch if context.calls is None else calls.Recorder(dispatch, context.calls)
    return Gate(app, context.port, context.secret, buckets)


def _health(context: Context, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer that the server runs; its process id and folder only for those who have its secret."""
    details = {"pid": os.getpid(), "s3_root": str(context.s3_root)} if is_trusted(environ, context.secret) else {}
    body = json.dumps({"status": "running"} | details).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _interrupt(context: Context, job: str, start_response: Callable[..., Any]) -> list[bytes]:
    from local_mock.sagemaker.responses import interrupt_training

    problem = interrupt_training(job, ACCOUNT, context.region)
    body = json.dumps({"interrupted": job} if not problem else {"error": problem}).encode()
    head = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("409 Conflict" if problem else "200 OK", head)
    return [body]


def _log_to_file(state_dir: Path) -> None:
    """Send request lines, moto's messages and tracebacks to one file, never to the terminal."""
    handler = logging.handlers.RotatingFileHandler(
        state_dir / LOG_NAME, maxBytes=20 << 20, backupCount=1, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("botocore", "boto3", "urllib3", "s3transfer"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _own_environment(context: Context) -> None:
    """Make this process's own AWS calls (moto's, a service's) end here too, never at a real account."""
    for name in [n for n in os.environ if n.startswith(("AWS_", PREFIX)) and n not in HANDED_ON]:
        del os.environ[name]
    own_environment = context.child_environment()
    os.environ |= {
        k: v for k, v in own_environment.items() if k.startswith("AWS_") or k in ("NO_PROXY", "no_proxy")
    }
    os.environ["MOTO_PORT"] = str(context.port)  # Step Functions' tasks call it
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"  # it would open every service to every web page


def serve(options: Options, ready: Callable[[Context], None]) -> None:
    """Answer until SIGTERM or SIGINT, then stop every child and return.

    `ready` is called once, when requests are answered.

    Raises
    ------
    UsageError : the port, the s3_root or the state folder is in use.
    ServerError : the state of the services cannot be opened or a folder cannot be written (a full disk).
    """
    with _space_needed(options):
        _serve(options, ready)


@contextlib.contextmanager
def _space_needed(options: Options) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        if not disk.is_full(err):
            raise
        raise ServerError(
            f"local_mock cannot write to its folders {options.state_dir} and {options.s3_root}: {err}. "
            "Free some space and start it again."
        ) from err


def _serve(options: Options, ready: Callable[[Context], None]) -> None:
    options.state_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(hold(options.state_dir / "mock.lock", f"State folder {options.state_dir}"))
        if options.s3_endpoint is None:
            stack.enter_context(hold(options.s3_root / PRIVATE / "lock", f"S3 folder {options.s3_root}"))
        _log_to_file(options.state_dir)
        _run(options, ready)


def _run(options: Options, ready: Callable[[Context], None]) -> None:
    with _stop_pipe() as (stopped, stop):

        def end() -> None:
            os.write(stop, b"\0")

        watch.call_at_end_of(options.ends_with, end)
        _answer(options, ready, stopped)


@contextlib.contextmanager
def _stop_pipe() -> Iterator[tuple[int, int]]:
    """Give the ends of a pipe into which SIGTERM and SIGINT write a byte.

    Python's C code writes it at once, in whichever thread the signal arrives. A handler in Python runs only when
    the main thread runs on: one that comes just before it begins to wait on a lock would be slept through.
    """
    stopped, stop = os.pipe()
    os.set_blocking(stop, False)  # as `set_wakeup_fd` demands
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: None)
    signal.set_wakeup_fd(stop, warn_on_full_buffer=False)
    try:
        yield stopped, stop
    finally:
        signal.set_wakeup_fd(-1)
        # The pipe stays open: the process ends now, and the thread that watches the owner may still write.


def _answer(options: Options, ready: Callable[[Context], None], stopped: int) -> None:
    """Answer requests until a byte comes out of the pipe `stopped`."""
    durable.open_state(None if options.s3_endpoint else options.s3_root.resolve())
    with _bind(options.port) as socket:
        port = socket.getsockname()[1]
        context = make_context(options, port)
        _own_environment(context)
        set_context(context)
        server = LoopbackServer(port, application(context), socket.fileno())
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    state = options.state_dir / "mock.json"
    try:
        _announce(state, context)
        ready(context)
        os.read(stopped, 1)
    finally:
        state.unlink(missing_ok=True)
        server.shutdown()
        process.stop_all()


def _bind(port: int) -> Any:
    """Return a socket bound to the loopback port (0: a free one), before anything slow is imported."""
    import socket

    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
    except OSError as err:
        made.close()
        raise UsageError(
            f"Port {port} on 127.0.0.1 cannot be used: {err.strerror}. "
            "Stop the program that has it, or choose another port (0 takes a free one)."
        ) from err
    return made


def _announce(path: Path, context: Context) -> None:
    """Write `mock.json` in one step, for this user's eyes only: it has the secret of the server's controls."""
    partial = path.with_suffix(".tmp")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    content = {"pid": os.getpid(), "port": context.port, "url": context.url, "s3_root": str(context.s3_root)}
    content |= {"s3_endpoint": context.s3_endpoint, "secret": context.secret}
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)
