"""Start, find and stop the server as a background process. Prints nothing.

The running server is known by its state folder: `mock.lock` is held as long as the process lives, `mock.json`
says where it answers. Neither is believed alone: a server that was killed holds its lock for a moment longer and
leaves its `mock.json` behind. A server counts as running when the holder of the lock answers at that address.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_mock import watch
from local_mock.errors import LocalMockError, ServerError, UsageError
from local_mock.options import HANDED_ON, PREFIX, SWITCHES, Options
from local_mock.server import HEALTH, LOG_NAME, is_held

__all__ = ["Running", "down", "occupant", "running", "up"]

_START_S = 60.0  # a loaded machine; three seconds are usual
_STOP_S = 15.0
_OUTPUT = "local_mock.out"
_SECRET_HEADER = "X-Local-Mock-Secret"  # noqa: S105 - the header's name
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy


@dataclass(frozen=True)
class Running:
    """A server that answers. `started`: by this call of `up`."""

    pid: int
    port: int
    url: str
    started: bool


def running(options: Options) -> Running | None:
    """Return the server that answers for this state folder, None if there is none (or it is just starting)."""
    announced = _announced(options.state_dir)
    if announced is None or _problem(announced, options) is not None:
        return None
    return Running(announced["pid"], announced["port"], announced["url"], started=False)


def up(options: Options) -> Running:
    """Return the running server, started if there is none; it has answered when this returns.

    A server of this folder that is about to end (killed, or told to stop) is waited for and then replaced.

    Raises
    ------
    UsageError : the port or a folder is in use by another program.
    ServerError : it did not come up; the message has the end of its log.
    """
    state = options.state_dir
    state.mkdir(parents=True, exist_ok=True)
    process: subprocess.Popen[bytes] | None = None
    problem = ""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        announced = _announced(state)
        if announced is not None:
            problem = _problem(announced, options) or ""
            if not problem:
                _check_same_root(options, announced)
                started = process is not None and process.pid == announced["pid"]
                if process is not None and not started:  # it lost the race, and must not take the lock later
                    process.kill()
                    process.wait()
                return Running(announced["pid"], announced["port"], announced["url"], started)
        holder = is_held(state / "mock.lock")
        if process is None:
            if holder is None:
                process = _start(options)
        elif process.poll() is not None:
            if holder in (None, process.pid):
                raise _failure(state, process.returncode)
            process = None  # another caller of `up` was faster: its server is the one to wait for
        time.sleep(0.02)
    if process is not None:
        process.kill()
        process.wait()
    raise ServerError(
        f"local_mock in {state} did not answer within {_START_S:.0f} s. {problem}{_end_of_log(state)}"
    )


def occupant(port: int) -> str:
    """Return who answers on a port of 127.0.0.1: ``local_mock``, ``other`` (another program) or ``nothing``."""
    try:
        with _direct.open(f"http://127.0.0.1:{port}{HEALTH}", timeout=5) as response:
            return "local_mock" if json.loads(response.read()).get("status") == "running" else "other"
    except urllib.error.HTTPError:
        return "other"
    except urllib.error.URLError as err:
        return "nothing" if isinstance(err.reason, ConnectionRefusedError) else "other"
    except (
        OSError,
        ValueError,
        AttributeError,
        http.client.HTTPException,
    ):  # no HTTP, no JSON, or no answer in time
        return "other"


def down(options: Options) -> bool:
    """Stop the server of this state folder, with everything that it started; return whether there was one.

    Raises
    ------
    ServerError : the process does not end.
    """
    lock = options.state_dir / "mock.lock"
    pid = is_held(lock)
    if pid is None:
        return False
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline:
            if is_held(lock) != pid and _is_gone(pid):
                return True
            time.sleep(0.02)
    raise ServerError(f"local_mock (process {pid}) could not be stopped.")


def _announced(state: Path) -> dict[str, Any] | None:
    """Return the content of `mock.json` if it is of the process that holds the lock, else None."""
    pid = is_held(state / "mock.lock")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content: dict[str, Any] = json.loads((state / "mock.json").read_text(encoding="utf-8"))
        if pid is not None and content["pid"] == pid:
            return content | {"port": int(content["port"]), "url": str(content["url"])}
    return None


def _problem(announced: dict[str, Any], options: Options) -> str | None:
    """Say why the announced server cannot be used yet; None if it answers, with the right process id.

    Where S3 is the server's own, a real S3 call (ListBuckets) is answered too.
    """
    url = str(announced["url"])
    try:
        health = json.loads(_get(url + HEALTH, announced))
        if health.get("pid") != announced["pid"]:
            return f"Another program answers at {url}."
        if options.s3_endpoint is None:
            _get(url + "/", announced)
    except (OSError, ValueError, urllib.error.URLError) as err:
        return f"It does not answer at {url}: {err}."
    return None


def _get(url: str, announced: dict[str, Any]) -> bytes:
    request = urllib.request.Request(url, headers={_SECRET_HEADER: str(announced.get("secret", ""))})  # noqa: S310
    with _direct.open(request, timeout=5) as response:
        return bytes(response.read())


def _start(options: Options) -> subprocess.Popen[bytes]:
    with (options.state_dir / _OUTPUT).open("wb") as output:
        return subprocess.Popen(
            _command(options),
            env=_environment(options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is_gone(pid: int) -> bool:
    """Return whether a process has ended; reaps it if it is our own child.

    One that has ended and whose parent has not asked for its exit code yet (some containers' first process never
    does) has ended.
    """
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    try:
        os.kill(pid, 0)
        state = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
        )
    except ProcessLookupError:
        return True
    except OSError:  # no /proc on this system
        return False
    return state in "ZX"


def _command(options: Options) -> list[str]:
    command = [sys.executable, "-m", "local_mock", "run"]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is not None and field.name not in ("hidden_variables", "ends_with"):
            text = ("off", "on")[value] if field.name in SWITCHES else str(value)
            command += [f"--{field.name.replace('_', '-')}", text]
    return command


def _environment(options: Options) -> dict[str, str]:
    """Return the server's environment: the caller's without what is hidden, with this package importable."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    names = {name for name in options.hidden_variables if not name.endswith("_")}
    prefixes = (*(name for name in options.hidden_variables if name.endswith("_")), PREFIX)
    kept = {
        k: v for k, v in os.environ.items() if k in HANDED_ON or (k not in names and not k.startswith(prefixes))
    }
    if options.ends_with:
        kept[watch.VARIABLE] = ",".join(map(str, options.ends_with))
    return kept | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _check_same_root(options: Options, announced: dict[str, Any]) -> None:
    remedy = "stop it with `local-mock down`, or choose another state folder."
    if announced["s3_endpoint"] != options.s3_endpoint:
        raise UsageError(
            f"A local_mock with S3 at {announced['s3_endpoint'] or 'its own folders'} runs already in "
            f"{options.state_dir}, but S3 at {options.s3_endpoint or 'its own folders'} is wanted: {remedy}"
        )
    if options.s3_endpoint is None and Path(announced["s3_root"]) != options.s3_root.resolve():
        raise UsageError(
            f"A local_mock with the S3 folder {announced['s3_root']} runs already in {options.state_dir}, but "
            f"{options.s3_root} is wanted: {remedy}"
        )


def _failure(state: Path, code: int) -> LocalMockError:
    """Return the error of a server that ended while it started: the last line of its output if it refused."""
    text = (state / _OUTPUT).read_text(encoding="utf-8", errors="replace").strip()
    if code == 2 and text:
        return UsageError(text)
    if code == 1 and text and "Traceback" not in text:
        return ServerError(text)
    return ServerError(f"local_mock ended with exit code {code}.{_end_of_log(state)}")


def _end_of_log(state: Path) -> str:
    """Return the last lines of its log and output, for a message."""
    lines: list[str] = []
    for name in (LOG_NAME, _OUTPUT):
        with contextlib.suppress(OSError):
            lines += (state / name).read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return "\n" + "\n".join(lines) if lines else ""
