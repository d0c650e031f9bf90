"""Start and stop LocalStack in host mode, on loopback: ``python -m etholake.localstack.host up|down``.

The environment is made by ``make localstack``. A run's folders, output and process id lie in one folder.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from etholake.errors import AwsError, EtholakeError, UsageError

__all__ = ["answers", "down", "up"]

HOME = Path(".localstack")
_START_S, _STOP_S = 90.0, 15.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy


def answers(port: int) -> bool:
    """Return whether a LocalStack answers on this loopback port."""
    try:
        with _direct.open(f"http://127.0.0.1:{port}/_localstack/health", timeout=5) as response:
            return b'"services"' in response.read()
    except OSError:
        return False


def up(port: int, home: Path = HOME, state: Path | None = None) -> int:
    """Start LocalStack, if it does not answer yet; returns its port (0 takes a free one).

    Raises
    ------
    UsageError : the environment is not there.
    AwsError : it did not come up; the message has the end of its output.
    """
    python, state = (home / "venv" / "bin" / "python").absolute(), (state or home).resolve()
    if port and answers(port):
        return port
    if not python.is_file():
        raise UsageError(f"LocalStack's environment is not in {home}: run `make localstack`.")
    port = port or _free_port()
    (state / "root").mkdir(parents=True, exist_ok=True)
    with (state / "localstack.out").open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "localstack.runtime.main"],
            env=_environment(port, state),
            cwd=state,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (state / "localstack.pid").write_text(str(process.pid), encoding="ascii")
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers(port):
            return port
        time.sleep(0.1)
    down(home, state)
    tail = (state / "localstack.out").read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    raise AwsError("LocalStack did not answer. Its last lines:\n" + "\n".join(tail))


def down(home: Path = HOME, state: Path | None = None) -> bool:
    """Stop the LocalStack that `up` started with this folder. Whether there was one."""
    file = (state or home).resolve() / "localstack.pid"
    try:
        pid = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    file.unlink(missing_ok=True)
    if not _is_ours(pid):
        return False
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signum)
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not _is_ours(pid):
                return True
            time.sleep(0.05)
    raise AwsError(f"LocalStack (process {pid}) could not be stopped.")


def _is_ours(pid: int) -> bool:
    """Return whether `pid` is a LocalStack (a process id may have been taken over by another program)."""
    listing = subprocess.run(
        ["ps", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return "localstack.runtime.main" in listing and not listing.startswith("Z")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(port: int, state: Path) -> dict[str, str]:
    """Return the caller's environment without its Python and AWS settings; nothing is fetched or reported."""
    foreign = ("AWS_", "PYTHON", "ETHOLAKE_")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | {
        "FILESYSTEM_ROOT": str(state / "root"),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
    }


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m etholake.localstack.host")
    parser.add_argument("verb", choices=("up", "down"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 4566))
    arguments = parser.parse_args()
    try:
        if arguments.verb == "up":
            sys.stdout.write(f"LocalStack answers at http://127.0.0.1:{up(arguments.port)}\n")
        else:
            sys.stdout.write("stopped\n" if down() else "nothing was running\n")
    except EtholakeError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
