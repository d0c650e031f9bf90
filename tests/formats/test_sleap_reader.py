"""Facts about SLEAP's files that are easily got wrong, each with a value that is checked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pose_twins as twins  # type: ignore[import-not-found]
import pytest
from pose_reading import only, point, texts  # type: ignore[import-not-found]

from etholake.errors import DataError


def test_slp_is_sparse_a_user_wins_and_the_skeleton_orders_the_nodes(tmp_path: Path) -> None:
    recording = only("sleap_slp", twins.sleap_slp(tmp_path))
    assert recording.frames.tolist() == [0, 5, 89_999]
    assert recording.xyz.shape == (3, 2, 2, 2)
    assert (recording.animals, recording.parts) == (("a", "b"), ("nose", "tail"))
    assert point(recording, 0, "b", "tail") == [110, 110.5]
    assert point(recording, 5, "b", "nose") == [-1, -2]
    assert recording.likelihood is not None
    assert recording.likelihood[0, 0, 0] == 0.75
    assert np.isnan(recording.likelihood[1, 1]).all()
    assert (recording.name, recording.video, recording.size, recording.frame_count) == (
        "clip",
        "clip.mp4",
        (640, 480),
        90_000,
    )
    assert "1 predicted instances are replaced" in texts(recording)


@pytest.mark.parametrize(("format_id", "shift"), [(None, 0.5), (1.0, 0.5), (1.1, 0.0), (1.2, 0.0)])
def test_slp_before_format_1_1_is_shifted_by_half_a_pixel(
    format_id: float | None, shift: float, tmp_path: Path
) -> None:
    recording = only("sleap_slp", twins.sleap_slp(tmp_path, format_id=format_id))
    assert point(recording, 0, "a", "tail") == [10 - shift, 10.5 - shift]


def test_slp_without_tracks_counts_the_instances_of_a_frame(tmp_path: Path) -> None:
    path = twins.sleap_slp(tmp_path, user=False)
    with h5py.File(path, "r+") as file:
        rows = file["instances"][:]
        rows["track"] = -1
        file["instances"][:] = rows
    recording = only("sleap_slp", path)
    assert recording.animals == ("instance1", "instance2")
    assert point(recording, 5, "instance2", "nose") == [105, 105.5]
    assert "there are no tracks" in texts(recording)


def test_a_point_that_is_not_visible_is_missing(tmp_path: Path) -> None:
    path = twins.sleap_slp(tmp_path, user=False)
    with h5py.File(path, "r+") as file:
        rows = file["pred_points"][:]
        rows["visible"][0] = False
        file["pred_points"][:] = rows
    recording = only("sleap_slp", path)
    assert recording.missing == {"not visible": 1}


@pytest.mark.parametrize("dims", [False, True])
def test_analysis_dims_first_else_track_xy_node_frame(dims: bool, tmp_path: Path) -> None:
    recording = only("sleap_analysis", twins.sleap_analysis(tmp_path, dims=dims))
    assert recording.name == "clip"
    assert point(recording, 2, "b", "tail") == [112, 112.5]
    assert recording.missing == {"no instance in the frame": 2}


def test_analysis_with_as_many_tracks_as_frames_reads_occupancy_as_frame_track(tmp_path: Path) -> None:
    path = tmp_path / "clip.analysis.h5"
    with h5py.File(path, "w") as file:
        file["tracks"] = np.where(np.eye(2).reshape(2, 1, 1, 2) > 0, np.nan, 1.0) * np.ones((2, 2, 1, 2))
        file["track_occupancy"] = np.array([[0, 1], [1, 0]], "u1")  # frame 0: only track 1
        file["track_names"], file["node_names"] = np.array([b"a", b"b"]), np.array([b"nose"])
    recording = only("sleap_analysis", path)
    assert recording.missing == {"no instance in the frame": 2}


def test_sleap_csv_holds_only_the_frames_with_instances(tmp_path: Path) -> None:
    recording = only("sleap_csv", twins.sleap_csv(tmp_path))
    assert recording.frames.tolist() == [3, 8]
    assert recording.animals == ("a", "b")
    assert point(recording, 8, "a", "tail") == [9, 10]
    assert recording.missing == {"no instance in the frame": 2, "empty in the file": 1}


def test_sleap_csv_may_lack_scores(tmp_path: Path) -> None:
    rows = "track,frame_idx,nose.x,nose.y,tail.x,tail.y\nA,0,1,2,3,4\nB,0,5,6,,\nA,2,7,8,3,4\n"
    (tmp_path / "pair.analysis.csv").write_text(rows)
    recording = only("sleap_csv", tmp_path / "pair.analysis.csv")
    assert recording.animals == ("A", "B")
    assert recording.frames.tolist() == [0, 2]
    assert recording.likelihood is None
    assert recording.xyz[0, :, 0].tolist() == [[1, 2], [5, 6]]
    assert np.isnan(recording.xyz[0, 1, 1]).all()
    assert recording.xyz[1, 0, 0].tolist() == [7, 8]
    (tmp_path / "half.csv").write_text(rows.replace("tail.y", "tail.y,nose.score").replace("4\n", "4,1\n"))
    with pytest.raises(DataError, match=r"half\.csv: expected the columns x and y .* for all or for none"):
        only("sleap_csv", tmp_path / "half.csv")


def test_sleap_csv_takes_the_columns_of_a_node_in_any_order(tmp_path: Path) -> None:
    """sleap-io writes the score before x and y."""
    path = tmp_path / "clip.csv"
    path.write_text("track,frame_idx,instance.score,nose.score,nose.x,nose.y\na,3,0.9,0.5,1,2\n")
    recording = only("sleap_csv", path)
    assert point(recording, 3, "a", "nose") == [1, 2]
    assert recording.likelihood is not None
    assert recording.likelihood.ravel().tolist() == [0.5]


def test_slp_of_an_image_sequence_is_named_by_its_folder(tmp_path: Path) -> None:
    path = twins.sleap_slp(tmp_path)
    backend = {"backend": {"filename": ["C:\\data\\day 1\\img.000.png", "C:\\data\\day 1\\img.001.png"]}}
    with h5py.File(path, "r+") as file:
        del file["videos_json"]
        file["videos_json"] = np.array([json.dumps(backend).encode()])
    assert only("sleap_slp", path).name == "day 1"


def replace_text(file: h5py.File, name: str, text: str) -> None:
    del file[name]
    file[name] = np.array([text.encode()])


def test_a_package_goes_by_the_video_that_its_images_are_from(tmp_path: Path) -> None:
    path = twins.sleap_slp(tmp_path)
    original = {
        "filename": "/lab/day 1.mp4",
        "backend": {"shape": [5000, 480, 640, 1], "filename": "/lab/day 1.mp4"},
    }
    embedded = {"filename": "clip.pkg.slp", "backend": {"shape": [3, 480, 640, 1], "dataset": "video0/video"}}
    with h5py.File(path, "r+") as file:
        replace_text(file, "videos_json", json.dumps(embedded))
        file.create_group("video0/source_video").attrs["json"] = json.dumps(original)
    recording = only("sleap_slp", path)
    assert (recording.name, recording.video, recording.frame_count) == ("day 1", "day 1.mp4", 5000)
    with h5py.File(path, "r+") as file:
        del file["video0"]
        replace_text(file, "videos_json", json.dumps(embedded | {"source_video": original}))
    assert only("sleap_slp", path).name == "day 1"
