"""Mutated raw files through what the jobs' workers run: never an exception, never a row unaccounted for.

The files are made from seeds (`mutator.mutant`) and tried in a process of their own (`trial.py`), because a broken
Parquet file may end a process, make it hang or fill its memory; that, too, fails here, with the seed. The message
says how to run one seed alone.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from mutator import Mutant, mutant, odd_cells, parquet
from trial import assert_reported, check, mounted, received, videos

from etholake.contract import raw_key
from etholake.curate.metadata import curate_metadata
from etholake.curate.rawzone import list_raw
from etholake.curate.units import units
from etholake.curate.work import curate_tracking_unit

ROOT = Path(__file__).resolve().parents[2]
SHORT, LONG, BLOCK, TIMEOUT = 150, 3000, 150, 300  # seeds, seeds, seeds of one process, s


def run_trial(first: int, last: int, peak_mib: int = 800) -> None:
    """Try the seeds first <= seed < last in another process; fail with everything that went wrong there."""
    problems: list[str] = []
    output, ended = python(str(ROOT / "tests" / "fuzz" / "trial.py"), str(first), str(last))
    events = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    for event in events:
        if "failed" in event:
            problems.append(f"seed {event['failed']}: {json.dumps(event, indent=1)}")
    if not events or events[-1].get("done") != last - first:
        began = [event["began"] for event in events if "began" in event]
        problems.append(f"seed {began[-1] if began else first} was not survived: {ended}")
    elif events[-1]["peak_mib"] > peak_mib:
        problems.append(f"The process grew to {events[-1]['peak_mib']} MiB.")
    again = "One alone: PYTHONPATH=tests/curate .venv/bin/python tests/fuzz/trial.py SEED SEED+1"
    assert not problems, "\n".join([*problems, again])


def python(*arguments: str) -> tuple[str, str]:
    """Return what a Python process of its own printed, and how it ended."""
    path = os.pathsep.join(str(ROOT / folder) for folder in (".", "tests/curate", "tests/fuzz"))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-X", "faulthandler", *arguments]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as err:
        return (err.stdout or b"").decode(), f"it took more than {TIMEOUT} s"
    return done.stdout, f"code {done.returncode}: {done.stderr[-1500:]}"


@pytest.mark.slow
def test_mutated_files_are_survived_and_accounted_for() -> None:
    run_trial(0, SHORT)


def test_a_footer_that_contradicts_its_row_groups_leaves_the_file_out() -> None:
    """Seed 1485 zeroes the row count of one row group: its 20 rows were lost in silence."""
    run_trial(1485, 1486)


@pytest.mark.long
@pytest.mark.parametrize("first", range(SHORT, SHORT + LONG, BLOCK))
def test_many_more_mutated_files(first: int) -> None:
    run_trial(first, first + BLOCK)


def test_a_seed_remakes_its_file() -> None:
    for seed in range(10):
        assert mutant(seed) == mutant(seed)


@pytest.mark.long
def test_every_odd_cell_in_every_column_of_the_metadata(tmp_path: Path) -> None:
    problems = []
    for column, cell, content in odd_cells():
        error = error_of(Mutant(0, "metadata", (column, cell), content), tmp_path)
        if error:
            problems.append(f"{column} = {cell[:40]!r}: {error}")
    assert not problems, "\n".join(problems)


# --- memory: files that are small, and would be large if frames or names spanned a matrix ----------------------
Keys = list[tuple[int, int, str]]  # frame, mouse, part


def _two_frames() -> Keys:
    return [(0, 1, "nose"), (2_000_000_000, 4, "tail")]


def _far_apart() -> Keys:
    """20,000 points of four mice, 2,000 million frames from the first to the last."""
    return [(i * 100_000, 1 + i % 4, "nose") for i in range(20_000)]


def _many_parts_far_apart() -> Keys:
    """120 parts, each in frames of its own."""
    return [(i * 30_000, 1, f"p{i % 120}") for i in range(60_000)]


def _one_point_a_part() -> Keys:
    """120 parts of which each is there in one frame, and one part that is there in all."""
    return [*((f, 1, "nose") for f in range(20_000)), *((i * 160, 1, f"p{i}") for i in range(120))]


_SMALL = """
import sys
from pathlib import Path
from trial import BUCKET, mounted, one_unit, assert_reported, peak_kib, videos, written
from etholake.curate.work import curate_tracking_unit
with mounted(Path(sys.argv[1])):
    good = one_unit("tracking", {1: Path(sys.argv[3]).read_bytes()}, videos(), "tracking_curated")
    curate_tracking_unit(good, BUCKET, 15)
    before = peak_kib()
    unit = one_unit("tracking", {2: Path(sys.argv[2]).read_bytes()}, videos(), "tracking_curated")
    reports = curate_tracking_unit(unit, BUCKET, 15)
    print((peak_kib() - before) // 1024)
    assert_reported(reports)
    [report] = reports
    assert report.rows_quarantined == 0, report
    assert written("tracking_curated", unit.target).num_rows == report.rows_curated + report.rows_imputed
"""


def _hundreds_of_parts() -> Keys:
    """600 parts of which each is there in one frame, and one part that is there in all."""
    return [*((f, 1, "nose") for f in range(20_000)), *((i * 32, 1, f"p{i}") for i in range(600))]


def points(keys: Keys) -> bytes:
    """A raw tracking file of these keys."""
    frame, mouse, part = zip(*keys, strict=True)
    x = [float(i % 500) for i in range(len(keys))]
    return parquet(pa.table({"video_frame": frame, "mouse_id": mouse, "bodypart": part, "x": x, "y": x}))


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys",
    [
        _two_frames,
        _far_apart,
        _many_parts_far_apart,
        _one_point_a_part,
        _hundreds_of_parts,
    ],
)
def test_a_small_file_needs_little_memory(keys: Callable[[], Keys], tmp_path: Path) -> None:
    """Beyond what a good file needed in the same process before it: below 120 MiB."""
    odd, good = tmp_path / "odd", tmp_path / "good"
    odd.write_bytes(points(keys()))
    good.write_bytes(points([(0, 1, "nose"), (1, 1, "nose")]))
    output, ended = python("-c", _SMALL, str(tmp_path / "mount"), str(odd), str(good))
    assert ended.startswith("code 0"), ended
    assert int(output) < 120, f"{output.strip()} MiB"


# --- what fuzzing found ---------------------------------------------------------------------------------------
def error_of(made: Mutant, folder: Path) -> str:
    """Return what went wrong with a file as text, which keeps nothing of it alive."""
    error = ""
    with mounted(folder):
        try:
            check(made)
        except Exception as err:
            error = f"{type(err).__name__}: {err}"
    if error:
        gc.collect()  # a writer that was left open complains when it dies, and pytest cannot bear that later
    return error


def test_a_name_that_is_no_text_is_survived(tmp_path: Path) -> None:
    content = points([(0, 1, "nose"), (0, 1, "tail")])
    assert b"tail" in content
    assert (
        error_of(Mutant(0, "tracking", ("bytes by hand",), content.replace(b"tail", b"t\xffil")), tmp_path) == ""
    )


def test_hundreds_of_part_names_are_curated(tmp_path: Path) -> None:
    assert (
        error_of(
            Mutant(0, "tracking", ("value by hand",), points([(0, 1, f"part{n}") for n in range(300)])), tmp_path
        )
        == ""
    )


def test_an_action_that_ends_in_a_null_character_is_counted(tmp_path: Path) -> None:
    events = {"agent_id": [1], "target_id": [1], "action": ["rear\x00"], "start_frame": [0], "stop_frame": [5]}
    assert error_of(Mutant(0, "annotation", ("value by hand",), parquet(pa.table(events))), tmp_path) == ""


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("frames_per_second", "1e308"),
        ("video_width_pix", "1e300"),
        ("video_height_pix", "2147483648"),
        ("behaviors_labeled", '["mouse1,self,\\ud800"]'),
        ("body_parts_tracked", '["\\ud800"]'),
    ],
)
def test_an_odd_cell_is_survived(column: str, cell: str, tmp_path: Path) -> None:
    [content] = [content for _, _, content in odd_cells([column], [cell])]
    assert error_of(Mutant(0, "metadata", (column, cell), content), tmp_path) == ""


def test_a_csv_with_pandas_index_is_curated() -> None:
    """`frame.to_csv(path)` writes its index as a first column without a name."""
    result = curate_metadata(b",lab_id,video_id,frames_per_second\n0,Lab,1,30\n1,Lab,2,30\n", "train")
    assert [video.video_id for video in result.videos] == [1, 2]
    assert "column-extra" in result.report.flags


def test_a_file_named_by_a_huge_number_is_quarantined(tmp_path: Path) -> None:
    key = raw_key("train", "tracking", "Lab", "9" * 20)
    with mounted(tmp_path):
        received("tracking", int("9" * 20), points([(0, 1, "nose")]))
        zone = list_raw(_Listing(key, (tmp_path / "fuzz" / key).stat().st_size), "fuzz")
        [unit] = units(zone.tracking["train", "Lab"], videos(), "curated-zone/tracking_curated/gen-0/")
        assert_reported(curate_tracking_unit(unit, "fuzz", 3))


class _Listing:
    """The one call that `list_raw` makes of an S3 client."""

    def __init__(self, key: str, size: int) -> None:
        self._contents = [{"Key": key, "Size": size, "ETag": "etag"}]

    def get_paginator(self, _name: str) -> _Listing:
        return self

    def paginate(self, **_where: str) -> list[dict[str, Any]]:
        return [{"Contents": self._contents}]
