"""local_mock beside stock moto: start, small puts, memory, and the cost of a query over plain DuckDB.

    .venv/bin/python benchmarks/beside_moto.py [--puts 2000] [--clients 8] [--queries 30]

Prints a Markdown table. Both servers run one after the other on this machine; DuckDB reads the same file in this
process. moto runs no query, so only ours has that line.
"""

from __future__ import annotations

import argparse
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config

KEYS = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench", "region_name": "us-east-1"}
ROWS = 1_000_000
QUERY = "SELECT k, count(*) AS n, avg(x) AS mean FROM bench.t GROUP BY k ORDER BY k"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--puts", type=int, default=2000, help="objects of 100 bytes (default: 2000)")
    parser.add_argument("--clients", type=int, default=8, help="clients at a time (default: 8)")
    parser.add_argument("--queries", type=int, default=30, help="repetitions of the query (default: 30)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        ours = measured("local_mock", Path(work), options)
        stock = measured("moto", Path(work), options)
    print("| measured | local_mock | moto |\n|---|---:|---:|")
    for name in ours:
        print(f"| {name} | {ours[name]} | {stock.get(name, '–')} |")


def measured(server: str, work: Path, options: argparse.Namespace) -> dict[str, str]:
    """Return the figures of one server, started and ended here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    if server == "local_mock":
        command = [sys.executable, "-m", "local_mock", "run", "--port", str(port), "--s3-root", str(work / "s3")]
        command += ["--state-dir", str(work / "state")]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        answering(url)
        results = {"start to S3 (s)": f"{time.monotonic() - started:.1f}"}
        answering(url + "/?Action=GetCallerIdentity&Version=2011-06-15", method="POST")
        results["start to all services (s)"] = f"{time.monotonic() - started:.1f}"
        results["memory idle (MB)"] = f"{resident(process.pid):.0f}"
        results[f"{options.puts} puts, {options.clients} clients (s)"] = f"{puts(url, options):.1f}"
        if server == "local_mock":
            results |= queries(url, options.queries)
        results["memory after (MB)"] = f"{resident(process.pid):.0f}"
        return results
    finally:
        process.terminate()
        process.wait(30)


def answering(url: str, method: str = "GET") -> None:
    """Wait until a server answers at all. Raises TimeoutError after a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60).close()  # noqa: S310 - loopback
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"No answer from {url}.")


def resident(pid: int) -> float:
    """Return the memory of a process, without its children, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def client(service: str, url: str) -> Any:
    return boto3.client(service, endpoint_url=url, config=Config(max_pool_connections=64), **KEYS)


def puts(url: str, options: argparse.Namespace) -> float:
    """Return the seconds of small puts."""
    s3 = client("s3", url)
    s3.create_bucket(Bucket="bench")
    started = time.monotonic()
    with ThreadPoolExecutor(options.clients) as pool:
        list(
            pool.map(
                lambda i: s3.put_object(Bucket="bench", Key=f"small/{i}", Body=b"x" * 100), range(options.puts)
            )
        )
    return time.monotonic() - started


def queries(url: str, repetitions: int) -> dict[str, str]:
    """Return the median of a query through Athena beside that of DuckDB, in milliseconds."""
    table = pa.table({"k": [i % 100 for i in range(ROWS)], "x": [float(i % 977) for i in range(ROWS)]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    client("s3", url).put_object(Bucket="bench", Key="t/0.parquet", Body=sink.getvalue())
    athena = client("athena", url)

    def run(sql: str) -> None:
        output = {"OutputLocation": "s3://bench/out/"}
        id_ = athena.start_query_execution(QueryString=sql, ResultConfiguration=output)["QueryExecutionId"]
        while True:
            status = athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"]
            if status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                break
            time.sleep(0.002)
        if status["State"] != "SUCCEEDED":
            raise RuntimeError(status["StateChangeReason"])
        athena.get_query_results(QueryExecutionId=id_)

    run("CREATE DATABASE bench")
    run("CREATE EXTERNAL TABLE bench.t (k bigint, x double) STORED AS PARQUET LOCATION 's3://bench/t/'")
    ours = median_ms(lambda: run(QUERY), repetitions)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(sink.getvalue())
        file.flush()
        connection = duckdb.connect(config={"threads": str(min(os.cpu_count() or 1, 8))})
        sql = QUERY.replace("bench.t", f"read_parquet('{file.name}')")
        plain = median_ms(lambda: connection.sql(sql).fetchall(), repetitions)
    return {"query through Athena, median (ms)": f"{ours:.0f}", "the same in DuckDB, median (ms)": f"{plain:.0f}"}


def median_ms(call: Any, repetitions: int) -> float:
    call()
    times = []
    for _ in range(repetitions):
        started = time.monotonic()
        call()
        times.append(1000 * (time.monotonic() - started))
    return statistics.median(times)


if __name__ == "__main__":
    main()
