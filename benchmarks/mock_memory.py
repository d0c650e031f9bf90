"""Resident memory of the mock: idle, at its highest under a mixed load, and idle again.

    python benchmarks/mock_memory.py [--seconds 60] [--clients 8]

The load: objects of 50 kB and 20 MB (whole and in parts) written, read and deleted in S3; tables made and dropped
in Glue; queries in Athena, small ones, one of 100,000 rows, and one that needs gigabytes. The figures are of the
server and of its query processes, in MiB, from /proc; idle is `--wait` seconds after the last request.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from etholake import aws, local_server
from etholake.settings import Settings, replace_port

BIG = 20 << 20
QUERIES = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) t(n)",
    "SELECT a.n, b.n FROM UNNEST(sequence(1, 1000)) a(n), UNNEST(sequence(1, 100)) b(n)",
    "SELECT cardinality(array_agg(a.n)) FROM UNNEST(sequence(1, 10000)) a(n), UNNEST(sequence(1, 10000)) b(n)",
)


def processes(root: int) -> list[int]:
    """Return the process and all that it has started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    tree = [root]
    for process in tree:
        tree += [child for child, parent in parents.items() if parent == process]
    return tree


def resident_mib(root: int) -> tuple[float, float]:
    """Return the resident memory of the process alone and of its whole tree."""
    sizes = []
    for process in processes(root):
        try:
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            continue
        if "VmRSS:" in status:
            sizes.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
    return (sizes[0], sum(sizes)) if sizes else (0.0, 0.0)


def work(settings: Settings, bucket: str, number: int, deadline: float, counts: dict[str, int]) -> None:
    """Send all kinds of requests in turn until the deadline, as one client."""
    s3, glue, athena = (aws.client(settings, name) for name in ("s3", "glue", "athena"))
    small, big = os.urandom(50_000), os.urandom(BIG)
    where = {"ResultConfiguration": {"OutputLocation": f"s3://{bucket}/results/"}}
    for turn in itertools.count():
        if time.monotonic() > deadline:
            return
        for key in (f"c={number}/{turn % 20}", f"c={number}/again"):
            s3.put_object(Bucket=bucket, Key=key, Body=small)
            s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if turn % 5 == 0:
            s3.put_object(Bucket=bucket, Key=f"big/{number}", Body=big)
            s3.get_object(Bucket=bucket, Key=f"big/{number}")["Body"].read()
            upload = s3.create_multipart_upload(Bucket=bucket, Key=f"parts/{number}")["UploadId"]
            part = {"Bucket": bucket, "Key": f"parts/{number}", "UploadId": upload}
            etags = [s3.upload_part(**part, PartNumber=n, Body=big)["ETag"] for n in (1, 2)]
            done = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
            s3.complete_multipart_upload(**part, MultipartUpload={"Parts": done})
            s3.delete_object(Bucket=bucket, Key=f"parts/{number}")
        table = f"t{number}_{turn % 3}"
        glue.create_table(DatabaseName="memory", TableInput={"Name": table})
        glue.delete_table(DatabaseName="memory", Name=table)
        sql = QUERIES[turn % len(QUERIES)]
        query = athena.start_query_execution(QueryString=sql, **where)["QueryExecutionId"]
        while True:
            state = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"]
            if state not in {"QUEUED", "RUNNING"}:
                break
            time.sleep(0.05)
        counts[state] = counts.get(state, 0) + 1
        counts["turns"] = counts.get("turns", 0) + 1


def main() -> None:
    """Measure and print one line a state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--wait", type=float, default=45, help="seconds without a request before the last figure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(port=0, state_dir=f"{folder}/state", s3_root=f"{folder}/s3")
        running = local_server.up(settings)
        at = replace_port(settings, running.port)
        try:
            measure(at, running.pid, options)
        finally:
            local_server.down(settings)


def measure(settings: Settings, pid: int, options: argparse.Namespace) -> None:
    """Take the three figures of the server `pid`."""
    bucket = f"memory-{uuid.uuid4().hex[:8]}"
    aws.client(settings, "s3").create_bucket(Bucket=bucket)
    aws.client(settings, "glue").create_database(DatabaseInput={"Name": "memory"})
    show("idle, after its start", resident_mib(pid))
    counts: dict[str, int] = {}
    highest = [(0.0, 0.0)]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            now = resident_mib(pid)
            highest[0] = (max(highest[0][0], now[0]), max(highest[0][1], now[1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    deadline = time.monotonic() + options.seconds
    with ThreadPoolExecutor(options.clients) as pool:
        jobs: list[Any] = [
            pool.submit(work, settings, bucket, n, deadline, counts) for n in range(options.clients)
        ]
        for job in jobs:
            job.result()
    ended.set()
    watcher.join()
    show(f"highest, {options.clients} clients, {options.seconds:.0f} s, {counts}", highest[0])
    time.sleep(options.wait)
    show(f"idle, {options.wait:.0f} s later", resident_mib(pid))


def show(state: str, figures: tuple[float, float]) -> None:
    """Print one line."""
    print(f"{figures[0]:6.0f} MiB server, {figures[1]:6.0f} MiB with its query processes: {state}", flush=True)


if __name__ == "__main__":
    main()
