"""The serving part of `model.py`: the endpoint's host in a process of its own, asked over HTTP on loopback.

Not a benchmark by itself. A request is 10 seconds of two mice as Parquet, as `etholake serve` sends one.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from figures import Figure

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import Window, gather_by_mouse
from etholake.features.pair_features import pair_features
from etholake.models.network_model import NetworkModel
from etholake.models.scoring import BATCH
from etholake.stages.serving.videos import REQUEST_TYPE, request_body

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = (1, 8, 32)
TOGETHER = 8  # requests whose windows go through the network at once, to see whether that would pay


def figures(model: NetworkModel, tracks: PoseTracks, folder: Path, requests: int, steady: int) -> list[Figure]:
    """Measure latency and throughput by number of clients, memory, and the gain of batching across requests."""
    body = request(tracks)
    model.save(folder)
    (folder / "code").mkdir()
    shutil.copy(ROOT / "sagemaker" / "inference.py", folder / "code")
    direct, processor = in_process(folder, body, max(20, requests // 10))
    results = [
        Figure("serving: the four functions without HTTP", 1000 * direct, "ms"),
        Figure("serving: … processor time", 1000 * processor, "ms"),
    ]
    rates = {}
    with server(folder) as (port, pid, seconds):
        results += [
            Figure("serving: start to the first healthy ping", seconds, "s", "<= 1.5", seconds <= 1.5),
            Figure("serving: … processor time", processor_time(pid), "s"),
        ]
        ask_all(port, body, 32, 4)
        for clients in CLIENTS:
            rate, p50, p99 = load(port, body, requests, clients)
            rates[clients] = rate
            results += [
                Figure(f"serving: {clients} clients, p50", 1000 * p50, "ms"),
                Figure(f"serving: {clients} clients, p99", 1000 * p99, "ms"),
                Figure(f"serving: {clients} clients, throughput", rate, "1/s"),
                Figure(
                    f"serving: {clients} clients, throughput / without HTTP", rate * direct, "x", better="higher"
                ),
            ]
        before = status(pid, "VmRSS")
        ask_all(port, body, steady, 8)
        growth = status(pid, "VmRSS") / before
    results.append(Figure("serving: resident memory of the host", before, "MB"))
    results.append(
        Figure(f"serving: memory after {steady} more requests / before", growth, "x", "<= 1.05", growth <= 1.05)
    )
    with server(folder, SERVE_PROCESSES="2") as (port, _, _):
        ask_all(port, body, 32, 4)
        rate, p50, p99 = load(port, body, requests, 8)
    more, spread = rate / rates[8], p99 / p50
    results += [
        Figure("serving: 2 processes, 8 clients: throughput / one process", more, "x", ">= 1.8", more >= 1.8),
        Figure("serving: 2 processes, 8 clients: p99 / p50", spread, "x", "<= 3", spread <= 3),
    ]
    return [*results, *batching(model, tracks, processor)]


def load(port: int, body: bytes, requests: int, clients: int) -> tuple[float, float, float]:
    """Return requests a second, and the median and the 99th percentile of a request's seconds."""
    began = time.perf_counter()
    times = ask_all(port, body, requests, clients)
    rate = requests / (time.perf_counter() - began)
    p50, p99 = np.percentile(times, [50, 99])
    return rate, float(p50), float(p99)


def request(tracks: PoseTracks) -> bytes:
    """Return the tracks of a clip at 30 frames/s as curated rows."""
    T, M, K, _ = tracks.xy_TMK2.shape
    frame, mouse, part = (a.ravel() for a in np.indices((T, M, K)))
    x, y = (tracks.xy_TMK2[..., axis].ravel() for axis in (0, 1))
    rows = {
        "video_frame": pa.array(frame, pa.int32()), "mouse_id": pa.array(mouse + 1, pa.int8()),
        "bodypart": pa.array(np.array(UNIFIED_PARTS)[part]), "x": 10 * x, "y": 10 * y, "x_cm": x, "y_cm": y,
        "is_imputed": np.zeros(x.size, bool),
    }  # fmt: skip
    row = {
        "video_id": tracks.video_id, "lab_id": tracks.lab_id, "frames_per_second": tracks.fps,
        "pix_per_cm_approx": 10.0, "video_width_pix": 600, "video_height_pix": 600,
        "behaviors_labeled": [
            f"mouse{a},{'self' if a == b else f'mouse{b}'},{c}" for a, b, c in tracks.labeled_behaviors
        ],
    }  # fmt: skip
    return request_body(row, pa.table(rows))


def in_process(folder: Path, body: bytes, times: int) -> tuple[float, float]:
    """Return the median seconds of a request through `inference.py` without the host: by clock, of the CPU."""
    spec = importlib.util.spec_from_file_location("inference", folder / "code" / "inference.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    loaded = module.model_fn(str(folder))
    wall, processor = [], []
    for _ in range(times):
        began = time.perf_counter(), time.process_time()
        module.output_fn(module.predict_fn(module.input_fn(body, REQUEST_TYPE), loaded), module.JSON)
        wall.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return statistics.median(wall), statistics.median(processor)


def batching(model: NetworkModel, tracks: PoseTracks, processor: float) -> list[Figure]:
    """Time features and network for the windows of several requests at once, against one request after another.

    Processor time. One request's windows of all pairs go through the network together in either case.
    """
    W, all_tracks = model.config.window, [replace(tracks) for _ in range(TOGETHER)]
    positions = [
        (tracks.mouse_ids.index(a), tracks.mouse_ids.index(b)) for a, b in model.predicted_behaviors(tracks)
    ]
    requests = [
        [Window(one, *p, start) for start in model.window_starts(tracks) for p in positions] for one in all_tracks
    ]

    @torch.no_grad()
    def through(windows: Sequence[Window]) -> float:
        began = time.process_time()
        for first in range(0, len(windows), BATCH["cpu"]):
            x = model.scaler(pair_features(gather_by_mouse(windows[first : first + BATCH["cpu"]], W)))
            model.network(x, torch.ones(len(x), dtype=torch.long), torch.ones(len(x), len(model.actions)))
        return time.process_time() - began

    together = [window for windows in requests for window in windows]
    rounds = [(through(together), sum(map(through, requests))) for _ in range(14)][2:]
    at_once, apart = (statistics.median(times) for times in zip(*rounds, strict=True))
    return [
        Figure(f"serving: features and network, {TOGETHER} requests at once / one by one", at_once / apart, "x"),
        Figure("serving: features and network, share of a request", 100 * apart / TOGETHER / processor, "%"),
    ]


# --- processes and clients --------------------------------------------------------------------------------
@contextmanager
def server(folder: Path, **variables: str) -> Iterator[tuple[int, int, float]]:
    """Yield (port, process id, seconds of its start) of `sagemaker/serve.py` with a model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"SM_MODEL_DIR": str(folder), "SAGEMAKER_BIND_TO_PORT": str(port), "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "sagemaker" / "serve.py")], env=env | variables, stdout=subprocess.DEVNULL
    )
    try:
        deadline = began + 60
        while not _ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The endpoint's host did not become ready.")
            time.sleep(0.02)
        yield port, process.pid, time.monotonic() - began
    finally:
        process.terminate()
        process.wait(10)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ask_all(port: int, body: bytes, requests: int, clients: int) -> list[float]:
    """Return the seconds of every request of clients that each wait for their answer and keep a connection."""

    def client(count: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            connection.request("POST", "/invocations", body, {"Content-Type": REQUEST_TYPE})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise SystemExit(f"The endpoint answered {answer.status}: {content[:300]!r}")
            taken.append(time.perf_counter() - began)
        connection.close()
        return taken

    counts = [requests // clients + (k < requests % clients) for k in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        return [seconds for taken in pool.map(client, counts) for seconds in taken]


def processor_time(pid: int) -> float:
    """Return the seconds of the processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid: int, field: str) -> float:
    """Return a field of /proc/PID/status in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def peak_of(command: Sequence[str], environ: Mapping[str, str]) -> float:
    """Return the number that a process prints: its own peak (`ru_maxrss` would be at least that of its parent)."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return float(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
