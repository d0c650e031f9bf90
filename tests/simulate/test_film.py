"""Rendered videos: what they show is where the tracks are, the same arguments give the same bytes."""

import csv
import json
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from etholake.errors import UsageError
from etholake.simulate import Filming, simulate
from etholake.simulate.camera import camera


def frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("film") / "labs"
    simulate(out, labs=4, videos=1, seconds=2, seed=3, dirt=0, test_videos=0, filming=Filming())
    return out


def test_every_video_has_the_size_rate_and_length_of_its_metadata(data: Path) -> None:
    for row in table(data / "train.csv"):
        path = data / "videos" / row["lab_id"] / f"{row['video_id']}.mp4"
        with av.open(str(path)) as file:
            assert file.metadata["title"].startswith("SIMULATED")
            stream = file.streams.video[0]
            assert float(stream.average_rate) == float(row["frames_per_second"])
            assert stream.frames == round(2 * float(row["frames_per_second"]))
            assert (stream.width, stream.height) == (
                int(row["video_width_pix"]),
                int(row["video_height_pix"]),
            )
            assert max(stream.width, stream.height) == 256


@pytest.mark.slow
def test_animals_are_drawn_where_the_tracks_are(data: Path) -> None:
    """Pixels that differ from the bedding lie in the true boxes, and the tracks lie on the true points."""
    for row in table(data / "train.csv"):
        name = f"{row['lab_id']}/{row['video_id']}"
        pictures = frames(data / "videos" / f"{name}.mp4").astype(np.float32).mean(axis=3)
        lag = len(pictures) // 4
        moved = np.abs(pictures[lag:] - pictures[:-lag]) > 60
        inside = np.zeros(pictures.shape, bool)
        truth = pq.read_table(data / "truth" / "all_tracking" / f"{name}.parquet").to_pandas()
        for (frame, _), points in truth.groupby(
            ["video_frame", "mouse_id"]
        ):  # with the tail, which boxes leave out
            left, top = (max(int(low), 0) for low in points[["x", "y"]].min() - 12)  # 12 px: trunk and shadow
            right, bottom = points[["x", "y"]].max() + 12
            inside[frame, top : int(bottom), left : int(right)] = True
        assert (moved & (inside[lag:] | inside[:-lag])).sum() > 0.97 * moved.sum() > 0
        track = pq.read_table(data / "train_tracking" / f"{name}.parquet").to_pandas()
        both = track.merge(truth, on=["video_frame", "mouse_id", "bodypart"], suffixes=("", "_true"))
        assert len(both) >= 0.5 * len(track) > 50
        error_px = np.hypot(both.x - both.x_true, both.y - both.y_true)
        assert error_px.mean() < 0.15 * float(row["pix_per_cm_approx"])  # the tracker's noise of 0.06 cm


def test_a_nose_has_the_colour_of_its_animal(data: Path) -> None:
    """The first animal is black and the second is white, in every view: mirrored or not, tilted or not."""
    for row in table(data / "train.csv"):
        name = f"{row['lab_id']}/{row['video_id']}"
        pictures = frames(data / "videos" / f"{name}.mp4").mean(axis=3)
        truth = pq.read_table(data / "truth" / "all_tracking" / f"{name}.parquet").to_pandas()
        levels = {1: [], 2: []}
        for point in truth[(truth.bodypart == "body_center") & (truth.mouse_id <= 2)].itertuples():
            levels[point.mouse_id].append(pictures[point.video_frame, round(point.y), round(point.x)])
        assert np.median(levels[1]) < 70
        assert np.median(levels[2]) > 140


def test_the_same_arguments_give_the_same_bytes_and_tracks_do_not_depend_on_the_film(tmp_path: Path) -> None:
    for name, filming in (("a", Filming(64, "gray-above")), ("b", Filming(64, "gray-above")), ("c", None)):
        simulate(tmp_path / name, labs=1, videos=1, seconds=1, seed=1, test_videos=0, filming=filming)
    first, second = (next((tmp_path / name / "videos").rglob("*.mp4")) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    a, c = (pq.read_table(next((tmp_path / name / "train_tracking").rglob("*.parquet"))) for name in ("a", "c"))
    assert a.drop(["x", "y"]).equals(c.drop(["x", "y"]))  # the same points are detected; the scale differs
    gray = frames(first)
    assert np.ptp(gray.astype(int), axis=3).max() <= 2
    assert json.loads(table(tmp_path / "a" / "train.csv")[0]["body_parts_tracked"])


@pytest.mark.parametrize(
    ("size", "kind", "text"),
    [
        (250, "mixed", "multiple of 16 from 64 to 2160, but got 250"),
        (256, "side", "must be one of mixed, gray-above"),
    ],
)
def test_impossible_cameras_are_refused(size: int, kind: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        camera("SimA", 0, 0, 40, 40, size, kind)


def test_a_tilted_camera_shows_the_far_edge_smaller_and_one_from_below_mirrors() -> None:
    view = camera("SimA", 0, 1, 40, 40, 256, "colour-above")
    assert view.tilt > 0
    width = np.ptp(view.project(np.array([[-10, 18], [10, 18]], np.float32))[:, 0])
    assert width < np.ptp(view.project(np.array([[-10, -18], [10, -18]], np.float32))[:, 0])
    below = camera("SimA", 0, 1, 40, 40, 256, "gray-below")
    assert below.project(np.array([10, 0], np.float32))[0] < 128 < view.project(np.array([10, 0], np.float32))[0]
