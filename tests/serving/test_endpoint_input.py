"""Hostile or odd requests: refused with 4xx, or answered with a note on what was left out."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sagemaker_scripts  # type: ignore[import-not-found]

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError
from etholake.features.place import half_sizes
from etholake.stages.serving.videos import request_body

ROW: dict[str, Any] = {
    "video_id": 3, "lab_id": "Lab A", "frames_per_second": 30.0, "pix_per_cm_approx": 10.0, "video_width_pix": 600,
    "video_height_pix": 600, "behaviors_labeled": ["mouse1,mouse2,chase"],
}  # fmt: skip


@pytest.fixture(scope="module")
def inference() -> ModuleType:
    module: ModuleType = sagemaker_scripts.load("inference", "inference_of_hostile_requests")
    return module


def tracking(frames: int = 60, **columns: list[Any]) -> dict[str, list[Any]]:
    """Two animals with nose and tail_base that walk along x = y."""
    rows = [(f, m, part) for m in (1, 2) for part in ("nose", "tail_base") for f in range(frames)]
    place = [100.0 + 2 * f + 20 * m + (9 if part == "nose" else 0) for f, m, part in rows]
    table = {
        "video_frame": [r[0] for r in rows], "mouse_id": [r[1] for r in rows], "bodypart": [r[2] for r in rows],
        "x": place, "y": place,
    }  # fmt: skip
    return table | columns


def body(row: dict[str, Any], table: dict[str, list[Any]] | None = None) -> bytes:
    return json.dumps({"metadata": row, "tracking": table or tracking()}).encode()


@pytest.mark.parametrize("video", [1.5, 2**63, 2**70, True, "1_0", "x", [1]])
def test_a_video_id_that_is_no_whole_number_is_refused(inference: ModuleType, video: Any) -> None:
    with pytest.raises(inference.RequestError, match="video_id must be a whole number of at most 64 bits") as err:
        inference.input_fn(body(ROW | {"video_id": video}), "application/json")
    assert err.value.status_code == 400


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"metadata":' * 50_000, b"not json", b"\xff\xfe", b""])
def test_a_body_that_is_no_json_object_is_refused(inference: ModuleType, content: bytes) -> None:
    with pytest.raises(inference.RequestError, match=r"is not JSON|must be") as err:
        inference.input_fn(content, "application/json")
    assert err.value.status_code == 400


@pytest.mark.parametrize("number", [2**63, 2**70, 10**400])
def test_numbers_beyond_their_type_are_refused(inference: ModuleType, number: int) -> None:
    table = tracking()
    table["video_frame"][0] = number
    with pytest.raises(inference.RequestError, match=r"tracking|video_frame"):
        inference.input_fn(body(ROW, table), "application/json")
    with pytest.raises(inference.RequestError, match="metadata of the request"):
        inference.input_fn(body(ROW | {"frames_per_second": "1" * 500}), "application/json")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/*", "application/json"), ("*/*", "application/json"), ("", "application/json"),
        ("text/html, application/json;q=0.9", "application/json"),
        ("text/html, application/jsonlines", "application/jsonlines"),
    ],
)  # fmt: skip
def test_accept_is_read_whole(inference: ModuleType, accept: str, form: str) -> None:
    prediction = {"video_id": 7, "lab_id": "A", "events": [], "notes": [], "model": {}}
    assert inference.output_fn(prediction, accept)[1] == form


def test_a_small_file_that_is_huge_when_read_is_refused(inference: ModuleType) -> None:
    rows = 30_000_000
    column = pa.chunked_array(
        [pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["nose"]))]
    )
    table = pa.table({"bodypart": column}).replace_schema_metadata({b"etholake": json.dumps(ROW).encode()})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    assert sink.tell() < 1 << 20
    with pytest.raises(inference.RequestError, match="30,000,000 rows, about 1,144 MB when read") as err:
        inference.input_fn(sink.getvalue(), "application/x-parquet")
    assert err.value.status_code == 413


def test_rows_that_are_left_out_are_noted() -> None:
    table = tracking()
    table["video_frame"][0], table["mouse_id"][1], table["x"][2] = -5, 0, float("nan")
    tracks = PoseTracks.from_raw(pa.table(table), VideoMeta.from_row(ROW))
    [note] = [note for note in tracks.notes if "rows left out" in note]
    assert note.startswith("3 of 240 rows left out: ")
    for rule in ("frame-negative", "mouse-unknown", "coordinate-missing"):
        assert f"1 by rule {rule}" in note


def test_a_stray_frame_number_costs_no_empty_frames() -> None:
    table = tracking()
    table["video_frame"][-1] = 1_000_000
    tracks = PoseTracks.from_raw(pa.table(table), VideoMeta.from_row(ROW))
    assert tracks.n_frames == 60
    assert any("1 rows left out: their frames (1000000 to 1000000)" in note for note in tracks.notes)


def test_two_long_parts_of_a_recording_are_both_kept() -> None:
    """Half an hour in which nothing was tracked is no stray frame number."""
    table = tracking()
    table["video_frame"] = [f if f < 30 else f + 54_000 for f in table["video_frame"]]
    tracks = PoseTracks.from_raw(pa.table(table), VideoMeta.from_row(ROW))
    assert tracks.n_frames == 54_060


@pytest.mark.parametrize("fps", ["29_97", True, "fast"])
def test_numbers_of_the_metadata_are_read_strictly(fps: Any) -> None:
    with pytest.raises(DataError, match="frames_per_second must be"):
        VideoMeta.from_row(ROW | {"frames_per_second": fps})


def test_a_request_of_the_lake_says_all_that_training_knew() -> None:
    """Training knew the walls of the arena, requests did not: places were measured from the picture's edges."""
    row: dict[str, Any] = {
        "video_id": 7, "lab_id": "Lab", "frames_per_second": 30.0, "pix_per_cm_approx": 16.0,
        "video_width_pix": 640, "video_height_pix": 480, "arena_width_cm": 30.0, "arena_height_cm": 20.0,
        "n_mice": 2, "min_likelihood": 0.6, "behaviors_labeled": ["mouse1,mouse2,attack"],
        "species": "rat", "video_duration_sec": 60.0,
    }  # fmt: skip
    taught = VideoMeta.from_row(row)
    assert all(
        getattr(taught, field.name) for field in fields(taught)
    )  # a field that is new belongs in the row above
    body = request_body(row, pa.table({"video_frame": [0]}))
    sent = json.loads(pq.ParquetFile(io.BytesIO(body)).schema_arrow.metadata[b"etholake"])
    assert VideoMeta.from_row(sent) == taught
    assert half_sizes(VideoMeta.from_row(sent)) == half_sizes(taught) == (15.0, 10.0)
