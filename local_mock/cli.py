"""The command line: ``local-mock up | down | status | run``, also as ``python -m local_mock``.

Exit codes: 0 done; 1 the server failed, or `status` found none; 2 wrong usage, or a port or a folder in use.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from local_mock import lifecycle
from local_mock.context import Context, client_environment
from local_mock.errors import LocalMockError, UsageError
from local_mock.options import Options, from_environment, switch

__all__ = ["main", "run_and_exit"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="local-mock",
        description="AWS that executes, on loopback: S3, Glue jobs, Athena, SageMaker, Step Functions.",
        epilog="Every option has an environment variable: LOCAL_MOCK_PORT for --port, and so on.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="up | down | status | run")
    for verb, text in (
        ("up", "start a server in the background and print the variables that clients need"),
        ("down", "stop the server and everything that it started"),
        ("status", "say whether a server answers (exit code 1 if none does)"),
        ("run", "run a server in the foreground until SIGTERM or SIGINT"),
    ):
        _add_options(verbs.add_parser(verb, help=text, description=text[0].upper() + text[1:] + "."), verb)
    return parser


def _add_options(parser: argparse.ArgumentParser, verb: str) -> None:
    defaults = Options()
    add = parser.add_argument
    add("--state-dir", type=Path, help=f"folder for logs and caches (default: {defaults.state_dir})")
    if verb != "run":
        add("--json", action="store_true", help="print one JSON object")
    if verb not in ("up", "run"):
        return
    add("--port", type=int, help=f"loopback port, 0 takes a free one (default: {defaults.port})")
    add("--s3-root", type=Path, help=f"folder whose subfolders are the buckets (default: {defaults.s3_root})")
    add("--region", help=f"AWS region (default: {defaults.region})")
    add("--s3-endpoint", help="URL of an S3 elsewhere (LocalStack) to use instead of the folder")
    for name, text in (
        ("--class-archive", "whether Spark's JVMs start from an archive of classes"),
        ("--spare-driver", "whether a started Spark driver waits for the next Glue job"),
    ):
        add(name, type=switch, metavar="on|off", help=f"{text} (default: on)")
    add("--record-calls", type=Path, help="file that gets one JSON line a request")
    add(
        "--mount-variable",
        help=f"variable with the buckets' folder for jobs (default: {defaults.mount_variable})",
    )


def _up(options: Options, as_json: bool) -> int:
    server = lifecycle.up(options)
    variables = client_environment(server.url, options.region)
    if as_json:
        content = {"url": server.url, "pid": server.pid, "started": server.started, "env": variables}
        sys.stdout.write(json.dumps(content) + "\n")
        return 0
    state = "started" if server.started else "already running"
    sys.stderr.write(f"local_mock {state} at {server.url} (process {server.pid}); logs in {options.state_dir}\n")
    sys.stdout.writelines(f"export {name}={value}\n" for name, value in variables.items())
    return 0


def _down(options: Options, as_json: bool) -> int:
    stopped = lifecycle.down(options)
    text = "stopped" if stopped else f"no server runs in {options.state_dir}"
    sys.stdout.write((json.dumps({"stopped": stopped}) if as_json else text) + "\n")
    return 0


def _status(options: Options, as_json: bool) -> int:
    server = lifecycle.running(options)
    if as_json:
        content = {"running": server is not None} | ({"url": server.url, "pid": server.pid} if server else {})
        sys.stdout.write(json.dumps(content) + "\n")
    elif server is None:
        sys.stdout.write(f"no server runs in {options.state_dir}\n")
    else:
        sys.stdout.write(f"local_mock answers at {server.url} (process {server.pid})\n")
    return 0 if server else 1


def _run(options: Options) -> int:
    from local_mock.server import serve

    def announce(context: Context) -> None:
        sys.stdout.write(f"local_mock answers at {context.url}\n")
        sys.stdout.flush()

    serve(options, announce)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    arguments: dict[str, Any] = vars(_parser().parse_args(argv))
    verb, as_json = arguments.pop("verb"), arguments.pop("json", False)
    try:
        options = from_environment(**arguments)
        if verb == "run":
            return _run(options)
        return {"up": _up, "down": _down, "status": _status}[verb](options, as_json)
    except LocalMockError as err:
        sys.stderr.write(f"{err}\n")
        return 2 if isinstance(err, UsageError) else 1


def run_and_exit() -> None:
    """Run one verb and end the process: no thread of moto or of a job may keep it."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
