"""Memory of the curation job: of a worker with one long video, and of the driver over many small files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from etl_lab import make_lake, simulated, started_mock
from figures import Figure

from etholake.contract import RAW_ZONE, arrow_schema
from etholake.curate.metadata import VideoRecord

_LIMITS_GB = {6_000_000: 1.5, 40_000_000: 3.0}
_WORKER = """
import json, resource, sys
from etholake.curate.metadata import VideoRecord
from etholake.curate.units import Unit
from etholake.curate.rawzone import RawObject
from etholake.curate.work import curate_tracking_unit
given = json.load(sys.stdin)
video = VideoRecord.from_json(given["video"])
raw = RawObject(**given["raw"])
unit = Unit("train", "Big", given["target"], (raw,), {video.video_id: video})
reports = curate_tracking_unit(unit, "bench", 15)
print(json.dumps([reports[0].rows_curated, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def worker_memory(root: Path, rows_of_videos: Sequence[int]) -> Iterator[Figure]:
    """Measure the peak resident memory of a process that curates one long video as a worker does."""
    for rows in rows_of_videos:
        size = _long_video(root / "s3" / "bench" / "raw.parquet", rows)
        raw = {"key": "raw.parquet", "size": size, "etag": "", "split": "train", "kind": "tracking"}
        raw |= {"lab_id": "Big", "video_id": 1}
        values = dict.fromkeys([f.name for f in arrow_schema("metadata_train")])
        values |= {"frames_per_second": 30.0, "pix_per_cm_approx": 10.0}
        values |= {"video_width_pix": 800, "video_height_pix": 600}
        video = VideoRecord("train", "Big", 1, values).as_json()
        target = "curated-zone/tracking_curated/split=train/lab_id=Big/gen-1/part.parquet"
        request = json.dumps({"raw": raw, "video": video, "target": target})
        done = subprocess.run(
            [sys.executable, "-c", _WORKER], input=request, capture_output=True, text=True, check=True,
            env={**os.environ, "ETHOLAKE_S3_MOUNT": str(root / "s3")},
        )  # fmt: skip
        curated, peak_kb = json.loads(done.stdout)
        assert curated == rows, (curated, rows)
        limit, gb = _LIMITS_GB[rows], peak_kb * 1024 / 1e9
        name = f"etl: peak memory of a worker, one video of {rows / 1e6:.0f} M rows"
        yield Figure(name, gb, "GB", f"<= {limit}", gb <= limit)
        shutil.rmtree(root / "s3" / "bench")


def _long_video(path: Path, rows: int) -> int:
    """Write one video of 4 mice and 10 parts, in the order of frames; return the file's size in bytes."""
    import numpy as np

    path.parent.mkdir(parents=True)
    random = np.random.default_rng(0)
    parts = pa.array([f"part_{n}" for n in range(10)])
    frames, step = rows // 40, 25_000
    schema = pa.schema([("video_frame", pa.int32()), ("mouse_id", pa.int8()), ("bodypart", pa.string()),
                        ("x", pa.float32()), ("y", pa.float32())])  # fmt: skip
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, frames, step):
            count = min(step, frames - first)
            frame = np.repeat(np.arange(first, first + count, dtype=np.int32), 40)
            mouse = np.tile(np.repeat(np.arange(1, 5, dtype=np.int8), 10), count)
            codes = pa.array(np.tile(np.arange(10, dtype=np.int8), 4 * count))
            part = pa.DictionaryArray.from_arrays(codes, parts).cast(pa.string())
            x, y = (random.random(count * 40, np.float32) * 800 for _ in range(2))
            writer.write_table(pa.table([frame, mouse, part, x, y], schema=schema))
    return path.stat().st_size


_DRIVER = """
import json, os, sys, threading, time
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import etl_lab
from etholake import settings

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def watch():
    while True:
        peak[0] = max(peak[0], resident())
        time.sleep(0.01)

given = json.loads(sys.argv[2])
spark, job = etl_lab.start_spark(), etl_lab.load_job()
at = settings.load(**given)
before = resident()
peak = [before]
threading.Thread(target=watch, daemon=True).start()
sums = etl_lab.curate(job, spark, at, "code")
print(json.dumps([sums["files"], before, peak[0]]))
"""


def driver_memory(root: Path, file_counts: tuple[int, int]) -> Iterator[Figure]:
    """Measure the peak memory of the driver's Python over many small files."""
    data, _ = simulated(root, 200_000, labs=4, videos=5)
    grown: dict[int, float] = {}
    with started_mock(root) as at:
        for files in file_counts:
            settings = make_lake(at, root, data, f"bench-driver-{files}", 1)
            zone = root / "s3" / settings.bucket / RAW_ZONE
            _multiply(zone, files)
            given = {"bucket": settings.bucket, "database": settings.database, "port": at.port}
            done = subprocess.run(
                [sys.executable, "-c", _DRIVER, __file__, json.dumps(given)],
                capture_output=True,
                text=True,
                check=True,
            )
            objects, before, peak = json.loads(done.stdout.splitlines()[-1])
            assert objects == files, (objects, files)
            grown[files] = (peak - before) / 1e6
    few, many = file_counts
    yield Figure(f"etl: driver's memory for {few:,} files", grown[few], "MB")
    yield Figure(f"etl: driver's memory for {many:,} files", grown[many], "MB")
    per_file = 1000 * (grown[many] - grown[few]) / (many - few)
    yield Figure("etl: driver's memory per further file", per_file, "kB")


def _multiply(zone: Path, files: int) -> None:
    """Add hard links of the files, under further videos, until there are `files`."""
    table = zone / "metadata" / "train.csv"
    header, *rows = table.read_text().splitlines()
    at_id = header.split(",").index("video_id")
    there = {path.stem: path for path in zone.glob("train_tracking/*/*.parquet")}
    rows = [row for row in rows if row.split(",")[at_id] in there]
    lines, number = list(rows), 0
    while len(lines) < files:
        row = rows[number % len(rows)].split(",")
        source = there[row[at_id]]
        row[at_id] = str(10**9 + number)
        os.link(source, source.with_name(f"{row[at_id]}.parquet"))
        lines.append(",".join(row))
        number += 1
    table.write_text("\n".join([header, *lines]) + "\n")
