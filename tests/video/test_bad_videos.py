"""Bad and odd videos: an error that names the rule, or clips with the frames that are missing reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import moving_square as square  # type: ignore[import-not-found]
import numpy as np
import pyarrow as pa
import pytest

from etholake.errors import DataError
from etholake.formats.video import probe
from etholake.video.check import check_folder
from etholake.video.facts import flags_of
from etholake.video.lake_tracks import tracks_of
from etholake.video.prepare import VideoTracks
from etholake.video.recipe import ClipRecipe
from etholake.video.shards import read_shard
from etholake.video.task import ClipReport, ClipTask, run_here

RECIPE = ClipRecipe(boxes="background", length=4, stride=4, crop_size=32, max_animals=1, keep_last_box=2)


def clips(path: Path, tmp_path: Path, **changes: object) -> ClipReport:
    recipe = ClipRecipe.from_dict(RECIPE.as_dict() | changes)
    report = run_here(ClipTask(path, 7, "Lab", recipe, tmp_path / "out"))
    assert report.is_even
    return report


def _cut(path: Path) -> Path:
    square.write(path)
    path.write_bytes(path.read_bytes()[:-900])
    return path


def _cut_index(path: Path) -> Path:
    square.write(path, 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def _text(path: Path) -> Path:
    path.write_text("frame,x,y\n0,1,1\n")
    return path


def _playlist(path: Path) -> Path:
    path.write_text("#EXTM3U\nfile:///etc/passwd\n")
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _no_frames(path: Path) -> Path:
    square.write(path, 3)
    path.write_bytes(path.read_bytes()[:600])
    return path


REFUSED: list[tuple[str, str, Callable[[Path], Path], str]] = [
    ("a text with the suffix of a video", "a.mp4", _text, "signature of none|signature of no"),
    ("a playlist that names another file", "a.mp4", _playlist, "signature of no"),
    ("nothing", "a.mp4", _empty, "signature of no"),
    ("cut before its index", "a.mp4", _cut, "cannot be decoded|cannot be read"),
    ("cut in its index", "a.mp4", _cut_index, "was it cut off"),
    ("sound without pictures", "a.mp4", square.audio_only, r"no video stream\."),
    ("a codec that nobody has", "a.mp4", square.unknown_codec, "cannot be decoded|can be decoded"),
    ("no frame after the header", "a.mkv", _no_frames, "can be decoded|cannot be decoded"),
]


@pytest.mark.slow
def test_a_folder_of_them_is_checked_without_a_crash(tmp_path: Path) -> None:
    for number, (_, name, make, _) in enumerate(REFUSED):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / name)
    square.write(tmp_path / "good.mp4", 8)
    problems = {video.file: video.problems for video in check_folder(tmp_path).videos}
    assert problems.pop("good.mp4") == ()
    assert len(problems) == len(REFUSED)
    for number, (_, name, _, _) in enumerate(REFUSED):
        (problem,) = problems[f"{number}/{name}"]
        assert "Convert it to mp4" in problem
        assert "Error:" not in problem, "the words of a library's fault are no sentence"


@pytest.mark.parametrize(("name", "make", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_video_is_refused(name: str, make: Callable[[Path], Path], text: str, tmp_path: Path) -> None:
    path = make(tmp_path / name)
    with pytest.raises(DataError, match=rf"a\.(mp4|mkv): .*({text})"):
        clips(path, tmp_path)


ODD: list[tuple[str, Callable[[Path], Path]]] = [
    ("grayscale", lambda p: square.write(p.with_suffix(".mkv"), codec="ffv1", pixels="gray")),
    ("10 bits", lambda p: square.write(p.with_suffix(".mkv"), codec="ffv1", pixels="yuv420p10le")),
    ("16 bits", lambda p: square.write(p.with_suffix(".mkv"), codec="ffv1", pixels="gray16le")),
    ("48 bits a pixel", lambda p: square.write(p.with_suffix(".mkv"), codec="ffv1", pixels="gbrp16le")),
    ("one frame a second", lambda p: square.write(p, rate=1)),
    ("odd sizes", lambda p: square.write(p.with_suffix(".mkv"), codec="ffv1", pixels="bgr0", size=(97, 65))),
    ("the wrong suffix", lambda p: square.write(p.with_suffix(".avi"), container="mp4")),
    ("mjpeg in avi", lambda p: square.write(p.with_suffix(".avi"), codec="mjpeg", pixels="yuvj420p")),
    (
        "a varying rate",
        lambda p: square.write(p.with_suffix(".mkv"), times_ms=[40 * n + n * n for n in range(40)]),
    ),
    ("one key frame", lambda p: square.write(p, gop=1000)),
]


@pytest.mark.parametrize("make", [row[1] for row in ODD], ids=[row[0] for row in ODD])
def test_odd_videos_give_the_same_clips(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Whatever the file is: 40 frames, and the square stands in the middle of every crop."""
    report = clips(make(tmp_path / "a.mp4"), tmp_path)
    assert report.frames == 40
    balance = report.balances[0]
    assert balance.used + sum(balance.reported.values()) == 40
    assert balance.used >= 32
    windows = list(read_shard(tmp_path / "out" / report.shards[0]))
    for window in windows:
        middle = window.frames[:, 14:18, 14:18].astype(int)
        assert middle.mean() > 200
        assert window.frames[:, 0, 0].mean() < 130
        assert window.keypoints.shape == (4, 0, 3)


def test_4k_gives_crops_at_the_places_of_the_tracks(tmp_path: Path) -> None:
    size, at = (3840, 2160), (3000, 1700)
    path = square.write(tmp_path / "a.mkv", 4, codec="mjpeg", pixels="yuvj420p", size=size, squares=(at,))
    points = np.zeros((4, 1, 2, 3), np.float32)
    points[..., 0] = np.array([3000, 3000 + square.SIDE])[None, None] + np.arange(4)[:, None, None]
    points[..., 1] = np.array([1700, 1700 + square.SIDE])
    points[..., 2] = 1
    np.save(tmp_path / "tracks.npy", points)
    recipe = ClipRecipe(boxes="pose", length=4, stride=4, crop_size=32, keep_last_box=2, smoothing=0)
    task = ClipTask(path, 7, "Lab", recipe, tmp_path / "out", tmp_path / "tracks.npy", (1,), ("nose", "tail_base"))
    report = run_here(task)
    assert report.balances[0].used == 4
    for window in read_shard(tmp_path / "out" / report.shards[0]):
        assert window.frames[:, 14:18, 14:18].mean() > 200
        assert window.frames[:, 0, 0].mean() < 130


@pytest.mark.parametrize(
    ("codec", "pixels", "bits"),
    [("ffv1", "gray16le", 16), ("ffv1", "gbrp16le", 16), ("ffv1", "yuv420p10le", 10), ("ffv1", "yuv410p", 8)],
)
def test_the_depth_of_colour_is_that_of_the_channels(codec: str, pixels: str, bits: int, tmp_path: Path) -> None:
    """The name of a format does not tell it: yuv410p has 8 bits."""
    info = probe(square.write(tmp_path / "a.mkv", 2, codec=codec, pixels=pixels))
    assert (info.pixel_format, info.bits) == (pixels, bits)
    assert ("deep-colour" in flags_of(info, None, None)) is (bits > 8)
    notes = " ".join(check_folder(tmp_path).videos[0].notes)
    assert (f"more than 8 bits a channel ({pixels})" in notes) is (bits > 8)


def test_a_rate_below_that_of_models_is_named_before_a_run(tmp_path: Path) -> None:
    info = probe(square.write(tmp_path / "a.mp4", 8, rate=1))
    assert (info.fps, info.frames, info.variable_rate) == (1, 8, False)
    assert "low-rate" in flags_of(info, None, None)
    problems = check_folder(tmp_path).videos[0].problems
    assert problems == ("has 1 frames/s: clips are made, but models read at least 5 frames/s",)


def test_links_out_of_a_folder_are_named(tmp_path: Path) -> None:
    film = square.write(tmp_path / "a.mp4", 2)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.mp4").symlink_to(film)
    with pytest.raises(
        DataError, match=r"no video file below it\. Not looked at \(1\): the link leads out of the"
    ):
        check_folder(tmp_path / "links")


def test_a_turned_video_is_shown_upright(tmp_path: Path) -> None:
    path = square.turned(square.write(tmp_path / "a.mp4"))
    info = probe(path)
    assert info.rotation in {90, 270}
    assert info.shown_size == (64, 96)
    report = clips(path, tmp_path)
    crops = np.array([window["crop"] for window in report.windows])
    assert crops[:, 3].max() > 55, "the square walks along the longer, upright side"
    assert np.ptp(crops[:, 1]) > 15
    assert np.ptp(crops[:, 0]) < 4


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_a_video_that_was_cut_off_says_how_long_it_was(suffix: str, tmp_path: Path) -> None:
    path = square.write(tmp_path / f"a{suffix}", 200, codec="mjpeg", pixels="yuvj420p")
    assert probe(path).declared_frames in {None, 200}
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    info = probe(path)
    assert 80 < info.frames < 120
    assert info.declared_frames == 200
    checked = check_folder(tmp_path)
    assert "its header tells 200 frames, it has" in " ".join(checked.videos[0].problems)


def test_one_frame_is_shorter_than_a_window(tmp_path: Path) -> None:
    report = clips(square.write(tmp_path / "a.mp4", 1), tmp_path)
    assert report.windows == ()
    assert report.frames == 1
    assert sum(report.balances[0].reported.values()) == 1


def test_frames_that_do_not_decode_are_reported_and_shift_nobody(tmp_path: Path) -> None:
    path = square.write(tmp_path / "a.mkv", 40, codec="mjpeg", pixels="yuvj420p")
    import av

    with av.open(str(path)) as file:
        packets = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    content = path.read_bytes()
    damaged = packets[17]
    assert content.count(damaged) == 1
    path.write_bytes(content.replace(damaged, b"\x00" * len(damaged)))
    report = clips(path, tmp_path)
    assert report.frames == 40
    assert report.balances[0].reported["unreadable"] == 1
    assert report.balances[0].used == 36
    by_frame = {window["first_frame"]: window["crop"] for window in report.windows}
    assert 16 not in by_frame
    assert by_frame[36][0] - by_frame[32][0] == pytest.approx(4, abs=1.5)


def test_animals_outside_of_the_picture_have_no_crop(tmp_path: Path) -> None:
    """Tracks of another video: the crops would show the picture's edge, over and over."""
    path = square.turned(square.write(tmp_path / "a.mp4", 8))  # 64 x 96 px, upright
    points = np.ones((8, 2, 2, 3), np.float32)
    points[:, 0, :, :2] = [[40, 80], [50, 90]]  # in the upright picture only
    points[:, 1, :, :2] = [[70, 20], [80, 30]]  # right of it
    np.save(tmp_path / "tracks.npy", points)
    recipe = ClipRecipe(boxes="pose", length=4, stride=4, crop_size=32, keep_last_box=2)
    task = ClipTask(
        path, 7, "Lab", recipe, tmp_path / "out", tmp_path / "tracks.npy", (1, 2), ("nose", "tail_base")
    )
    inside, outside = run_here(task).balances
    assert (inside.used, inside.reported) == (8, {})
    assert (outside.used, outside.reported) == (0, {"no-box": 8})


def test_rows_of_tracks_that_no_video_has_are_refused_or_left_out() -> None:
    rows = [(0, 5.0), (1, float("nan")), (-1, 7.0)]
    table = pa.table({
        "video_frame": [frame for frame, _ in rows], "mouse_id": [1] * 3, "bodypart": ["nose"] * 3,
        "x": [x for _, x in rows], "y": [1.0] * 3,
    })  # fmt: skip
    points = tracks_of(table).keypoints_TMK3
    assert points[:, 0, 0, 2].tolist() == [1, 0]  # nothing is measured at frame 1, and frame -1 is not the last
    assert points[0, 0, 0, :2].tolist() == [5, 1]
    late = table.set_column(0, "video_frame", pa.array([0, 1, 2_000_000_000]))
    with pytest.raises(DataError, match=r"reach to frame 2000000000 .* is the column a time"):
        tracks_of(late)


def test_tracks_that_are_shorter_than_the_video_give_clips_as_far_as_they_go(tmp_path: Path) -> None:
    path = square.write(tmp_path / "a.mp4", 40)
    points = np.zeros((20, 1, 2, 3), np.float32)
    points[..., 0] = np.array([10, 22])[None, None] + np.arange(20)[:, None, None]
    points[..., 1] = np.array([20, 32])
    points[..., 2] = 1
    np.save(tmp_path / "tracks.npy", points)
    recipe = ClipRecipe(boxes="pose", length=4, stride=4, crop_size=32, keep_last_box=2, smoothing=0)
    task = ClipTask(path, 7, "Lab", recipe, tmp_path / "out", tmp_path / "tracks.npy", (1,), ("nose", "tail_base"))
    report = run_here(task)
    assert report.is_even
    assert report.balances[0].used == 20
    assert report.balances[0].reported == {"no-box": 18, "gap": 2}
    window = next(iter(read_shard(tmp_path / "out" / report.shards[0])))
    # The box of 12 px is padded by 0.2 on each side: 16.8 px become 32.
    np.testing.assert_allclose(window.keypoints[0, :, :2], [[4.571, 4.571], [27.43, 27.43]], atol=0.01)
    assert VideoTracks(points, (1,), ("nose", "tail_base")).animals == (1,)
