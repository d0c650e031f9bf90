"""Overlay videos and sheets: what is drawn stands where it belongs."""

from __future__ import annotations

from pathlib import Path

import moving_square as square  # type: ignore[import-not-found]
import numpy as np
import pytest
from PIL import Image

from etholake.errors import DataError, UsageError
from etholake.video.bouts import write_bout_sheet
from etholake.video.check import check_folder
from etholake.video.decode import Decoder
from etholake.video.draw import COLOURS, contact_sheet, write_png
from etholake.video.overlay import OverlayEvent, OverlayOptions, write_overlay
from etholake.video.prepare import VideoTracks
from etholake.video.windows import ClipWindow, WindowIndex

EVENTS = [OverlayEvent(10, 14, 1, 2, "chase", 0.87), OverlayEvent(30, 33, 2, 2, "rear")]


def tracks(frames: int) -> VideoTracks:
    points = np.ones((frames, 1, 2, 3), np.float32)
    points[:, 0, 0, 0] = 10 + np.arange(frames)
    points[:, 0, 1, 0] = 22 + np.arange(frames)
    points[:, 0, :, 1] = (20, 32)
    return VideoTracks(points, (1,), ("nose", "tail_base"))


def warmth(picture: np.ndarray, x: int, y: int) -> int:
    """How much redder than blue the reddest pixel around a place is: the colour of animal 1 against gray."""
    patch = picture[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].astype(int)
    return int((patch[..., 0] - patch[..., 2]).max())


def test_the_overlay_draws_box_points_and_label(tmp_path: Path) -> None:
    video = square.write(tmp_path / "a.mp4", 40, size=(192, 128))
    out = tmp_path / "o.mp4"
    assert write_overlay(video, out, EVENTS, tracks(40)) == 40
    frames = [frame.rgb() for frame in Decoder(out)]
    assert len(frames) == 40
    for number in (0, 12):
        assert warmth(frames[number], 10 + number, 20) > 60
        assert warmth(frames[number], 22 + number, 26) > 60, "the box's right side"
        assert warmth(frames[number], 120, 60) < 20
    corner = [frame[4:14, 4:50].mean() for frame in frames]
    assert corner[12] < 60 < corner[20], "the label's black ground is there during the event only"


def test_only_bouts_and_speed_choose_the_frames(tmp_path: Path) -> None:
    video = square.write(tmp_path / "a.mp4", 40)
    assert (
        write_overlay(video, tmp_path / "o.mp4", EVENTS, None, OverlayOptions(only_bouts=True, margin=2)) == 8 + 7
    )
    assert write_overlay(video, tmp_path / "o.mp4", EVENTS, None, OverlayOptions(speed=4)) == 10
    with pytest.raises(DataError, match="has no event to show"):
        write_overlay(video, tmp_path / "o.mp4", [], None, OverlayOptions(only_bouts=True))
    with pytest.raises(UsageError, match="speed of 1 to 1000"):
        OverlayOptions(speed=0)


def test_bouts_of_a_video_stand_on_one_sheet(tmp_path: Path) -> None:
    video = square.write(tmp_path / "a.mp4", 40)
    assert write_bout_sheet(video, tmp_path / "s.png", EVENTS, tracks(40)) == 2
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    assert sheet.shape == (128 + 14, 2 * 3 * 192, 3)
    assert (sheet[:14] > 128).any(), "the labels"
    with pytest.raises(DataError, match="none of its 1 events lies within it"):
        write_bout_sheet(video, tmp_path / "s.png", [OverlayEvent(90, 95, 1, 1, "rear")])


def test_a_sheet_shows_crops_with_their_points(tmp_path: Path) -> None:
    frames = np.full((4, 32, 32, 3), 50, np.uint8)
    points = np.tile(np.array([[16, 8, 1], [np.nan, np.nan, 0]], np.float32), (4, 1, 1))
    four = np.zeros((4, 4), np.float32)
    window = ClipWindow(WindowIndex(7, "L", 1, 2, 0, 3, 25.0, 32, 0.2, "pose"), frames, points, four, four,
                        ("nose", "target_nose"))  # fmt: skip
    write_png(tmp_path / "s.png", contact_sheet([window] * 5, columns=4))
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    assert sheet.shape == (2 * 46, 4 * 64, 3)
    assert sheet[14 + 8, 16].tolist() == list(COLOURS[0])
    assert contact_sheet([]).shape[1] == 120


def test_a_folder_is_checked_before_a_long_run(tmp_path: Path) -> None:
    square.write(tmp_path / "good.mp4")
    square.write(tmp_path / "vary.mkv", times_ms=[40 * n + n * n for n in range(40)])
    (tmp_path / "bad.mp4").write_bytes(b"text")
    rows = ["scorer,x,x,x", "bodyparts,nose,nose,nose", "coords,x,y,likelihood"]
    rows += [f"{n},{500 + n},20,0.9" for n in range(45)]
    (tmp_path / "goodDLC_resnet50_testJan1shuffle1_100.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "lost_pose_est_v2.csv").write_text("\n".join(rows) + "\n")
    checked = check_folder(tmp_path, decode=True, scratch=tmp_path)
    by_name = {video.file: video for video in checked.videos}
    assert "signature of no" in by_name["bad.mp4"].problems[0]
    assert any("variable frame rate" in problem for problem in by_name["vary.mkv"].problems)
    problems = " ".join(by_name["good.mp4"].problems)
    assert "45 pose frames, 40 video frames" in problems
    assert "100% of its points lie outside of the picture: is it of another video?" in problems
    assert [text for text in checked.alone if "no video of this name (lost)" in text]
    with pytest.raises(DataError, match="has no video file below it"):
        check_folder(tmp_path / "empty") if (tmp_path / "empty").mkdir() is None else None
