"""Overlay videos and sheets: what is drawn stands where it belongs."""

from __future__ import annotations

from pathlib import Path

import moving_square as square  # type: ignore[import-not-found]
import numpy as np
import pytest
from PIL import Image

from etholake.errors import DataError, UsageError
from etholake.video.bouts import PER_PAGE, write_bout_sheets
from etholake.video.box_log import BOX_PARTS, BoxLog
from etholake.video.check import check_folder
from etholake.video.decode import Decoder
from etholake.video.draw import COLOURS, contact_sheet, write_png
from etholake.video.overlay import OverlayEvent, OverlayOptions, annotate, write_overlay
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
    """Return how much redder than blue the reddest pixel around a place is: animal 1 against gray."""
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


def test_words_stand_on_black_and_only_at_animals_in_view() -> None:
    light = np.full((100, 120, 3), 255, np.uint8)
    annotate(light, 0, 1.0, [], tracks(1), origin=(50, 50))  # animal 1 lies above and left of the picture
    assert (light[:80] == 255).all()
    assert (light[85:98, 3:50] == 0).all(axis=2).mean() > 0.3  # behind "frame 0"
    seen = np.full((100, 120, 3), 255, np.uint8)
    annotate(seen, 0, 1.0, [], tracks(1))
    assert warmth(seen, 10, 20) > 100


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
    """The square of 12 px stands at x = 10 + f; the middle frames are 31 (rear, no tracks of animal 2) and 11."""
    video = square.write(tmp_path / "a.mp4", 40, size=(192, 128))
    events = [EVENTS[0], OverlayEvent(30, 33, 2, 2, "rear"), OverlayEvent(90, 95, 1, 1, "rear")]
    assert write_bout_sheets(video, tmp_path / "s.png", events, tracks(40)) == (2, [str(tmp_path / "s.png")])
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    assert sheet.shape == (256 + 14, 2 * 256, 3)
    assert (sheet[:14, :40] > 128).any(), "the label of the first"
    assert (sheet[:14, 256:296] > 128).any(), "the label of the second"
    chase, rear = sheet[14:, :256], sheet[14:, 256:]
    # A tile shows 32 px (a quarter of 128) around the box (21..33, 20..32), 8 times as large: sides at 80 and 176.
    assert warmth(chase, 80, 128) > 60, "the box's left side"
    assert warmth(chase, 176, 128) > 60, "the box's right side"
    assert chase[128, 128].min() > 200, "the square is in the middle"
    # Animal 2 has no tracks: the whole picture, 256 / 192 as large, below 43 px of black.
    assert rear[:40].max() < 30
    assert rear[43 + 35, 63].min() > 180


def test_boxes_that_a_prediction_saw_stand_for_tracks() -> None:
    """Two windows of animal 2 overlap, one of a pair is passed over; animal 1 is never found."""
    log = BoxLog(6, 2)
    boxes = np.array([[1, 2, 11, 22]] * 4, np.float32) + np.arange(4, dtype=np.float32)[:, None]

    def window(target: int | None, first: int) -> ClipWindow:
        index = WindowIndex(7, "L", 2, target, first, first + 3, 25.0, 8, 0.2, "background")
        pixels, points = np.zeros((4, 8, 8, 3), np.uint8), np.zeros((4, 0, 3), np.float32)
        return ClipWindow(index, pixels, points, boxes + first, boxes, ())

    assert BoxLog(6, 2).tracks() is None
    windows = [window(None, 0), window(1, 1), window(None, 2)]
    assert list(log.watched(windows)) == windows
    boxes_seen = log.tracks()
    assert boxes_seen is not None
    assert (boxes_seen.animals, boxes_seen.parts) == ((1, 2), BOX_PARTS)
    assert np.isnan(boxes_seen.keypoints_TMK3[:, 0, :, :2]).all()
    assert boxes_seen.keypoints_TMK3[5, 1].tolist() == [[6, 7, 1], [16, 27, 1]]


def test_many_bouts_make_pages_and_old_pages_go(tmp_path: Path) -> None:
    video = square.write(tmp_path / "a.mp4", 40)
    many = [OverlayEvent(n, n + 1, 1, 1, f"a{n % 2}") for n in range(PER_PAGE + 2)]
    count, pages = write_bout_sheets(video, tmp_path / "s.png", many, tracks(40))
    assert (count, pages) == (PER_PAGE + 2, [str(tmp_path / "s.png"), str(tmp_path / "s-2.png")])
    assert Image.open(tmp_path / "s-2.png").size == (2 * 256, 270)
    assert write_bout_sheets(video, tmp_path / "s.png", many[:3], tracks(40))[1] == [str(tmp_path / "s.png")]
    assert not (tmp_path / "s-2.png").exists()
    assert write_bout_sheets(video, tmp_path / "s.png", [OverlayEvent(90, 95, 1, 1, "rear")]) == (0, [])
    assert not (tmp_path / "s.png").exists(), "an older sheet is not left for a new one"


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


@pytest.mark.slow
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
