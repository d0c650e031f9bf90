"""Start, find and stop the mock as a background process. Prints nothing.

The running server is known by its state folder: `mock.lock` is held as long as it lives, `mock.json` says
where it answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
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

from local_mock.errors import LocalMockError, ServerError, UsageError
from local_mock.options import PREFIX, Options
from local_mock.server import HEALTH, LOG_NAME, is_held

__all__ = ["Running", "down", "running", "up"]

_START_S = 60.0  # a loaded machine; three seconds are usual
_STOP_S = 15.0
_OUTPUT = "local_mock.out"
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy


@dataclass(frozen=True)
class Running:
    """A server that answers. `started`: by this call of `up`."""

    pid: int
    port: int
    url: str
    started: bool


def running(options: Options) -> Running | None:
    """The server of this state folder, None if there is none (or it is just starting)."""
    state = options.state_dir
    pid = is_held(state / "mock.lock")
    if pid is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):
        content = json.loads((state / "mock.json").read_text(encoding="utf-8"))
        if content["pid"] == pid:
            return Running(pid, int(content["port"]), str(content["url"]), started=False)
    return None


def up(options: Options) -> Running:
    """The running server, started if there is none; it has answered when this returns.

    Raises
    ------
    UsageError : the port or a folder is in use by another program.
    ServerError : it did not come up; the message has the end of its log.
    """
    found = running(options)
    if found is not None:
        _check_same_root(options)
        _wait_for_answer(found, options)
        return found
    state = options.state_dir
    state.mkdir(parents=True, exist_ok=True)
    with (state / _OUTPUT).open("wb") as output:
        process = subprocess.Popen(
            _command(options),
            env=_environment(options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        found = running(options)
        if found is not None:
            _wait_for_answer(found, options)
            return Running(found.pid, found.port, found.url, started=found.pid == process.pid)
        if process.poll() is not None and running(options) is None:
            raise _failure(state, process.returncode)
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise ServerError(f"local_mock did not answer within {_START_S:.0f} s.{_end_of_log(state)}")


def down(options: Options) -> bool:
    """Stop the server of this state folder, with everything that it started. Whether there was one."""
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


def _is_gone(pid: int) -> bool:
    """Whether a process has ended; reaps it if it is our own child."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _command(options: Options) -> list[str]:
    command = [sys.executable, "-m", "local_mock", "run"]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is not None and field.name != "hidden_variables":
            command += [f"--{field.name.replace('_', '-')}", str(value)]
    return command


def _environment(options: Options) -> dict[str, str]:
    """Return the server's environment: the caller's without what is hidden, with this package importable."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    names = {name for name in options.hidden_variables if not name.endswith("_")}
    prefixes = (*(name for name in options.hidden_variables if name.endswith("_")), PREFIX)
    kept = {k: v for k, v in os.environ.items() if k not in names and not k.startswith(prefixes)}
    return kept | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _check_same_root(options: Options) -> None:
    content = json.loads((options.state_dir / "mock.json").read_text(encoding="utf-8"))
    remedy = "stop it with `local-mock down`, or choose another state folder."
    if content["s3_endpoint"] != options.s3_endpoint:
        raise UsageError(
            f"A local_mock with S3 at {content['s3_endpoint'] or 'its own folders'} runs already in "
            f"{options.state_dir}, but S3 at {options.s3_endpoint or 'its own folders'} is wanted: {remedy}"
        )
    if options.s3_endpoint is None and Path(content["s3_root"]) != options.s3_root.resolve():
        raise UsageError(
            f"A local_mock with the S3 folder {content['s3_root']} runs already in {options.state_dir}, but "
            f"{options.s3_root} is wanted: {remedy}"
        )


def _wait_for_answer(found: Running, options: Options) -> None:
    """Until a real S3 call (ListBuckets) is answered; the health page where S3 is elsewhere."""
    url = found.url + ("/" if options.s3_endpoint is None else HEALTH)
    problem = ""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            with _direct.open(url, timeout=10) as response:
                response.read()
        except (OSError, urllib.error.URLError) as err:
            problem = str(err)
            time.sleep(0.05)
        else:
            return
    raise ServerError(f"local_mock at {url} does not answer: {problem}.{_end_of_log(options.state_dir)}")


def _failure(state: Path, code: int) -> LocalMockError:
    text = (state / _OUTPUT).read_text(encoding="utf-8", errors="replace").strip()
    if code == 2 and text:
        return UsageError(text)
    return ServerError(f"local_mock ended with exit code {code}.{_end_of_log(state)}")


def _end_of_log(state: Path) -> str:
    """The last lines of its output and log, for a message."""
    lines: list[str] = []
    for name in (LOG_NAME, _OUTPUT):
        with contextlib.suppress(OSError):
            lines += (state / name).read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return "\n" + "\n".join(lines) if lines else ""
