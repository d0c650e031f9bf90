"""Measure what one new video costs in lakes of 10, 100 and 1,000 videos: ingest, both Glue jobs, catalog, crawler.

.venv/bin/python benchmarks/one_more.py [--quick] [--json]

Videos of 10 s in five simulated labs, one partition each. The jobs and their units of work run in this process
(`PretendedSpark`), without the JVM, whose start does not depend on the lake. What one video costs by itself is
measured in an empty lake; the figures are what a lake adds to that, in seconds of the processor, of this process
and of the mock together.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from figures import Figure, options, show
from mock_memory import processes

from etholake import aws, local_server, settings
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.simulate import simulate
from etholake.stages.cloud import deploy
from etholake.stages.lake import etl, ingest

LABS = 5
SECONDS = 10.0
JOBS = ("curate_tracking", "curate_tables")
PARTS = ("ingest", "plan", *JOBS, "catalog", "crawler", "summary")


class PretendedSpark:
    """A session, its context and its data sets in one, which do in this process what a job gives them."""

    defaultParallelism = 2

    def __init__(self, rows: Iterable[Any] = ()) -> None:
        self.rows, self.sparkContext = rows, self

    def parallelize(self, rows: Iterable[Any], _partitions: int) -> PretendedSpark:
        return PretendedSpark(rows)

    def flatMap(self, work: Callable[[Any], Iterable[Any]]) -> PretendedSpark:  # noqa: N802 - Spark's name
        return PretendedSpark([result for row in self.rows for result in work(row)])

    def collect(self) -> list[Any]:
        return list(self.rows)


def main() -> None:
    given = options(__doc__)
    sizes = (10, 100) if given.quick else (10, 100, 1000)
    alone = _added(0)
    figures = [Figure("one more: a video in an empty lake", sum(alone.values()), "s of CPU")]
    for size in sizes:
        parts = _added(size)
        added = sum(parts.values()) - sum(alone.values())
        figures.append(Figure(f"one more: added by {size:,} videos", added, "s of CPU", "<= 3", added <= 3))
        figures += [Figure(f"  of it {part}", parts[part] - alone[part], "s of CPU") for part in PARTS]
    show(figures, as_json=given.json)


def _added(size: int) -> dict[str, float]:
    """Return the processor time of one new video in a lake of so many, by part."""
    with tempfile.TemporaryDirectory(prefix="etholake-more-") as folder:
        root = Path(folder)
        data, one = root / "data", root / "one"
        simulate(one, labs=LABS, videos=1, seconds=SECONDS, test_videos=0, dirt=0, seed=1)
        if size:
            simulate(data, labs=LABS, videos=size // LABS, seconds=SECONDS, test_videos=0, dirt=0, seed=1)
        base = dataclasses.replace(
            settings.load(), port=0, state_dir=str(root / "state"), s3_root=str(root / "s3")
        )
        at = settings.replace_port(base, local_server.up(base).port)
        try:
            deploy.run(at)
            if size:
                for step in _steps(at, data).values():
                    step()
            _add_video(one, data)
            return {part: _processor_seconds(step) for part, step in _steps(at, data).items()}
        finally:
            local_server.down(at)


def _add_video(source: Path, data: Path) -> None:
    """Copy the first video of a data folder into another, under a number of its own."""
    with (source / "train.csv").open(newline="") as file:
        header, row = list(csv.reader(file))[:2]
    at = header.index("video_id")
    number, new = row[at], "900000001"
    lab = row[header.index("lab_id")]
    data.mkdir(exist_ok=True)
    table = data / "train.csv"
    is_new = not table.exists()
    with table.open("a", newline="") as file:
        csv.writer(file).writerows([header] * is_new + [[*row[:at], new, *row[at + 1 :]]])
    for kind in ("train_tracking", "train_annotation"):
        (data / kind / lab).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / kind / lab / f"{number}.parquet", data / kind / lab / f"{new}.parquet")


def _steps(at: Settings, data: Path) -> dict[str, Callable[[], Any]]:
    """Return the steps of ingest and etl, to be run in their order."""
    lake = Lake(aws.client(at, "s3"), aws.client(at, "glue"), at.bucket, at.database)
    state: dict[str, Any] = {}

    def plan() -> None:
        state["digest"], state["arguments"] = etl.inputs(at)
        lake.register()

    def job(name: str) -> None:
        arguments = [word for pair in state["arguments"].items() for word in pair]
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere), _environment(at):
            _script(name).main([name, "--JOB_NAME", name, *arguments], PretendedSpark())

    return {
        "ingest": lambda: ingest.run(at, data),
        "plan": plan,
        **{name: partial(job, name) for name in JOBS},
        "catalog": lambda: state.update(registered=lake.register()),
        "crawler": lambda: etl._crawl(lake.glue, at, lambda _: None, "etholake-raw"),
        "summary": lambda: etl.save(at, lake, state["digest"], state["registered"], {}),
    }


@contextlib.contextmanager
def _environment(at: Settings) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(aws.environment(at), ETHOLAKE_S3_MOUNT=at.s3_root)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        name, Path(__file__).resolve().parents[1] / "glue_jobs" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _processor_seconds(step: Callable[[], Any]) -> float:
    """Return the processor time that a step takes in this process and all it has started, the mock among them."""
    before = _used()
    step()
    return _used() - before


def _used() -> float:
    ticks = 0
    for process in processes(os.getpid()):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
