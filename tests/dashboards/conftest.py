"""A small lake for the dashboards' views, with answers that can be worked out by hand.

Lab `north`, 10 frames/s. Video 11: mouse1 chases mouse2 on frames 0..19, 100..119, … (a chase in each of six
blocks of 10 s), rears on 20..29. Run `r1` predicts each chase half a second late, but the last one not at all,
and a false chase on 700..709. Video 12 was received without annotation.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from dashboards import browser
from etholake import aws
from etholake.contract import arrow_schema
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages import query

FPS = 10.0
CHASES = [100 * block for block in range(6)]


def rows(table: str, *items: dict[str, Any]) -> pa.Table:
    """Rows of a contract table; what is not given is null, or the emptiest value where null is not allowed."""
    schema = arrow_schema(table)
    empty = {"bool": False, "string": "", "list<item: string>": []}
    blank = {f.name: None if f.nullable else empty.get(str(f.type), 0) for f in schema}
    return pa.Table.from_pylist([blank | item for item in items], schema=schema)


def event(target: int, action: str, start: int, stop: int) -> dict[str, Any]:
    where = {"split": "train", "video_id": 11, "agent_id": 1, "target_id": target, "action": action}
    clock = {"start_frame": start, "stop_frame": stop, "start_sec": start / FPS, "stop_sec": stop / FPS}
    length = {"duration_frames": stop - start, "duration_sec": (stop - start) / FPS, "frames_per_second": FPS}
    return {**where, **clock, **length, "is_self": target == 1, "is_labeled": True, "agent_sex": "male"}


def fill(lake: Lake) -> None:
    def put(table: str, *items: dict[str, Any], **partition: str) -> None:
        lake.replace_table(table, rows(table, *items), "one", partition)

    video = {"lab_id": "north", "frames_per_second": FPS, "video_duration_sec": 90.0, "pix_per_cm_approx": 16.0,
             "n_mice": 2, "body_parts_tracked": ["nose", "tail_base"], "has_tracking": True,
             "flags": []}  # fmt: skip
    put("metadata_train", {**video, "video_id": 11, "has_annotation": True}, {**video, "video_id": 12})
    put("metadata_test", {**video, "video_id": 13, "has_tracking": False})
    point = {"video_id": 11, "x": 0.0, "y": 0.0}
    put(
        "tracking_curated",
        *({**point, "video_frame": f, "mouse_id": 1, "bodypart": "nose", "is_imputed": f == 3}
          for f in range(10) if f != 5),
        split="train", lab_id="north",
    )  # fmt: skip
    put("track_summary", {"video_id": 11, "mouse_id": 1, "bodypart": "nose", "first_frame": 0, "last_frame": 9,
        "frames_present": 9, "points_measured": 8, "points_imputed": 1, "gaps": 1, "gap_frames": 1},
        split="train", lab_id="north")  # fmt: skip
    chases = [event(2, "chase", start, start + 20) for start in CHASES]
    put("annotations_enriched", *chases, event(1, "rear", 20, 30), lab_id="north")
    triplet = {"split": "train", "lab_id": "north", "video_id": 11, "agent_id": 1}
    put("labeled_behaviors", {**triplet, "target_id": 2, "action": "chase"},
        {**triplet, "target_id": 1, "action": "rear", "is_self": True})  # fmt: skip
    file = {"split": "train", "lab_id": "north", "video_id": 11}
    put("curation_files", {**file, "kind": "tracking", "rows_in": 9, "rows_imputed": 1, "flags": ["gap", "late"]},
        {**file, "kind": "annotation", "rows_in": 7, "flags": ["gap"]})  # fmt: skip
    put("quarantine", {**file, "source_file": "a", "rows": 3, "rule": "unknown-mouse", "detail": "mouse 9"},
        {"source_file": "b", "rows": 2, "rule": "unreadable", "detail": "no parquet"})  # fmt: skip
    guess = {**triplet, "target_id": 2, "action": "chase"}
    found = [(start + 5, start + 25, 0.85) for start in CHASES[:-1]] + [(700, 710, 0.55)]
    put(
        "predictions",
        *({**guess, "start_frame": a, "stop_frame": b, "start_sec": a / FPS, "stop_sec": b / FPS, "confidence": c}
          for a, b, c in found),
        run_id="r1",
    )  # fmt: skip
    # 5 chases share 15 frames: tp 75; predicted 110, annotated 120
    score = {"lab_id": "north", "videos": 1, "f_score": 150 / 230, "precision": 75 / 110, "recall": 75 / 120}
    put("scores", {**score, "action": "chase", "tp_frames": 75, "fp_frames": 35, "fn_frames": 45},
        {**score, "action": "rear", "f_score": 0.0, "tp_frames": 0, "fp_frames": 0, "fn_frames": 10},
        run_id="r1")  # fmt: skip


@pytest.fixture(scope="session")
def dash_lake(mock_settings: Settings) -> Settings:
    """Settings of a lake of its own, filled, with its views."""
    settings = replace(mock_settings, bucket="dash-lake", database="dash_db", workgroup="dash", stack="dash")
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=settings.bucket)
    glue.create_database(DatabaseInput={"Name": settings.database})
    where = {"ResultConfiguration": {"OutputLocation": f"s3://{settings.bucket}/query-results/"}}
    aws.client(settings, "athena").create_work_group(Name=settings.workgroup, Configuration=where)
    lake = Lake(s3, glue, settings.bucket, settings.database)
    lake.register()
    fill(lake)
    query.create_views(settings)
    return settings


@pytest.fixture(scope="session")
def chromium_browser() -> Iterator[Any]:
    """A headless Chromium; the test is skipped where none is installed."""
    if browser.chromium_path() is None:
        pytest.skip(browser.NO_CHROMIUM)
    with browser.chromium() as running:
        yield running
