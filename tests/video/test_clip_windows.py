"""Clip windows: shapes are enforced, points land where the pixels are, files come back equal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etholake.errors import ContractError, DataError
from etholake.video.windows import ClipWindow, WindowIndex, load_window, save_window, to_crop, unified_keypoints

INDEX = WindowIndex(7, "SimLab", 1, None, 10, 12, 30.0, 8, 0.2, "pose", 1)


def window() -> ClipWindow:
    keypoints = np.zeros((3, 2, 3), np.float32)
    keypoints[:, 0] = (1, 2, 0.9)
    keypoints[:, 1] = (np.nan, np.nan, 0)
    boxes = np.tile(np.array([10, 20, 30, 40], np.float32), (3, 1))
    boxes[1] = np.nan
    crop = np.tile(np.array([4, 8, 36, 40], np.float32), (3, 1))
    frames = np.arange(3 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 8, 8, 3)
    return ClipWindow(INDEX, frames, keypoints, boxes, crop, ("nose", "hip_left"))


def test_a_window_comes_back_from_its_file(tmp_path: Path) -> None:
    save_window(tmp_path / "w.npz", window())
    back = load_window(tmp_path / "w.npz")
    assert back.index == INDEX
    assert back.parts == ("nose", "hip_left")
    for name in ("frames", "keypoints", "bbox_xyxy", "crop_xyxy"):
        np.testing.assert_array_equal(getattr(back, name), getattr(window(), name))
    with np.load(tmp_path / "w.npz") as file:  # 32 px of the frame are 8 px of the crop
        np.testing.assert_allclose(file["keypoints_raw"][0, 0], [4 + 1 * 4, 8 + 2 * 4, 0.9])


def test_wrong_shapes_are_all_named() -> None:
    good = window()
    with pytest.raises(
        ContractError, match=r"(?s)\(2\).*frames must be uint8.*bbox_xyxy must be float32 \[3, 4\]"
    ):
        replace(good, frames=good.frames[:2], bbox_xyxy=good.bbox_xyxy.astype(np.float64))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    save_window(tmp_path / "w.npz", window())
    (tmp_path / "w.npz").write_bytes((tmp_path / "w.npz").read_bytes()[:200])
    with pytest.raises(DataError, match=r"w\.npz: is no whole clip window"):
        load_window(tmp_path / "w.npz")


def test_points_move_with_the_crop() -> None:
    points = np.array([[[20, 30]], [[np.nan, 1]]], np.float32)
    crop = np.array([[10, 10, 30, 30], [0, 0, 10, 10]], np.float32)
    got = to_crop(points, crop, 40)
    np.testing.assert_allclose(got[0, 0], [20, 40])
    assert np.isnan(got[1, 0, 0])


def test_a_model_gets_its_own_parts_whatever_the_lab_tracks() -> None:
    got = unified_keypoints(window(), ("side_left", "nose", "target_nose"))
    np.testing.assert_array_equal(got[:, 1], window().keypoints[:, 0])
    np.testing.assert_array_equal(got[:, 0], window().keypoints[:, 1])  # hip_left stands for side_left
    assert np.isnan(got[:, 2, :2]).all()
    assert (got[:, 2, 2] == 0).all()


def test_a_pair_has_a_name_of_its_own() -> None:
    assert INDEX.key == "7_1_00000010"
    assert replace(INDEX, target_id=2).key == "7_1-2_00000010"
    assert window().has_pose
