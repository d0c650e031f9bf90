"""The curation job against Spark SQL, Polars and the floor; how its cost and memory grow.

.venv/bin/python benchmarks/etl.py [--quick] [--json] [--rows 60e6] [--only memory,polars,spark,growth,driver]

Simulated labs, in the buckets of a mock of its own; Spark is started once, before anything is timed. Every ratio
is of medians of one run; each time is printed on stderr. A full run takes about 40 minutes and 15 GB of disk, a
quick one at most 5 minutes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from etl_lab import GAP, curate, load_job, make_lake, seconds_of, simulated, start_spark, started_mock
from etl_memory import driver_memory, worker_memory
from etl_yardsticks import RawVideo, by_polars, by_spark_sql
from figures import Figure, parser, show

from etholake import aws
from etholake.curate import parquet
from etholake.curate.rawzone import list_raw, read_metadata, videos_by_lab
from etholake.generations import folder
from etholake.lake import Lake
from etholake.settings import Settings

TABLE = "tracking_curated"


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
            "memory": lambda: worker_memory(root, sizes.memory),
            "polars": lambda: _against(root, sizes.rows, sizes.repeats, ("polars", "floor")),
            "spark": lambda: _against(root, sizes.rows // 4, sizes.repeats, ("spark",)),
            "growth": lambda: _growth(root, sizes),
            "driver": lambda: driver_memory(root, sizes.files),
        }
        for name, part in parts.items():
            if name in given.only.split(","):
                figures += part()
    show(figures, as_json=given.json)


# --- the yardsticks ---------------------------------------------------------------------------------------
# Spark SQL gets a quarter of the rows, or it alone would take twenty minutes: the ratio is of the job on the same
# rows, and more rows would be to Spark's disadvantage (it spills).
def _against(root: Path, wanted: int, repeats: int, names: Sequence[str]) -> Iterator[Figure]:
    """Time the job and its yardsticks, one after the other, `repeats` times round."""
    data, rows = simulated(root, wanted)
    with started_mock(root) as at:
        spark, job = start_spark(), load_job()
        settings = make_lake(at, root, data, f"bench-yardsticks-{wanted}")
        lake = Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)
        videos = _raw_videos(lake, root)
        curate(job, spark, settings, "warm")  # Python workers are up, files are in the page cache
        units = _units(lake, root, videos)
        spark_out, polars_out = root / "by-spark", root / "by-polars"
        outputs = {polars_out / out.relative_to(root / "s3"): made for out, made in units.items()}
        times: dict[str, list[float]] = {}
        for number in range(repeats):
            turns: dict[str, Callable[[], object]] = {
                "job": partial(curate, job, spark, settings, f"code {number}"),
                "polars": lambda: by_polars(outputs, GAP, parquet.ROW_GROUP_MAX),
                "floor": lambda: _floor(root, units),
                "spark": lambda: by_spark_sql(spark, videos, spark_out, GAP),
            }
            for name in ("job", *names):
                times.setdefault(name, []).append(seconds_of(name, turns[name]))
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
    data, rows = simulated(root, sizes.rows // 4)
    with started_mock(root) as at:
        spark, job = start_spark(), load_job()
        per_row: dict[int, float] = {}
        for times in sizes.growth:
            settings = make_lake(at, root, data, f"bench-growth-{times}", times)
            curate(job, spark, settings, "warm")
            took = []
            for number in range(sizes.repeats):
                work = partial(curate, job, spark, settings, f"code {number}")
                took.append(seconds_of(f"growth {times}", work))
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


if __name__ == "__main__":
    main()
