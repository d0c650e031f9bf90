"""Measure what ingest adds to a plain threaded upload of the same files, and the cost of a run with nothing to do.

.venv/bin/python benchmarks/ingest.py [--quick] [--json]

Two folders in the MABe layout: many small files (10,000 of some kB) and much data (2 GB in 41 files). Plain:
boto3's `upload_file` from a ThreadPoolExecutor of as many threads, with the same client and the same mock (without
the ten threads that boto3 adds for each file: those make it slower here). A round times one after the other, in
turns which is first; a figure is the median of the rounds, after one to get warm.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from boto3.s3.transfer import TransferConfig
from figures import Figure, options, show

from etholake import aws, local_server, settings
from etholake.contract import RAW_METADATA_COLUMNS
from etholake.settings import Settings
from etholake.stages.lake import ingest

PARTS = ["body_center", "ear_left", "ear_right", "nose", "tail_base"]
LABS = 8
REPEATS_UNCHANGED = 3


@dataclass(frozen=True)
class Case:
    """One folder: `videos` tracks of `rows` rows each, half of them annotated if `annotated`."""

    name: str
    videos: int
    rows: int
    annotated: bool
    rounds: int


FULL = (Case("10,000 files", 6_666, 200, True, 3), Case("2 GB", 40, 5_900_000, False, 5))
QUICK = (Case("600 files", 399, 200, True, 2), Case("0.1 GB", 2, 5_900_000, False, 2))


def main() -> None:
    given = options(__doc__)
    figures: list[Figure] = []
    for case in QUICK if given.quick else FULL:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            data = root / "data"
            _write(data, case)
            base = dataclasses.replace(
                settings.load(), port=0, state_dir=str(root / "state"), s3_root=str(root / "s3")
            )
            at = settings.replace_port(base, local_server.up(base).port)
            try:
                figures += _measure(at, data, case)
            finally:
                local_server.down(at)
    show(figures, as_json=given.json)


def _measure(at: Settings, data: Path, case: Case) -> list[Figure]:
    files = [(file.path, file.key) for file in ingest.list_folder(data)]
    size = sum(path.stat().st_size for path, _ in files)
    plain, first, unchanged = list[float](), list[float](), list[float]()
    for number in range(case.rounds + 1):
        of_ingest = dataclasses.replace(at, bucket=f"ingest-{number}", state_dir=str(data.parent / "ingest"))
        of_plain = dataclasses.replace(at, bucket=f"plain-{number}")
        work: list[tuple[list[float], Callable[[], Any]]] = [
            (first, partial(ingest.run, of_ingest, data)),
            (plain, partial(_upload_plainly, of_plain, files)),
        ]
        for bucket in (of_ingest.bucket, of_plain.bucket):
            aws.client(at, "s3").create_bucket(Bucket=bucket)
        for times, run in work if number % 2 else reversed(work):
            times.append(_seconds(run))
        for _ in range(REPEATS_UNCHANGED):
            unchanged.append(_seconds(partial(_expect_unchanged, of_ingest, data)))
        for place in (Path(of_ingest.s3_root) / of_ingest.bucket, Path(of_ingest.s3_root) / of_plain.bucket):
            shutil.rmtree(place)
        shutil.rmtree(of_ingest.state_dir)
    del plain[0], first[0], unchanged[:REPEATS_UNCHANGED]  # a round to get warm
    ratio = statistics.median(a / b for a, b in zip(first, plain, strict=True))
    again = statistics.median(unchanged) / statistics.median(first)
    return [
        Figure(f"ingest {case.name}: files", len(files), "files"),
        Figure(f"ingest {case.name}: bytes", size / 1e9, "GB"),
        Figure(f"ingest {case.name}: plain upload", statistics.median(plain), "s"),
        Figure(f"ingest {case.name}: first / plain", ratio, "x", "<= 1.1", ratio <= 1.1),
        Figure(f"ingest {case.name}: unchanged / first", again, "x", "<= 0.05", again <= 0.05),
    ]


def _seconds(work: Callable[[], Any]) -> float:
    os.sync()  # what the one before left to write must not slow this one
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _expect_unchanged(at: Settings, data: Path) -> None:
    result = ingest.run(at, data)
    assert result.status == "unchanged", result.summary


def _upload_plainly(at: Settings, files: list[tuple[Path, str]]) -> None:
    s3, alone = aws.client(at, "s3"), TransferConfig(use_threads=False)
    with ThreadPoolExecutor(at.ingest_threads) as pool:
        list(pool.map(lambda file: s3.upload_file(str(file[0]), at.bucket, file[1], Config=alone), files))


def _write(data: Path, case: Case) -> None:
    """Write the folder: videos in turns over the labs, each with numbers of its own."""
    random = np.random.default_rng(0)
    frames = np.arange(case.rows, dtype=np.int32) // 10
    mice = (np.arange(case.rows) // 5 % 2 + 1).astype(np.int8)
    names = pa.DictionaryArray.from_arrays(pa.array((np.arange(case.rows) % 5).astype(np.int8)), pa.array(PARTS))
    annotation = pa.table(
        {
            "agent_id": pa.array([1, 2], pa.int8()),
            "target_id": pa.array([2, 1], pa.int8()),
            "action": ["attack", "sniff"],
            "start_frame": pa.array([3, 9], pa.int32()),
            "stop_frame": pa.array([7, 15], pa.int32()),
        }
    )
    data.mkdir()
    with (data / "train.csv").open("w") as table:
        table.write(",".join(RAW_METADATA_COLUMNS) + "\n")
        for video in range(case.videos):
            cells = {"lab_id": f"Lab{video % LABS}", "video_id": str(video)}
            table.write(",".join(cells.get(name, "") for name in RAW_METADATA_COLUMNS) + "\n")
    for lab in range(LABS):
        for kind in ("tracking", "annotation"):
            (data / f"train_{kind}" / f"Lab{lab}").mkdir(parents=True)
    for video in range(case.videos):
        x, y = random.random((2, case.rows), np.float32)
        track = pa.table({"video_frame": frames, "mouse_id": mice, "bodypart": names, "x": x, "y": y})
        path = Path(f"Lab{video % LABS}") / f"{video}.parquet"
        coded = ["mouse_id", "bodypart"]
        pq.write_table(track, data / "train_tracking" / path, use_dictionary=coded, store_schema=False)
        if case.annotated and video % 2:
            pq.write_table(annotation, data / "train_annotation" / path, store_schema=False)


if __name__ == "__main__":
    main()
