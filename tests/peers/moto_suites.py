"""moto's own tests against our server and against moto's: a table, and by name what ours loses.

Not a part of ``make test``. The tests are not in moto's wheel but in its sdist; `freezegun` is what they import:

    pip download --no-deps --no-binary :all: --dest DIR moto==5.2.5 && tar -xzf DIR/moto-5.2.5.tar.gz -C DIR
    pip install --no-deps --target DIR/libs freezegun
    python tests/peers/moto_suites.py DIR                       # athena, glue, stepfunctions, sagemaker, s3
    python tests/peers/moto_suites.py DIR athena glue -- -k job # these services; what follows `--` goes to pytest

The exit code is 0 if every suite ran. A loss passes against stock moto and not against ours: the reasons are real
execution, or a refusal of COVERAGE.md. Between two tests our server is reset with the secret of its start.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

SERVICES = ("athena", "glue", "stepfunctions", "sagemaker", "s3")
_STATE, _ROOT = "MOTO_PEER_STATE", "MOTO_PEER_BUCKETS"  # folders of our server, for the plugin below
_START_SECONDS = 120


@pytest.fixture(autouse=True)
def _empty_server() -> None:
    """Remove what an earlier test has left (this file is a plugin of moto's pytest)."""
    if _STATE not in os.environ:
        return
    secret = json.loads((Path(os.environ[_STATE]) / "mock.json").read_text(encoding="utf-8"))["secret"]
    url = os.environ["TEST_SERVER_MODE_ENDPOINT"] + "/moto-api/reset"
    request = urllib.request.Request(url, method="POST", headers={"X-Local-Mock-Secret": secret})
    urllib.request.urlopen(request, timeout=60).close()
    for path in Path(os.environ[_ROOT]).iterdir():
        if path.is_dir() and not path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Run the suites on both servers and print the table."""
    folder, *rest = arguments
    split = rest.index("--") if "--" in rest else len(rest)
    services, options = rest[:split] or list(SERVICES), rest[split + 1 :]
    base = Path(folder).resolve()
    sources = next(base.glob("moto-*/tests")).parent
    passed = {name: _suites(name, sources, base / "libs", services, options) for name in ("stock", "ours")}
    print(f"{'service':16s}{'tests':>8s}{'stock':>8s}{'ours':>8s}{'lost':>8s}{'gained':>8s}")
    losses = {}
    for service in services:
        stock, ours = (passed[name][service] for name in ("stock", "ours"))
        losses[service] = sorted(test for test, good in stock.items() if good and not ours.get(test))
        gained = sum(good and not stock.get(test) for test, good in ours.items())
        counts = (len(stock), sum(stock.values()), sum(ours.values()), len(losses[service]), gained)
        print(f"{service:16s}" + "".join(f"{count:8d}" for count in counts))
    for service, tests in losses.items():
        for test in tests:
            print(f"lost in {service}: {test}")
    return 0 if all(passed[name][service] for name in passed for service in services) else 1


def _suites(
    server: str, sources: Path, libraries: Path, services: list[str], options: list[str]
) -> dict[str, dict[str, bool]]:
    """Return service -> test -> whether it passed, on a server of its own a service."""
    results = {}
    for service in services:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with tempfile.TemporaryDirectory() as work:
            command = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
            if server == "ours":
                command = ["-m", "local_mock", "run", "--port", str(port), "--s3-root", f"{work}/s3"]
                command += ["--state-dir", f"{work}/state"]
            process = subprocess.Popen(
                [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                _wait(f"http://127.0.0.1:{port}/?Action=GetCallerIdentity&Version=2011-06-15")
                report = Path(work) / "report.xml"
                _run(sources, libraries, port, [f"tests/test_{service}", *options], server, work, report)
                results[service] = _passed(report)
            finally:
                process.terminate()
                process.wait(30)
    return results


def _wait(url: str) -> None:
    """Wait until the services behind S3 answer, too. Raises TimeoutError."""
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


def _run(
    sources: Path, libraries: Path, port: int, arguments: list[str], server: str, work: str, report: Path
) -> None:
    environment = os.environ | {
        "TEST_SERVER_MODE": "true",
        "TEST_SERVER_MODE_ENDPOINT": f"http://localhost:{port}",
        "MOTO_PORT": str(port),
        "MOTO_CALL_RESET_API": "false" if server == "ours" else "true",
        "PYTHONPATH": os.pathsep.join([str(sources), str(Path(__file__).parent), str(libraries)]),
        "AWS_ACCESS_KEY_ID": "peer",
        "AWS_SECRET_ACCESS_KEY": "peer",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "localhost,127.0.0.1",
    }
    if server == "ours":
        environment |= {_STATE: f"{work}/state", _ROOT: f"{work}/s3"}
    plugins = ["-p", "no:cacheprovider", "-p", "moto_suites", "-p", "no:randomly"]
    shown = ["-q", "--color=no", "--tb=line", f"--junitxml={report}"]
    subprocess.call([sys.executable, "-m", "pytest", *plugins, *shown, *arguments], cwd=sources, env=environment)


def _passed(report: Path) -> dict[str, bool]:
    """Return test -> whether it passed; skipped tests are left out."""
    results = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if "skipped" not in kinds:
            name = f"{case.get('classname', '').removeprefix('tests.')}.{case.get('name')}"
            results[name] = not kinds & {"failure", "error"}
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
