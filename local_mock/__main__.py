"""Run the mock in the foreground: ``python -m local_mock --port 4566 --s3-root s3_mock --state-dir .etholake``.

Ends on SIGTERM or SIGINT. Exit code 2 if it cannot start (a port or a folder in use). For the background,
use `etholake up`.
"""

import argparse
import os
import sys
from pathlib import Path

from etholake.errors import EtholakeError
from local_mock.context import Context
from local_mock.server import Options, serve


def _parse(argv: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m local_mock", description="AWS that executes, on loopback.")
    parser.add_argument("--port", type=int, default=4566, help="loopback port; 0 takes a free one")
    parser.add_argument(
        "--s3-root", type=Path, default=Path("s3_mock"), help="folder whose subfolders are buckets"
    )
    parser.add_argument("--state-dir", type=Path, default=Path(".etholake"), help="folder for logs and caches")
    parser.add_argument("--region", default="us-east-1", help="AWS region")
    parser.add_argument("--s3-endpoint", default=None, help="URL of an S3 elsewhere (LocalStack) to use instead")
    parser.add_argument("--record-calls", type=Path, default=None, help="file for one JSON line a request")
    args = parser.parse_args(argv)
    if not 0 <= args.port <= 65535:
        parser.error(f"--port must be 0..65535, but got {args.port}")
    return Options(args.port, args.s3_root, args.state_dir, args.region, args.s3_endpoint, args.record_calls)


def _announce(context: Context) -> None:
    sys.stdout.write(f"local_mock answers at {context.url}\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    try:
        serve(_parse(argv), _announce)
    except EtholakeError as err:
        sys.stderr.write(f"{err}\n")
        return 2
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread of moto or of a job must not keep the process
