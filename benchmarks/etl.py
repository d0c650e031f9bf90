"""The curation job against Spark SQL, Polars and the floor; how its cost and memory grow.

.venv/bin/python benchmarks/etl.py [--quick] [--json] [--rows 60e6] [--only memory,polars,spark,growth,driver]

Simulated labs, in the buckets of a mock of its own; Spark is started once, before anything is timed. Every ratio
is of medians of one run; each time is printed on stderr. A full run takes about 40 minutes and 15 GB of disk, a
quick one at most 5 minutes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from etl_yardsticks import RawVideo, by_polars, by_spark_sql
from figures import Figure, parser, show

from etholake import aws, local_server, settings
from etholake.contract import RAW_ZONE, arrow_schema
from etholake.curate import parquet
from etholake.curate.rawzone import list_raw, read_metadata, videos_by_lab
from etholake.lake import Lake, folder
from etholake.settings import Settings
from etholake.simulate import simulate

GAP = 15
TABLE = "tracking_curated"
JOB = Path(__file__).resolve().parents[1] / "glue_jobs" / "curate_tracking.py"


@dataclass(frozen=True)
class Sizes:
    """Amount of simulated data, and number of repetitions."""

    rows: int
    repeats: int
    growth: tuple[int, ...]
    memory: tuple[int, ...]
    files: tuple[int, int]


FULL = Sizes(62_000_000, 3, (1, 4, 16), (6_000_000, 40_000_000), (1_000, 10_000))
QUICK = Sizes(3_000_000, 3, (1, 4), (6_000_000,), (100, 1_000))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=float, help="tracking rows of the yardsticks' data")
    options.add_argument("--only", default="memory,polars,spark,growth,driver", help="parts, by comma")
    given = options.parse_args()
    sizes = QUICK if given.quick else FULL
    if given.rows:
        sizes = dataclasses.replace(sizes, rows=int(given.rows))
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="etholake-bench-") as temporary:
        root = Path(temporary)
        parts: Mapping[str, Callable[[], Iterator[Figure]]] = {
            "memory": lambda: _memory(root, sizes),
            "polars": lambda: _against(root, sizes.rows, sizes.repeats, ("polars", "floor")),
            "spark": lambda: _against(root, sizes.rows // 4, sizes.repeats, ("spark",)),
            "growth": lambda: _growth(root, sizes),
            "driver": lambda: _driver(root, sizes),
        }
        for name, part in parts.items():
            if name in given.only.split(","):
                figures += part()
    show(figures, as_json=given.json)


# --- the stage on which everything runs -------------------------------------------------------------------
@contextmanager
def _mock(root: Path) -> Iterator[Settings]:
    """Yield a mock whose buckets are folders of `root`; the environment names it to Spark too."""
    base = dataclasses.replace(settings.load(), port=0, state_dir=str(root / "state"), s3_root=str(root / "s3"))
    at = settings.replace_port(base, local_server.up(base).port)
    before = dict(os.environ)
    os.environ.update(aws.environment(at), ETHOLAKE_S3_MOUNT=str(root / "s3"))
    try:
        yield at
    finally:
        os.environ.clear()
        os.environ.update(before)
        local_server.down(at)


def _spark() -> Any:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{os.cpu_count()}]").config("spark.driver.memory", "8g")
    for key, value in {
        "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false", "spark.sql.parquet.compression.codec": "zstd",
        "spark.local.dir": tempfile.gettempdir(),
    }.items():  # fmt: skip
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("curate_tracking", JOB)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["curate_tracking"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _bucket(at: Settings, root: Path, data: Path, name: str, copies: int = 1) -> Settings:
    """Return a lake of its own whose raw zone holds `data` (hard links), `copies` times under other videos."""
    settings = dataclasses.replace(at, bucket=name, database=name.replace("-", "_"))
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=name)
    glue.create_database(DatabaseInput={"Name": settings.database})
    zone = root / "s3" / name / RAW_ZONE
    header, *rows = (data / "train.csv").read_text().splitlines()
    at_id = header.split(",").index("video_id")
    lines = [header]
    for copy in range(copies):
        for row in rows:
            cells = row.split(",")
            cells[at_id] = str(int(cells[at_id]) * 100 + copy)
            lines.append(",".join(cells))
    (zone / "metadata").mkdir(parents=True)
    (zone / "metadata" / "train.csv").write_text("\n".join(lines) + "\n")
    for file in sorted((data / "train_tracking").glob("*/*.parquet")):
        for copy in range(copies):
            target = (
                zone / "train_tracking" / f"lab_id={file.parent.name}" / f"{int(file.stem) * 100 + copy}.parquet"
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, target)
    return settings


def _simulated(root: Path, rows: int, *, labs: int = 6, videos: int = 4) -> tuple[Path, int]:
    """Return a data set of about `rows` train rows: (folder, rows)."""
    out = root / f"labs-{rows}"
    trial = simulate(root / f"trial-{rows}", labs=labs, videos=1, test_videos=0, seconds=20, seed=3, dirt=0.1)
    seconds = 20 * rows / (trial.rows * videos)
    simulate(out, labs=labs, videos=videos, test_videos=0, seconds=seconds, seed=3, dirt=0.1)
    for stray in out.glob("train_tracking/*/99999999.parquet"):
        stray.unlink()  # in no csv: the yardsticks do not quarantine
    files = sorted((out / "train_tracking").glob("*/*.parquet"))
    return out, sum(pq.read_metadata(file).num_rows for file in files)


def _curate(job: ModuleType, spark: Any, at: Settings, code: str) -> dict[str, int]:
    arguments = ["job", "--bucket", at.bucket, "--database", at.database, "--max_gap_frames", str(GAP)]
    with _silence():
        sums: dict[str, int] = job.main([*arguments, "--code_digest", code], spark)
    return sums


@contextmanager
def _silence() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _seconds(name: str, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    print(f"{name:<12} {took:8.2f} s", file=sys.stderr)
    return took


# --- the yardsticks ---------------------------------------------------------------------------------------
# Spark SQL gets a quarter of the rows, or it alone would take twenty minutes: the ratio is of the job on the same
# rows, and more rows would be to Spark's disadvantage (it spills).
def _against(root: Path, wanted: int, repeats: int, names: Sequence[str]) -> Iterator[Figure]:
    """Time the job and its yardsticks, one after the other, `repeats` times round."""
    data, rows = _simulated(root, wanted)
    with _mock(root) as at:
        spark, job = _spark(), _job()
        settings = _bucket(at, root, data, f"bench-yardsticks-{wanted}")
        lake = Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)
        videos = _raw_videos(lake, root)
        _curate(job, spark, settings, "warm")  # Python workers are up, files are in the page cache
        units = _units(lake, root, videos)
        spark_out, polars_out = root / "by-spark", root / "by-polars"
        outputs = {polars_out / out.relative_to(root / "s3"): made for out, made in units.items()}
        times: dict[str, list[float]] = {}
        for number in range(repeats):
            turns: dict[str, Callable[[], object]] = {
                "job": partial(_curate, job, spark, settings, f"code {number}"),
                "polars": lambda: by_polars(outputs, GAP, parquet.ROW_GROUP_MAX),
                "floor": lambda: _floor(root, units),
                "spark": lambda: by_spark_sql(spark, videos, spark_out, GAP),
            }
            for name in ("job", *names):
                times.setdefault(name, []).append(_seconds(name, turns[name]))
        units = _units(lake, root, videos)
        results = {"spark": sorted(spark_out.rglob("*.parquet")), "polars": sorted(outputs)}
        _assert_same(list(units), {name: results[name] for name in names if name in results})
        phases = _phases(units)
        for path in (spark_out, polars_out, root / "s3" / settings.bucket):
            shutil.rmtree(path, ignore_errors=True)
    took = {name: statistics.median(values) for name, values in times.items()}
    millions = f"{rows / 1e6:.0f} M rows"
    yield Figure(f"etl: job, {millions}", took["job"], "s")
    if "spark" in took:
        ratio = took["spark"] / took["job"]
        yield Figure(f"etl: Spark SQL with a lag window / job, {millions}", ratio, "x", ">= 8", ratio >= 8)
        return
    yield Figure(
        f"etl: job, rows per core-second, {millions}", rows / took["job"] / (os.cpu_count() or 1), "rows/s"
    )
    ratio = took["job"] / took["polars"]
    yield Figure(f"etl: job / Polars, {millions}", ratio, "x", "<= 1.5", ratio <= 1.5)
    yield Figure(
        f"etl: job / floor (read and write Parquet), {millions}", took["job"] / took["floor"], "x", better="lower"
    )
    whole = sum(phases.values())
    for name, seconds in phases.items():
        yield Figure(f"etl: share of a worker's time: {name}", 100 * seconds / whole, "%")


def _raw_videos(lake: Lake, root: Path) -> list[RawVideo]:
    zone = list_raw(lake.s3, lake.bucket)
    records = videos_by_lab(read_metadata(lake.s3, lake.bucket, zone))
    videos = []
    for (split, lab_id), files in zone.tracking.items():
        for raw in files:
            video = records[split, lab_id][raw.video_id or 0]
            scale = video.scale
            assert scale.fps and scale.pix_per_cm and scale.width_pix and scale.height_pix  # noqa: PT018
            path = root / "s3" / lake.bucket / raw.key
            centre = (scale.width_pix / 2, scale.height_pix / 2)
            videos.append(RawVideo(path, split, lab_id, video.video_id, scale.fps, scale.pix_per_cm, centre))
    return videos


def _units(lake: Lake, root: Path, videos: Sequence[RawVideo]) -> dict[Path, list[RawVideo]]:
    """Return the videos of each curated file of the job."""
    by_path = {str(video.path.relative_to(root / "s3" / lake.bucket)): video for video in videos}
    units: dict[Path, list[RawVideo]] = {}
    for keys in lake.partitions(TABLE):
        pointer = lake.current(TABLE, keys)
        assert pointer is not None
        place = root / "s3" / lake.bucket / folder(TABLE, keys) / pointer["generation"]
        report = json.loads((place / "_report.json").read_text())
        units |= {place / name: [by_path[key] for key in sorted(made)] for name, made in report["units"].items()}
    return units


def _assert_same(ours: Sequence[Path], others: Mapping[str, Sequence[Path]]) -> None:
    """Check that the yardsticks computed what the job did: as many rows, and equal sums of every column."""
    wanted = _sums(ours)
    for name, files in others.items():
        for column, value in _sums(files).items():
            close = abs(value - wanted[column]) <= 1e-6 * max(abs(wanted[column]), 1)
            assert close, f"{name}: {column} sums up to {value}, but the job's to {wanted[column]}"


def _sums(files: Sequence[Path]) -> dict[str, float]:
    columns = ["video_frame", "mouse_id", "x", "y", "x_cm", "y_cm", "speed", "is_imputed"]
    sums = dict.fromkeys(["rows", *columns], 0.0)
    for file in files:
        table = pq.ParquetFile(file).read(columns=columns)
        sums["rows"] += table.num_rows
        for name in columns:
            sums[name] += pc.sum(pc.abs(table[name].cast(pa.float64()))).as_py() or 0
    return sums


def _floor(root: Path, units: Mapping[Path, Sequence[RawVideo]]) -> None:
    """Read every raw file and write every curated one, in as many processes as the job has workers."""
    work = [(str(out), [str(v.path) for v in videos], str(root / "floor")) for out, videos in units.items()]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_floor_unit, work))
    shutil.rmtree(root / "floor")


def _floor_unit(work: tuple[str, list[str], str]) -> None:
    out, raw, place = work
    for path in raw:
        pq.ParquetFile(path, read_dictionary=["bodypart"]).read(use_threads=False)
    curated = pq.ParquetFile(out, read_dictionary=["bodypart"])  # stands for the result in memory
    target = Path(place) / Path(out).name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink, parquet.RowGroups(sink, TABLE) as groups:
        for batch in curated.iter_batches(parquet.ROW_GROUP_MAX, use_threads=False):
            groups.add(batch)


def _phases(units: Mapping[Path, Sequence[RawVideo]]) -> dict[str, float]:
    """Print where a worker's time goes: the calls of `curate_tracking_unit`, timed apart, on the largest unit."""
    from etholake.curate.tracking import Curation, VideoScale

    phases = dict.fromkeys(["reading Parquet", "rules and grid", "filling and velocity", "writing Parquet"], 0.0)
    out, videos = max(units.items(), key=lambda item: sum(v.path.stat().st_size for v in item[1]))
    target = out.with_name(".phases")
    with target.open("wb") as sink, parquet.RowGroups(sink, TABLE) as groups:
        for video in videos:
            file = pq.ParquetFile(video.path, read_dictionary=["bodypart"])
            columns = ["video_frame", "mouse_id", "bodypart", "x", "y"]
            at = [time.perf_counter()]
            batches = [
                pa.Table.from_batches([b]) for b in file.iter_batches(1 << 20, columns=columns, use_threads=False)
            ]
            at.append(time.perf_counter())
            width, height = (2 * c for c in video.centre)
            scale = VideoScale(video.video_id, video.lab_id, video.fps, video.pix_per_cm, width, height)
            curation = Curation(scale, GAP)
            curation.read(partial(iter, batches))
            at.append(time.perf_counter())
            tracks = list(curation.tracks())
            at.append(time.perf_counter())
            for track in tracks:
                groups.add(track.rows)
            at.append(time.perf_counter())
            for name, start, stop in zip(phases, at, at[1:], strict=False):
                phases[name] += stop - start
    target.unlink()
    return phases


# --- growth -----------------------------------------------------------------------------------------------
def _growth(root: Path, sizes: Sizes) -> Iterator[Figure]:
    """Time per row of the whole job at 1, 4 and 16 times the rows."""
    data, rows = _simulated(root, sizes.rows // 4)
    with _mock(root) as at:
        spark, job = _spark(), _job()
        per_row: dict[int, float] = {}
        for times in sizes.growth:
            settings = _bucket(at, root, data, f"bench-growth-{times}", times)
            _curate(job, spark, settings, "warm")
            took = []
            for number in range(sizes.repeats):
                work = partial(_curate, job, spark, settings, f"code {number}")
                took.append(_seconds(f"growth {times}", work))
                _remove_old(settings, root)
            per_row[times] = statistics.median(took) / (rows * times)
            shutil.rmtree(root / "s3" / settings.bucket)
    first = per_row[sizes.growth[0]]
    for times, seconds in per_row.items():
        ratio = seconds / first
        target = None if times == sizes.growth[0] else "<= 1.15"
        met = None if target is None else ratio <= 1.15
        name = f"etl: time per row at {rows * times / 1e6:.0f} M rows / at {rows / 1e6:.0f} M"
        yield Figure(name, ratio, "x", target, met)


def _remove_old(at: Settings, root: Path) -> None:
    """Free the disk of superseded generations (a user's `make vacuum`)."""
    lake = Lake(aws.client(at, "s3"), aws.client(at, "glue"), at.bucket, at.database)
    for table in (TABLE, "track_summary"):
        keep = lake.referenced(table)
        for generation in (root / "s3" / at.bucket).glob(f"curated-zone/{table}/*/*/gen-*"):
            if f"{generation.relative_to(root / 's3' / at.bucket)}/" not in keep:
                shutil.rmtree(generation)


# --- memory -----------------------------------------------------------------------------------------------
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


def _memory(root: Path, sizes: Sizes) -> Iterator[Figure]:
    """Peak resident memory of a process that curates one long video as a worker does."""
    for rows in sizes.memory:
        size = _long_video(root / "s3" / "bench" / "raw.parquet", rows)
        raw = {"key": "raw.parquet", "size": size, "etag": "", "split": "train", "kind": "tracking"}
        raw |= {"lab_id": "Big", "video_id": 1}
        values = dict.fromkeys([f.name for f in arrow_schema("metadata_train")])
        values |= {"frames_per_second": 30.0, "pix_per_cm_approx": 10.0}
        values |= {"video_width_pix": 800, "video_height_pix": 600}
        video = {"split": "train", "lab_id": "Big", "video_id": 1, "values": values, "labeled": [], "flags": []}
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


# --- the driver -------------------------------------------------------------------------------------------
_DRIVER = """
import json, os, sys, threading, time
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import etl

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def watch():
    while True:
        peak[0] = max(peak[0], resident())
        time.sleep(0.01)

given = json.loads(sys.argv[2])
spark, job = etl._spark(), etl._job()
at = etl.dataclasses.replace(etl.settings.load(), **given)
before = resident()
peak = [before]
threading.Thread(target=watch, daemon=True).start()
sums = etl._curate(job, spark, at, "code")
print(json.dumps([sums["files"], before, peak[0]]))
"""


def _driver(root: Path, sizes: Sizes) -> Iterator[Figure]:
    """Peak memory of the driver's Python over many small files."""
    data, _ = _simulated(root, 200_000, labs=4, videos=5)
    grown: dict[int, float] = {}
    with _mock(root) as at:
        for files in sizes.files:
            settings = _bucket(at, root, data, f"bench-driver-{files}", 1)
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
    few, many = sizes.files
    yield Figure(f"etl: driver's memory for {few:,} files", grown[few], "MB")
    yield Figure(f"etl: driver's memory for {many:,} files", grown[many], "MB")
    per_file = 1000 * (grown[many] - grown[few]) / (many - few)
    yield Figure("etl: driver's memory per further file", per_file, "kB")


def _multiply(zone: Path, files: int) -> None:
    """Hard links of the files there are, under further videos, until there are `files`."""
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


if __name__ == "__main__":
    main()
