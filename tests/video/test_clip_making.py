"""Boxes, crops and windows on squares whose place is known; shards and the loader."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import moving_square as square  # type: ignore[import-not-found]
import numpy as np
import pytest

from etholake.errors import DataError, UsageError
from etholake.video.boxes.background import BackgroundBoxes, median_background
from etholake.video.boxes.base import SlotTracker
from etholake.video.boxes.detector import suppress
from etholake.video.boxes.table import read_boxes
from etholake.video.crops import CropTracker, cut
from etholake.video.decode import Decoder, sample_gray
from etholake.video.loader import ClipLoader
from etholake.video.recipe import ClipRecipe
from etholake.video.shards import ShardWriter, read_shard, swapped
from etholake.video.task import ClipTask, prepare, run_here
from etholake.video.windows import ClipWindow, WindowIndex

NAN = np.float32("nan")


class Still:
    """A frame that is one gray picture, with as much of a frame as boxes by background read."""

    def __init__(self, gray: np.ndarray) -> None:
        self.picture = SimpleNamespace(width=gray.shape[1], height=gray.shape[0])
        self._gray = gray

    def gray(self, _width: int) -> np.ndarray:
        return self._gray


def test_an_animal_that_sits_is_found_for_long_and_leaves_nothing_behind() -> None:
    """The arena was learnt with the animal in it, as where it sits through most of the video."""
    floor = np.full((64, 96), 90, np.uint8)
    seated, moved = floor.copy(), floor.copy()
    seated[20:32, 10:22] = moved[40:52, 60:72] = 235
    source = BackgroundBoxes(seated.copy(), 2)
    frames = [Still(floor), *[Still(moved)] * 1500]  # a minute at 25 frames/s
    boxes = [source.boxes(frame) for frame in frames]  # type: ignore[arg-type]
    assert all(np.isfinite(boxes_M4).all(axis=1).sum() == 1 for boxes_M4 in boxes[1:])
    for boxes_M4 in (boxes[1], boxes[-1]):
        (box,) = boxes_M4[np.isfinite(boxes_M4).all(axis=1)]
        np.testing.assert_allclose(box, (60, 40, 72, 52), atol=3)


def test_the_background_finds_both_squares_and_keeps_them_apart(tmp_path: Path) -> None:
    path = square.write(tmp_path / "a.mp4", 60, squares=((5, 10), (5, 40)))
    source = BackgroundBoxes(median_background(sample_gray(path, 64, 192)), 2)
    boxes = np.stack([source.boxes(frame) for frame in Decoder(path)])
    order = np.argsort(boxes[10, :, 1])  # slots are numbered as they appear
    for slot, top in zip(order, (10, 40), strict=True):
        seen = boxes[:, slot]
        left = 5 + np.arange(60)
        np.testing.assert_allclose(seen[:, 0], left, atol=3)
        np.testing.assert_allclose(seen[:, 2], left + square.SIDE, atol=3)
        np.testing.assert_allclose(seen[:, 1], top, atol=3)


def test_animals_keep_their_slot_while_one_is_hidden() -> None:
    slots = SlotTracker(2, forget_after=5)
    a, b = np.array([0, 0, 10, 10], np.float32), np.array([50, 0, 60, 10], np.float32)
    assert slots.assign(np.stack([a, b])).tolist() == [0, 1]
    assert slots.assign(np.stack([b])).tolist() == [-1, 0]
    assert slots.assign(np.stack([b, a])).tolist() == [1, 0]
    assert slots.assign(np.empty((0, 4), np.float32)).tolist() == [-1, -1]


def test_a_crop_waits_for_a_missed_animal_and_gives_up() -> None:
    tracker = CropTracker(pad_ratio=0.5, smoothing=0, keep_last_box=2)
    box, nothing = np.array([[10, 10, 20, 14]], np.float32), np.full((1, 4), np.nan, np.float32)
    assert tracker.update(box).tolist() == [[5, 2, 25, 22]]  # square of 10 px and half of it on each side
    assert tracker.update(nothing).tolist() == tracker.update(nothing).tolist() == [[5, 2, 25, 22]]
    assert np.isnan(tracker.update(nothing)).all()
    assert tracker.update(box + 40).tolist() == [[45, 42, 65, 62]]


def test_smoothing_follows_slowly() -> None:
    tracker = CropTracker(pad_ratio=0.5, smoothing=0.5, keep_last_box=0)
    tracker.update(np.array([[0, 0, 10, 10]], np.float32))
    assert tracker.update(np.array([[2, 0, 12, 10]], np.float32)).tolist() == [[-4, -5, 16, 15]]
    assert tracker.update(np.array([[4, 0, 14, 10]], np.float32)).tolist() == [[-2.5, -5, 17.5, 15]]


def test_a_fast_animal_stays_whole_in_its_crop() -> None:
    tracker = CropTracker(pad_ratio=0.5, smoothing=0.9, keep_last_box=0)
    tracker.update(np.array([[0, 0, 10, 10]], np.float32))
    square_4 = tracker.update(np.array([[100, 0, 120, 10]], np.float32))[0]
    assert square_4[0] <= 100
    assert square_4[2] >= 120


@pytest.mark.parametrize(("border", "outside"), [("edge", 200), ("black", 0)])
def test_a_crop_beyond_the_edge(border: Any, outside: int) -> None:
    frame = np.full((20, 20, 3), 200, np.uint8)
    crop = cut(frame, np.array([-10, -10, 10, 10], np.float32), 40, border)
    assert crop.shape == (40, 40, 3)
    assert crop[0, 0].tolist() == [outside] * 3
    assert crop[39, 39].tolist() == [200] * 3


def test_overlapping_boxes_are_suppressed() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10]], np.float32)
    assert suppress(boxes, np.array([0.5, 0.9, 0.3], np.float32)).tolist() == [1, 2]


def test_boxes_of_a_file(tmp_path: Path) -> None:
    rows = [{"frame": n, "animal": 2, "x0": n, "y0": 1, "x1": n + 5, "y1": 6, "confidence": 0.9} for n in (0, 2)]
    (tmp_path / "b.json").write_text(json.dumps(rows))
    source = read_boxes(tmp_path / "b.json")
    assert source.animals == (2,)
    assert source.boxes_TM4[2, 0].tolist() == [2, 1, 7, 6]
    assert np.isnan(source.boxes_TM4[1]).all()
    (tmp_path / "b.csv").write_text("frame,animal,x0,y0,x1,y1\n0,1,5,5,1,9\n0,x,1,1,2,2\n")
    with pytest.raises(
        DataError, match=r"(?s)no boxes \(2\).*row 1: expected x0 < x1.*row 2: expected numbers.*'animal': 'x'"
    ):
        read_boxes(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"c\.csv: expected the columns frame,animal,.* is missing"):
        read_boxes(tmp_path / "c.csv")


def test_a_recipe_names_all_that_is_wrong_and_another_recipe_is_another_set() -> None:
    with pytest.raises(UsageError, match=r"(?s)\(3\).*boxes must be.*crop_size must be.*smoothing must be"):
        ClipRecipe(boxes="onnx", crop_size=33, smoothing=1)
    assert ClipRecipe().set_name != ClipRecipe(pad_ratio=0.3).set_name
    assert ClipRecipe().set_name.startswith("auto-16f-112px-")
    with pytest.raises(UsageError, match="has no padding"):
        ClipRecipe.from_dict({"padding": 1})


def pair_tracks(tmp_path: Path, frames: int) -> Path:
    """Corners of two squares as key points of two animals."""
    points = np.ones((frames, 2, 2, 3), np.float32)
    for animal, (x, y) in enumerate(((5, 10), (45, 40))):
        points[:, animal, 0, 0] = x + np.arange(frames)
        points[:, animal, 1, 0] = x + square.SIDE + np.arange(frames)
        points[:, animal, :, 1] = (y, y + square.SIDE)
    np.save(tmp_path / "tracks.npy", points)
    return tmp_path / "tracks.npy"


def make(tmp_path: Path, **changes: Any) -> Any:
    path = square.write(tmp_path / "a.mp4", 39, squares=((5, 10), (45, 40)))
    recipe = ClipRecipe.from_dict(
        {"boxes": "pose", "length": 8, "stride": 8, "crop_size": 32, "smoothing": 0} | changes
    )
    tracks = pair_tracks(tmp_path, 39)
    return ClipTask(
        path, 7, "Lab", recipe, tmp_path / "out", tracks, (1, 2), ("nose", "tail_base"), shard_bytes=40_000
    )


def test_pairs_have_a_joint_crop_and_the_last_window_ends_with_the_video(tmp_path: Path) -> None:
    report = run_here(make(tmp_path, subjects="both", encoding="raw"))
    subjects = {(w["agent_id"], w["target_id"]) for w in report.windows}
    assert subjects == {(1, None), (2, None), (1, 2)}
    starts = [w["first_frame"] for w in report.windows if w["target_id"] == 2]
    assert starts == [0, 8, 16, 24, 31]
    assert all(b.frames == b.used == 39 for b in report.balances)
    windows = {w.index.key: w for name in report.shards for w in read_shard(tmp_path / "out" / name)}
    assert len(report.shards) > 1
    pair = windows["7_1-2_00000000"]
    assert pair.parts == ("nose", "tail_base", "target_nose", "target_tail_base")
    np.testing.assert_allclose(pair.bbox_xyxy[0], [5, 10, 57, 52])
    other = swapped(pair)
    assert (other.index.agent_id, other.index.target_id) == (2, 1)
    np.testing.assert_array_equal(other.keypoints[:, :2], pair.keypoints[:, 2:])
    x, y = pair.keypoints[0, 2, :2]
    assert pair.frames[0, round(y) + 2, round(x) + 2].mean() > 180  # just inside the second square


def test_the_child_process_gives_the_same_bytes(tmp_path: Path) -> None:
    task = make(tmp_path, encoding="png")
    result = run_here(task)
    first = (tmp_path / "out" / "shard-00000.tar").read_bytes()
    apart = prepare(replace(task, out=tmp_path / "other"))
    assert (tmp_path / "other" / "shard-00000.tar").read_bytes() == first
    assert apart.balances == result.balances
    assert [w["member"] for w in apart.windows] == [w["member"] for w in result.windows]
    assert 0 < apart.peak_mb < 1000


# --- shards and the loader --------------------------------------------------------------------------------
def window(number: int, length: int = 3, size: int = 16) -> ClipWindow:
    frames = np.random.default_rng(number).integers(0, 255, (length, size, size, 3), np.uint8)
    index = WindowIndex(number, "Lab", 1, None, 0, length - 1, 25.0, size, 0.2, "file")
    zeros = np.zeros((length, 4), np.float32)
    return ClipWindow(index, frames, np.zeros((length, 0, 3), np.float32), zeros, zeros)


def shards(folder: Path, windows: int, each: int) -> list[Path]:
    for start in range(0, windows, each):
        with ShardWriter(folder / f"{start:03d}", "raw") as writer:
            for number in range(start, min(windows, start + each)):
                writer.add(window(number))
    return sorted(folder.rglob("*.tar"))


@pytest.mark.parametrize(("encoding", "error"), [("raw", 0), ("png", 0), ("jpeg", 12)])
@pytest.mark.parametrize("length", [3, 1100])
def test_windows_come_back_from_their_shard(encoding: str, error: int, length: int, tmp_path: Path) -> None:
    smooth = window(1, length)
    ramp = (
        np.linspace(0, 200, 16, dtype=np.float32)[None, :, None, None]
        + (np.arange(length) % 50)[:, None, None, None]
    )
    smooth = replace(smooth, frames=np.broadcast_to(ramp, smooth.frames.shape).astype(np.uint8).copy())
    with ShardWriter(tmp_path, encoding) as writer:
        writer.add(smooth)
    content = (tmp_path / "shard-00000.tar").read_bytes()
    back = next(iter(read_shard(io.BytesIO(content))))  # a stream
    assert back.index == smooth.index
    assert np.abs(back.frames.astype(int) - smooth.frames).max() <= error


def test_a_cut_shard_is_refused(tmp_path: Path) -> None:
    path = shards(tmp_path, 2, 2)[0]
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"shard-00000\.tar: is no whole shard of clips"):
        list(read_shard(path))


def number_of(clip: ClipWindow) -> int:
    return clip.index.video_id


@pytest.mark.slow
def test_an_epoch_gives_every_window_once_whatever_the_workers_and_ranks(tmp_path: Path) -> None:
    paths = shards(tmp_path, 23, 4)
    alone = [list(ClipLoader(paths, seed=5, workers=0, buffer=5, transform=number_of))][0]
    assert sorted(alone) == list(range(23)) != alone
    assert list(ClipLoader(paths, seed=5, workers=2, buffer=5, transform=number_of)) == alone
    ranks = [list(ClipLoader(paths, seed=5, rank=r, world=2, workers=0, transform=number_of)) for r in (0, 1)]
    assert sorted(ranks[0] + ranks[1]) == list(range(23))
    loader = ClipLoader(paths, seed=5, workers=0, buffer=5, transform=number_of)
    assert list(loader) == alone
    assert list(loader) != alone, "the next epoch has another order"


def test_an_epoch_goes_on_where_the_checkpoint_was_written(tmp_path: Path) -> None:
    paths = shards(tmp_path, 23, 4)
    loader = ClipLoader(paths, seed=1, workers=0, buffer=5, transform=number_of)
    whole = list(ClipLoader(paths, seed=1, workers=0, buffer=5, transform=number_of))
    first = [item for item, _ in zip(loader, range(9), strict=False)][:9]
    state = loader.state.as_dict()
    again = ClipLoader(paths, seed=1, workers=0, buffer=5, transform=number_of)
    again.resume(state)
    assert whole[: state["given"]] + list(again) == whole
    assert first == whole[:9]


def test_a_damaged_shard_stops_the_epoch_with_its_name(tmp_path: Path) -> None:
    paths = shards(tmp_path, 8, 4)
    paths[1].write_bytes(b"x" * 700)
    with pytest.raises(DataError, match=r"shard-00000\.tar: is no whole shard"):
        list(ClipLoader(paths, workers=1, transform=number_of))
    with pytest.raises(UsageError, match="2 shards for 3 ranks"):
        ClipLoader(paths, world=3)
