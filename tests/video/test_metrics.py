"""Measures of videos whose ways can be worked out by hand, and the files that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pyarrow.parquet as pq
import pytest

from etholake.errors import DataError
from etholake.events.types import Event
from etholake.video import metric_files
from etholake.video.box_log import BOX_PARTS
from etholake.video.metric_files import write_tables
from etholake.video.metrics import MeasuredVideo, tables_of
from etholake.video.prepare import VideoTracks

EVENTS = (Event(7, 1, 2, "chase", 10, 20, 0.5), Event(7, 1, 2, "chase", 30, 35), Event(7, 2, 2, "=rest()", 0, 40))


def walk(frames: int = 40) -> VideoTracks:
    """Animal 1 walks 2 px a frame to the right, animal 2 stands 30 px below the line; the nose is rarely known."""
    points = np.zeros((frames, 2, 2, 3), np.float32)
    points[:, 0, :, 0] = 2 * np.arange(frames)[:, None]
    points[:, 1, :, 1] = 30
    points[3:, :, 1, :2] = np.nan
    return VideoTracks(points, (1, 2), ("tail_base", "nose"))


def video(**changes: object) -> MeasuredVideo:
    given = {"start_frame": 0, "stop_frame": 40, "events": EVENTS, "tracks": walk(), "pix_per_cm": 4.0}
    return MeasuredVideo(7, "L", 10.0, **(given | changes))  # type: ignore[arg-type]


def test_a_walk_of_two_pixels_a_frame(tmp_path: Path) -> None:
    tables = tables_of([video()], window_s=1.0)
    rest, chase, _ = tables["bouts"]
    assert (chase["action"], chase["point"], chase["seconds"], chase["confidence"]) == (
        "chase",
        "tail_base",
        1.0,
        0.5,
    )
    assert chase["distance_cm"] == pytest.approx(10 * 2 / 4)
    assert chase["mean_speed_cm_s"] == pytest.approx(5)
    assert chase["max_speed_cm_s"] == pytest.approx(5)
    assert chase["mean_apart_cm"] == pytest.approx(np.hypot(2 * np.arange(10, 20), 30).mean() / 4)
    assert (chase["distance_px"], rest["mean_apart_cm"], rest["distance_cm"]) == (None, None, 0)
    windows = [row for row in tables["windows"] if row["animal"] == 1]
    assert [row["seconds_chase"] for row in windows] == [0, 1, 0, 0.5]
    assert sum(row["distance_cm"] for row in windows) == pytest.approx(39 * 2 / 4)
    assert windows[0]["tracked_s"] == pytest.approx(0.9), "the first frame has none before it"
    behaviors = {row["action"]: row for row in tables["behaviors"]}
    assert (behaviors["chase"]["bouts"], behaviors["chase"]["seconds"]) == (2, 1.5)
    assert behaviors["chase"]["share"] == pytest.approx(1.5 / 4)
    assert behaviors["chase"]["distance_cm"] == pytest.approx(15 * 2 / 4)


def test_pixels_are_named_so_and_what_is_not_known_is_null() -> None:
    (chase,) = [r for r in tables_of([video(pix_per_cm=None)])["bouts"] if r["start_frame"] == 10]
    assert (chase["distance_px"], chase["distance_cm"]) == (pytest.approx(20), None)
    assert chase["mean_apart_px"] is not None
    bare = tables_of([video(tracks=None)])
    assert {row["distance_cm"] for row in bare["bouts"]} == {None}
    assert [row["seconds_chase"] for row in bare["windows"]] == [1.5, 0]


def test_a_way_goes_on_over_short_gaps_only() -> None:
    tracks = walk()
    tracks.keypoints_TMK3[10:13, 0, :, :2] = np.nan  # 0.3 s
    tracks.keypoints_TMK3[20:30, 0, :, :2] = np.nan  # 1 s
    rows = [r for r in tables_of([video(tracks=tracks)])["windows"] if r["animal"] == 1]
    assert rows[0]["distance_cm"] == pytest.approx((39 - 11) * 2 / 4)
    assert rows[0]["tracked_s"] == pytest.approx(2.8)


def test_only_the_frames_that_were_looked_at_count() -> None:
    tables = tables_of([video(start_frame=15, stop_frame=35)], window_s=1.0)
    assert [r["seconds_chase"] for r in tables["windows"] if r["animal"] == 1] == [0.5, 0.5]
    (chase,) = [row for row in tables["behaviors"] if row["action"] == "chase"]
    assert chase["share"] == pytest.approx(1.0 / 2)


def test_a_box_counts_by_its_middle() -> None:
    points = np.ones((40, 1, 2, 3), np.float32)
    points[:, 0, 0, 0], points[:, 0, 1, 0] = np.arange(40), 10 + 3 * np.arange(40)
    rows = tables_of([video(tracks=VideoTracks(points, (1,), BOX_PARTS), events=(), pix_per_cm=None)])["windows"]
    assert (rows[0]["point"], rows[0]["distance_px"]) == ("box", pytest.approx(39 * 2))


def test_the_files_hold_the_same_and_text_is_no_formula(tmp_path: Path) -> None:
    tables = tables_of([video()])
    files = write_tables(tmp_path / "m", tables)
    assert [Path(name).name for name in files] == [*(f"{name}.parquet" for name in tables), "metrics.xlsx"]
    book = openpyxl.load_workbook(tmp_path / "m" / "metrics.xlsx")
    for name, rows in tables.items():
        assert pq.read_table(tmp_path / "m" / f"{name}.parquet").to_pylist() == rows
        header, *cells = book[name].iter_rows(values_only=True)
        assert [dict(zip(header, row, strict=True)) for row in cells] == [
            {key: pytest.approx(v) if isinstance(v, float) else v for key, v in row.items()} for row in rows
        ]
    formula = next(cell for row in book["bouts"].iter_rows() for cell in row if cell.value == "=rest()")
    assert formula.data_type == "s"


def test_a_table_that_no_sheet_can_hold_is_refused_and_old_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tables(tmp_path, tables_of([video()]))
    monkeypatch.setattr(metric_files, "MAX_ROWS", 2)
    with pytest.raises(DataError, match=r"bouts \(3 rows\).* cannot be a sheet of metrics\.xlsx"):
        write_tables(tmp_path, tables_of([video()]) | {"behaviors": []})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bouts.parquet", "windows.parquet"]
