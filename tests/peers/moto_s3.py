"""moto's own S3 tests against our server: how many pass that pass against stock moto.

Not a part of ``make test``. The tests are not in moto's wheel but in its sdist; `freezegun` is what they import:

    pip download --no-deps --no-binary :all: --dest DIR moto==5.2.5 && tar -xzf DIR/moto-5.2.5.tar.gz -C DIR
    pip install --no-deps --target DIR/libs freezegun
    python tests/peers/moto_s3.py DIR                # our server
    python tests/peers/moto_s3.py DIR --stock        # moto's own server
    python tests/peers/moto_s3.py DIR tests/test_s3/test_s3_copyobject.py -k metadata

What follows DIR goes to pytest. The exit code is pytest's; the last line has the counts. Between two tests the
buckets' folders are removed, because the server's reset needs its secret.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

_ROOT = "MOTO_S3_PEER_ROOT"  # the folder of buckets to empty before each test
_START_SECONDS = 120


@pytest.fixture(autouse=True)
def _empty_server() -> None:
    """Remove what an earlier test has left (this file is a plugin of moto's pytest)."""
    if _ROOT in os.environ:
        for path in Path(os.environ[_ROOT]).iterdir():
            if path.is_dir() and not path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Returns the exit code of pytest."""
    folder, *rest = arguments
    stock = "--stock" in rest
    rest = [argument for argument in rest if argument != "--stock"] or ["tests/test_s3"]
    sources = next(Path(folder).resolve().glob("moto-*/tests/test_s3")).parents[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as work:
        command = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        if not stock:
            command = ["-m", "local_mock", "run", "--port", str(port), "--s3-root", f"{work}/s3"]
            command += ["--state-dir", f"{work}/state"]
        server = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(f"http://127.0.0.1:{port}/?Action=GetCallerIdentity&Version=2011-06-15")
            return _run(sources, Path(folder).resolve() / "libs", port, rest, None if stock else f"{work}/s3")
        finally:
            server.terminate()
            server.wait(30)


def _wait(url: str) -> None:
    """Until the services behind S3 answer, too. Raises TimeoutError."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"No answer from {url} within {_START_SECONDS} s.")


def _run(sources: Path, libraries: Path, port: int, arguments: list[str], root: str | None) -> int:
    environment = os.environ | {
        "TEST_SERVER_MODE": "true",
        "TEST_SERVER_MODE_ENDPOINT": f"http://localhost:{port}",
        "MOTO_PORT": str(port),
        "MOTO_CALL_RESET_API": "false" if root else "true",
        "PYTHONPATH": os.pathsep.join([str(sources), str(Path(__file__).parent), str(libraries)]),
        "AWS_ACCESS_KEY_ID": "peer",
        "AWS_SECRET_ACCESS_KEY": "peer",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "localhost,127.0.0.1",
    }
    if root:
        environment[_ROOT] = root
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "moto_s3",
        "-q",
        "--color=no",
        "--tb=line",
        "-rf",
    ]
    return subprocess.call([*command, *arguments], cwd=sources, env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
