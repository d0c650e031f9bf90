"""Predicting a video file: the same as from stored clips, in one pass, with refusals before any work."""

from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filmed  # type: ignore[import-not-found]
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake.contract import ACTIONS, UNIFIED_PARTS
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span, Split
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, UsageError
from etholake.events.types import Event
from etholake.models.archive import load_model
from etholake.models.clip_input import clip_input_of
from etholake.settings import Settings
from etholake.stages.serving import predict_video
from etholake.training.fit import fit
from etholake.video import stream
from etholake.video.task import ClipTask
from etholake.video.windows import ClipWindow

FRAMES = 96
TEXTS = ["mouse1,self,rest", "mouse1,mouse2,chase"]


@dataclass(frozen=True)
class Filmed:
    """A filmed video, its files, and a model that was trained on it for a moment."""

    folder: Path
    video: LabelledVideo
    model: Path

    @property
    def film(self) -> Path:
        return self.folder / "film.mp4"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    """Animal 1 walks round animal 2, which sits in the middle; "chase" in the first half, "rest" in the second."""
    folder = tmp_path_factory.mktemp("video-file")
    angle = np.arange(FRAMES) / 20
    at = np.stack([8 * np.stack([np.cos(angle), np.sin(angle)], 1), np.zeros((FRAMES, 2))], 1)
    body = np.stack([np.linspace(-3, 3, len(UNIFIED_PARTS)), np.zeros(len(UNIFIED_PARTS))], 1)
    xy = (at[:, :, None] + body).astype(np.float32)
    labeled = ((1, 1, "rest"), (1, 2, "chase"))
    tracks = PoseTracks(
        VideoMeta(7, "A", 30.0, 4.0, labeled_behaviors=labeled), xy, np.isfinite(xy[..., 0]), (1, 2), 0, FRAMES
    )
    events = (Event(7, 1, 2, "chase", 0, 48), Event(7, 1, 1, "rest", 48, FRAMES))
    video = filmed.filmed(folder, LabelledVideo(tracks, events))
    split = Split((Span(7, "A", 0, FRAMES),), (), ())
    quick = {"epochs": 1, "batches_per_epoch": 3}
    fit(TrainingData((video,), ACTIONS, "film"), folder / "model", "cnn3d:smoke", quick, split=split)
    frame, mouse, part = (a.ravel() for a in np.indices(xy.shape[:3]))
    pixels = (xy * filmed.PX_PER_CM + filmed.SIZE / 2).reshape(-1, 2)
    rows = {"video_frame": frame, "mouse_id": mouse + 1, "bodypart": np.array(UNIFIED_PARTS)[part]}
    pq.write_table(pa.table(rows | {"x": pixels[:, 0], "y": pixels[:, 1]}), folder / "points.parquet")
    row = {"lab_id": "A", "video_id": 7, "behaviors_labeled": TEXTS, "pix_per_cm_approx": 4.0}
    (folder / "video.json").write_text(json.dumps(row), encoding="utf-8")
    return Filmed(folder, video, folder / "model")


def run(made: Filmed, output: Path, **changes: Any) -> dict[str, Any]:
    given = {"model": str(made.model), "tracks": made.folder / "points.parquet"} | changes
    result = predict_video.run(Settings(), made.film, made.folder / "video.json", output, **given)
    details: dict[str, Any] = result.details
    return details


@pytest.mark.slow
def test_a_video_file_is_predicted_as_its_clips_are(made: Filmed, tmp_path: Path) -> None:
    ticks: list[tuple[int, int, str]] = []
    details = run(
        made, tmp_path / "events.csv", timeline=tmp_path / "timeline.csv", sheet=tmp_path / "bouts.png",
        metrics=tmp_path / "metrics",
        on_progress=lambda *t: ticks.append(t),
    )  # fmt: skip
    assert (details["frames"], details["fps"]) == (FRAMES, 30.0)
    assert ticks[-1][:2] == (FRAMES, FRAMES)
    assert "frames/s" in ticks[-1][2]
    assert "s left" in ticks[-1][2]
    with (tmp_path / "timeline.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * FRAMES
    expected = load_model(made.model).predict(made.video.tracks)
    for pair in expected:
        own = [r for r in rows if int(r["target"]) == pair.target_id]
        assert [int(row["frame"]) for row in own] == list(range(FRAMES))
        values = [float(row["probability"]) for row in own]
        assert values == pytest.approx(pair.probabilities_TA[:, 0].tolist(), abs=1e-4)
    assert details["sheets"] == ([str(tmp_path / "bouts.png")] if details["events"] else [])
    windows = pq.read_table(tmp_path / "metrics" / "windows.parquet").to_pylist()
    # Animal 1 walks 8 cm from the middle by 1/20 a frame: 0.4 cm a frame. Animal 2 sits.
    assert [row["animal"] for row in windows] == [1, 2]
    assert windows[0]["distance_cm"] == pytest.approx(0.4 * (FRAMES - 1), rel=0.01)
    assert windows[1]["distance_cm"] == pytest.approx(0, abs=1e-3)
    predicted = sum(int(row["predicted"]) for row in rows)
    with (tmp_path / "events.csv").open(encoding="utf-8") as file:
        events = list(csv.DictReader(file))
    assert predicted == sum(int(row["stop_frame"]) - int(row["start_frame"]) for row in events)


@pytest.mark.slow
def test_without_tracks_the_animals_are_found_by_their_boxes(made: Filmed, tmp_path: Path) -> None:
    details = run(made, tmp_path / "events.csv", tracks=None, timeline=tmp_path / "timeline.csv")
    assert details["frames"] == FRAMES
    with (tmp_path / "timeline.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["agent"] for row in rows if row["probability"]} == {"1"}
    with pytest.raises(DataError, match="there is no file of boxes for this video"):
        run(made, tmp_path / "none.csv", tracks=None, boxes="file")


def test_points_and_metadata_that_do_not_fit_the_video_are_noted(made: Filmed, tmp_path: Path) -> None:
    """Ten frames more than the video, a third of them outside of the picture, at another rate."""
    table = pq.read_table(made.folder / "points.parquet")
    frame = table["video_frame"].to_numpy()
    last = table.filter(pa.array(frame == FRAMES - 1))
    more = [last.set_column(0, "video_frame", pa.array(np.full(len(last), FRAMES + n), table.schema.field(0).type))
            for n in range(10)]  # fmt: skip
    x = table["x"].to_numpy() + np.where(frame % 3 == 0, 5000, 0)
    moved = table.set_column(table.schema.get_field_index("x"), "x", pa.array(x, table["x"].type))
    pq.write_table(pa.concat_tables([moved, *more]), tmp_path / "other.parquet")
    row = json.loads((made.folder / "video.json").read_text()) | {"frames_per_second": 25}
    (tmp_path / "video.json").write_text(json.dumps(row))
    result = predict_video.run(
        Settings(), made.film, tmp_path / "video.json", tmp_path / "x.csv", model=str(made.model),
        tracks=tmp_path / "other.parquet",
    )  # fmt: skip
    notes = " ".join(result.details["notes"])
    assert "tracks and video differ by more than one frame" in notes
    assert "lie outside of the picture: tracks of another video?" in notes
    assert "tells another frame rate" in notes


def test_what_cannot_be_predicted_is_refused(made: Filmed, tmp_path: Path) -> None:
    (tmp_path / "bare.json").write_text('{"lab_id": "A", "video_id": 7}')
    with pytest.raises(DataError, match=r"lack \['behaviors_labeled'\]: say which behaviors were looked for"):
        predict_video.run(Settings(), made.film, tmp_path / "bare.json", tmp_path / "x.csv", model=str(made.model))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(made.film.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"broken\.mp4"):
        predict_video.run(
            Settings(), broken, made.folder / "video.json", tmp_path / "x.csv", model=str(made.model)
        )
    about = json.loads((made.folder / "video.json").read_text())
    (tmp_path / "number.json").write_text(json.dumps(about | {"behaviors_labeled": 5}))
    with pytest.raises(DataError, match=r"behaviors_labeled must be a list of items .* but got 5"):
        predict_video.run(
            Settings(), made.film, tmp_path / "number.json", tmp_path / "x.csv", model=str(made.model)
        )
    with pytest.raises(DataError, match=r"gone\.mp4: is no file"):
        predict_video.run(
            Settings(),
            tmp_path / "gone.mp4",
            made.folder / "video.json",
            tmp_path / "x.csv",
            model=str(made.model),
        )
    pq.write_table(pa.table({"a": [1]}), tmp_path / "bare.parquet")
    with pytest.raises(DataError, match=r"bare\.parquet: Expected the columns"):
        predict_video.run(
            Settings(), made.film, made.folder / "video.json", tmp_path / "x.csv", model=str(made.model),
            tracks=tmp_path / "bare.parquet",
        )  # fmt: skip
    assert not (tmp_path / "x.csv").exists()


# --- the stream -------------------------------------------------------------------------------------------
def task_of(made: Filmed) -> ClipTask:
    return ClipTask(
        made.film, 7, "A", filmed.RECIPE, made.folder, made.folder / "tracks.npy", (1, 2), UNIFIED_PARTS
    )


def test_a_stream_holds_few_windows_and_can_begin_again(made: Filmed) -> None:
    passes: list[int] = []
    read: list[ClipWindow] = list(stream.windows_of(task_of(made)))

    def windows() -> Iterator[ClipWindow]:
        passes.append(0)
        for window in read:
            passes[-1] += 1
            yield window

    source = stream.StreamedClips("set1", filmed.RECIPE, windows)
    stored = made.video.tracks.clips
    assert stored is not None
    most = 0
    for start in (*range(0, FRAMES - 11, 5), 0):
        numbers = np.arange(start, start + 12)
        for subject in ((1, None), (2, None)):
            ours, theirs = (s.crops(subject, numbers, UNIFIED_PARTS) for s in (source, stored))
            assert np.array_equal(ours.pixels, theirs.pixels)
            assert np.array_equal(ours.keypoints, theirs.keypoints, equal_nan=True)
        most = max(most, len(source._held))
    assert len(passes) == 2
    assert most <= 7  # of two animals: three windows that the frames touch, and one more
    assert source.seen((1, None), np.array([0, 8, FRAMES])).tolist() == [True, True, False]


def test_windows_are_read_ahead_up_to_a_limit_and_a_reader_may_leave(
    made: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = next(stream.windows_of(task_of(made)))  # leaves at once
    assert not [t for t in threading.enumerate() if t.name == "clips"]
    monkeypatch.setattr(stream, "AHEAD_BYTES", 3 * window.frames.nbytes)
    drawn: list[int] = []

    def windows() -> Iterator[ClipWindow]:
        for number in range(20):
            drawn.append(number)
            yield window
        raise DataError("it broke off")

    ahead = stream._ReadAhead(windows())
    given = iter(ahead)
    next(given)
    while len(drawn) < 5:  # one given, three held, one more in the thread's hand
        time.sleep(0.001)
    assert len(drawn) == 5
    with pytest.raises(DataError, match="it broke off"):
        list(given)  # all that came before the error, then the error
    assert len(drawn) == 20
    ahead.stop()


def test_a_video_that_breaks_off_says_so(made: Filmed, tmp_path: Path) -> None:
    broken = tmp_path / "half.mp4"
    content = made.film.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"half\.mp4"):
        list(stream.windows_of(replace(task_of(made), video=broken)))


def test_a_model_of_tracks_reads_no_video(made: Filmed, tmp_path: Path) -> None:
    video = replace(made.video, tracks=replace(made.video.tracks, clips=None))
    split = Split((Span(7, "A", 0, FRAMES),), (), ())
    quick = {"epochs": 1, "batches_per_epoch": 1}
    fit(TrainingData((video,), ACTIONS, "film"), tmp_path / "model", "smoke", quick, split=split)
    assert clip_input_of(tmp_path / "model") is None
    with pytest.raises(
        UsageError, match="reads tracks and no pixels: predict with --tracks, or name one of pixels"
    ):
        run(made, tmp_path / "x.csv", model=str(tmp_path / "model"))
