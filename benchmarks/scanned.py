"""Bytes that each report scans (what Athena bills) in our lake, against the same data in a naive layout.

.venv/bin/python benchmarks/scanned.py [--quick] [--json]

Ours is made by the project's own path: simulated labs, `deploy`, `ingest`, `etl`; predictions are the annotations
with noise. The naive lake holds the same rows: one Parquet file a video in the order of the frames, pyarrow's
default settings, no partitions; what the jobs precompute are views there (`naive/`). Both answer the same SQL, the
answers must be equal, and each query's `DataScannedInBytes` is compared: figures are ours / naive. A report that
asks for one lab gets the lab of median size.

Like Athena, the mock skips files and row groups by their statistics, in both lakes: a file a video lets even the
naive one skip other labs and videos. Small tables (scores, metadata, what curation reports) are one file there,
too, and cannot win. --quick checks the answers (minutes); its lake has too few videos for the targets. The full
lake, 43 M tracking rows of 105 videos of 10 minutes, takes a quarter of an hour.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from figures import Figure, options, show

from etholake import aws, local_server, settings
from etholake.catalog import table_input
from etholake.contract import JUMP_CM, JUMP_SPEED, TABLES, glue_columns
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.simulate import simulate
from etholake.stages.cloud import deploy
from etholake.stages.lake import etl, ingest, query

RUNS = ("run-a", "run-b", "run-c")
PRECOMPUTED = ("track_summary", "behavior_summary", "class_distribution_stats")
PER_VIDEO = ("tracking_curated", "annotations_enriched", "predictions")  # the rest: one file a table
VIEWS = Path(__file__).parent / "naive"
NAIVE = "naive"  # prefix in the bucket, and the end of the database's name


def main() -> None:
    given = options(__doc__)
    labs, videos, seconds = (5, 3, 200.0) if given.quick else (5, 20, 600.0)  # a MABe video has 14 minutes
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = dataclasses.replace(
            settings.load(), port=0, state_dir=str(root / "state"), s3_root=str(root / "s3")
        )
        at = settings.replace_port(base, local_server.up(base).port)
        try:
            _say(
                "simulated labs",
                lambda: simulate(root / "labs", labs=labs, videos=videos, seconds=seconds, seed=3),
            )
            lake = _say("our lake", lambda: _our_lake(at, root / "labs"))
            naive = _say("naive lake", lambda: _naive_lake(at, lake))
            figures = _say("reports", lambda: _compare(at, naive, lake, judge=not given.quick))
        finally:
            local_server.down(at)
    show(figures, as_json=given.json)


def _say(what: str, work: Callable[[], Any]) -> Any:
    began = time.monotonic()
    made = work()
    print(f"{what}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return made


# --- our lake ----------------------------------------------------------------------------------------------
def _our_lake(at: Settings, labs: Path) -> Lake:
    deploy.run(at)
    ingest.run(at, labs)
    etl.run(at)
    lake = Lake(aws.client(at, "s3"), aws.client(at, "glue"), at.bucket, at.database)
    random = np.random.default_rng(0)
    for number, run in enumerate(RUNS):
        lake.replace_table(
            "predictions", _predictions(lake, 0.5 + 0.15 * number, random), "0" * 16, {"run_id": run}
        )
        lake.replace_table("scores", _scores(at, lake, run), "0" * 16, {"run_id": run})
    return lake


def _predictions(lake: Lake, skill: float, random: np.random.Generator) -> pa.Table:
    """Return the train annotations with noise: a share of `skill` found and displaced, half as many invented."""
    events = _rows(lake, "annotations_enriched").filter(pc.field("split") == "train")
    displaced = events.filter(pa.array(random.random(events.num_rows) < skill))
    invented = events.filter(pa.array(random.random(events.num_rows) < skill / 2))
    whole = pa.concat_tables([displaced, invented])
    noise = random.normal(0, 5, (2, whole.num_rows)).round().astype(int)
    noise[:, displaced.num_rows :] += random.integers(-300, 300, invented.num_rows)
    start = np.maximum(0, whole["start_frame"].to_numpy() + noise[0])
    stop = np.maximum(start + 1, whole["stop_frame"].to_numpy() + noise[1])
    fps = whole["frames_per_second"].to_numpy()
    right = np.arange(whole.num_rows) < displaced.num_rows
    columns = {name: whole[name] for name in ("split", "lab_id", "video_id", "agent_id", "target_id", "action")}
    return pa.table(
        columns
        | {"start_frame": start, "stop_frame": stop, "start_sec": start / fps, "stop_sec": stop / fps}
        | {"confidence": np.clip(np.where(right, 0.7, 0.4) + random.normal(0, 0.15, right.size), 0, 1)}
    )


def _scores(at: Settings, lake: Lake, run: str) -> pa.Table:
    """Return the counts of the run's frames, as `predictions_vs_annotations` computes them."""
    result = query.run_report(at, "predictions_vs_annotations", {"run_id": run})
    columns = dict(zip(result.columns, map(list, zip(*result.rows, strict=True)), strict=True))
    columns["precision"], columns["recall"] = columns.pop("precision_frames"), columns.pop("recall_frames")
    guesses = _rows(lake, "predictions")
    videos = guesses.group_by("lab_id").aggregate([("video_id", "count_distinct")])
    count = dict(zip(videos["lab_id"].to_pylist(), videos["video_id_count_distinct"].to_pylist(), strict=True))
    return pa.table(columns | {"videos": [count.get(lab, 0) for lab in columns["lab_id"]]})


def _rows(lake: Lake, table: str, partition: dict[str, str] | None = None) -> pa.Table:
    """Return the committed rows, of one partition or of all; the partition keys are columns."""
    tables = []
    for keys in [partition] if partition else lake.partitions(table):
        for uri in lake.current_files(table, keys):
            body = lake.s3.get_object(Bucket=lake.bucket, Key=uri.removeprefix(f"s3://{lake.bucket}/"))["Body"]
            part = pq.read_table(pa.BufferReader(body.read()))
            for name, value in keys.items():
                part = part.append_column(name, pa.array([value] * part.num_rows, pa.string()))
            tables.append(part)
    return pa.concat_tables(tables)


# --- the naive lake ----------------------------------------------------------------------------------------
def _naive_lake(at: Settings, lake: Lake) -> Settings:
    """Write the same rows, files and views to a second database; return the settings that reach it."""
    naive = dataclasses.replace(at, database=f"{at.database}_{NAIVE}")
    lake.glue.create_database(DatabaseInput={"Name": naive.database})
    for name, spec in TABLES.items():
        if name in PRECOMPUTED:
            continue
        for number, rows in enumerate(_naive_files(lake, name)):
            sink = pa.BufferOutputStream()
            pq.write_table(rows, sink)
            key = f"{NAIVE}/{name}/{number:05d}.parquet"
            lake.s3.put_object(Bucket=at.bucket, Key=key, Body=sink.getvalue().to_pybytes())
        request = table_input(at.bucket, name, f"{NAIVE}/{name}/")
        keys = [{"Name": key, "Type": "string"} for key in spec.partitions]
        request["PartitionKeys"] = []
        request["StorageDescriptor"]["Columns"] = glue_columns(name) + keys
        lake.glue.create_table(DatabaseName=naive.database, TableInput=request)
    for name in PRECOMPUTED:
        sql = Template((VIEWS / f"{name}.sql").read_text(encoding="utf-8"))
        query.run_sql(naive, sql.substitute(JUMP_CM=f"{JUMP_CM}e0", JUMP_SPEED=f"{JUMP_SPEED}e0"))
    return naive


def _naive_files(lake: Lake, name: str) -> Iterator[pa.Table]:
    """Yield the rows of each file: of one video (and run) in the order of its frames, or the whole table."""
    if name not in PER_VIDEO:
        if any(lake.current_files(name, keys) for keys in lake.partitions(name)):
            yield _rows(lake, name)
        return
    order = {"tracking_curated": ("video_frame", "mouse_id", "bodypart")}.get(name, ("start_frame",))
    for keys in lake.partitions(name):
        rows = _rows(lake, name, keys)
        for video in pc.unique(rows["video_id"]).to_pylist():
            own = rows.filter(pc.field("video_id") == video)
            yield own.sort_by([(column, "ascending") for column in order])


# --- the comparison ----------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Line:
    """One report in both lakes."""

    name: str
    ours: int
    naive: int

    @property
    def ratio(self) -> float:
        return self.ours / self.naive


def _compare(at: Settings, naive: Settings, lake: Lake, *, judge: bool) -> list[Figure]:
    """Return `judge`: compare with the targets, which mean a lake of many videos."""
    sizes = _tracking_bytes(lake)
    lab = sorted(sizes, key=lambda name: (sizes[name], name))[len(sizes) // 2]
    asked = _parameters(lake, lab)
    lines = []
    for name, _ in query.list_reports():
        parameters = {p: asked[p] for p in query.read_report(name).parameters}
        results = [query.run_report(where, name, parameters) for where in (at, naive)]
        _assert_equal(name, *results)
        lines.append(Line(name, *(result.scanned_bytes for result in results)))
    lines.sort(key=lambda line: line.ratio)
    width = max(len(line.name) for line in lines)
    print(f"{'report':<{width}} {'ours':>13} {'naive':>13} {'ratio':>9}", file=sys.stderr)
    for line in lines:
        print(f"{line.name:<{width}} {line.ours:>13,} {line.naive:>13,} {line.ratio:>9.2%}", file=sys.stderr)
    whole = sum(o["Size"] for o in lake.objects("curated-zone/") if o["Key"].endswith(".parquet"))
    tracks = sum(sizes.values())
    median = statistics.median(line.ratio for line in lines)
    shares = [
        query.run_report(at, "trajectory", {p: _parameters(lake, each)[p] for p in TRAJECTORY}).scanned_bytes
        / whole
        for each in sizes
    ]
    everything = sum(line.ours for line in lines) / sum(line.naive for line in lines)

    def judged(name: str, value: float, limit: float) -> Figure:
        return Figure(
            f"scanned: {name}", 100 * value, "%", f"<= {100 * limit:g} %", value <= limit if judge else None
        )

    return [
        *(Figure(f"scanned: {line.name}", 100 * line.ratio, "%", better="lower") for line in lines),
        Figure("scanned: lake, Parquet", whole / 1e6, "MB"),
        Figure("scanned: of this, tracks of the train split", tracks / 1e6, "MB"),
        Figure("scanned: reports with equal answers", len(lines), "reports"),
        Figure("scanned: all reports once", 100 * everything, "%", better="lower"),
        judged("median of the reports", median, 0.1),
        judged("one trajectory / lake, median lab", statistics.median(shares), 0.005),
        judged("one trajectory / lake, worst lab", max(shares), 0.005),
    ]


TRAJECTORY = ("lab_id", "video_id", "mouse_id", "bodypart")


def _tracking_bytes(lake: Lake) -> dict[str, int]:
    """Return the bytes of each lab's tracks of the train split."""
    sizes: dict[str, int] = {}
    for keys in lake.partitions("tracking_curated"):
        if keys["split"] == "train":
            prefix = lake.current_files("tracking_curated", keys)[0].removeprefix(f"s3://{lake.bucket}/")
            objects = lake.objects(prefix.rpartition("/")[0] + "/")
            sizes[keys["lab_id"]] = sum(o["Size"] for o in objects if o["Key"].endswith(".parquet"))
    return sizes


def _parameters(lake: Lake, lab: str) -> dict[str, str]:
    """Return a value for every parameter of any report: of the lab, its first annotated video with that part."""
    summary = _rows(lake, "track_summary", {"split": "train", "lab_id": lab})
    parts = set(summary["bodypart"].to_pylist())
    part = next(p for p in ("body_center", "nose", "head") if p in parts)
    video = min(_rows(lake, "annotations_enriched", {"lab_id": lab})["video_id"].to_pylist())
    return {
        "lab_id": lab, "video_id": str(video), "mouse_id": "1", "bodypart": part, "run_id": RUNS[0],
        "other_run_id": RUNS[1],
    }  # fmt: skip


def _assert_equal(name: str, ours: query.QueryResult, naive: query.QueryResult) -> None:
    """Check that both hold the same rows: floats to the last digit shown, in any order of equal rows."""
    assert ours.columns == naive.columns, name
    assert len(ours.rows) == len(naive.rows), (
        f"{name}: {len(ours.rows)} rows, but {len(naive.rows)} in the naive lake"
    )
    for one, other in zip(sorted(ours.rows, key=_identity), sorted(naive.rows, key=_identity), strict=True):
        assert all(map(_alike, one, other)), f"{name}: {one} != {other}"


def _identity(row: tuple[Any, ...]) -> str:
    return str([str(value) for value in row if not isinstance(value, float)])


def _alike(one: Any, other: Any) -> bool:
    if not isinstance(one, float) or not isinstance(other, float):
        return bool(one == other)
    digits = max(len(repr(value).partition(".")[2]) for value in (one, other))
    return abs(one - other) <= max(1.01 * 10.0**-digits, 1e-6 * abs(other))


if __name__ == "__main__":
    main()
