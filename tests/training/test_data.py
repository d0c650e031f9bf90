"""Reading the channels as a training job gets them: generations, pointers, one video at a time."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake.contract import ACTIONS, arrow_schema
from etholake.dataset.labelled import CHANNELS, load_all_tracks, load_training_data
from etholake.dataset.values import Task, Value
from etholake.errors import ContractError, DataError
from etholake.models.archive import load_model


def put(folder: Path, table: str, rows: list[dict[str, Any]], generation: str = "gen-1") -> None:
    """A committed generation of a table or partition, beside an older one that must not be read."""
    (folder / generation).mkdir(parents=True)
    (folder / "gen-0").mkdir()
    (folder / "gen-0" / "part-00000.parquet").write_bytes(b"stale")
    pq.write_table(
        pa.Table.from_pylist(rows, schema=arrow_schema(table)), folder / generation / "part-00000.parquet"
    )
    (folder / "_CURRENT").write_text(json.dumps({"generation": generation, "report": {}}), encoding="utf-8")


def track(video_id: int, frames: int = 20) -> list[dict[str, Any]]:
    return [
        {"video_id": video_id, "video_frame": f, "mouse_id": m, "bodypart": part, "x": 1.0, "y": 1.0,
         "x_cm": float(f), "y_cm": float(m), "is_imputed": f == 3}
        for f in range(frames) for m in (1, 2) for part in ("nose", "tail_base")
    ]  # fmt: skip


def metadata(video_id: int, fps: float | None = 30.0) -> dict[str, Any]:
    return {"lab_id": "My lab", "video_id": video_id, "frames_per_second": fps, "pix_per_cm_approx": 10.0,
            "has_tracking": True, "has_annotation": True, "flags": [], "behaviors_labeled": []}  # fmt: skip


def label(video_id: int, action: str, split: str = "train") -> dict[str, Any]:
    return {"split": split, "lab_id": "My lab", "video_id": video_id, "agent_id": 1, "target_id": 2,
            "action": action, "is_self": False, "repaired": False}  # fmt: skip


def event(video_id: int, start: int, stop: int, action: str = "interact") -> dict[str, Any]:
    return {"split": "train", "video_id": video_id, "agent_id": 1, "target_id": 2, "action": action,
            "start_frame": start, "stop_frame": stop, "counted_start_frame": start, "counted_stop_frame": stop,
            "duration_frames": stop - start, "is_self": False,
            "is_labeled": True}  # fmt: skip


@pytest.fixture
def channels(tmp_path: Path) -> dict[str, Path]:
    """Video 5 is whole; 6 has no events, 7 no frame rate, 8 no tracks."""
    put(tmp_path / "tracking/lab_id=My%20lab", "tracking_curated", track(5) + track(6) + track(7))
    put(tmp_path / "metadata", "metadata_train", [metadata(5), metadata(6), metadata(7, None), metadata(8)])
    labels = [label(v, "interact") for v in (5, 6, 7, 8)] + [label(5, "sniff"), label(5, "chase", "test")]
    put(tmp_path / "labels", "labeled_behaviors", labels)
    events = [event(5, 8, 12), event(5, 2, 4), event(5, 6, 6), event(7, 0, 5), event(8, 0, 5)]
    put(tmp_path / "annotations/lab_id=My%20lab", "annotations_enriched", events)
    return {name: tmp_path / name for name in CHANNELS}


def test_the_current_generation_is_read(channels: dict[str, Path]) -> None:
    data = load_training_data(channels)
    (video,) = data.videos
    assert (video.tracks.video_id, video.tracks.lab_id, video.tracks.fps) == (5, "My lab", 30.0)
    assert video.tracks.labeled_behaviors == ((1, 2, "interact"), (1, 2, "sniff"))
    assert [(e.start_frame, e.stop_frame) for e in video.events] == [(2, 4), (8, 12)]
    assert data.actions == (*ACTIONS, "interact")
    np.testing.assert_allclose(video.tracks.xy_TMK2[:, 1, 0], [(f, 2.0) for f in range(20)])
    assert np.flatnonzero(~video.tracks.observed_TMK[:, 0, 0]).tolist() == [3]  # imputed: bridged, and said so
    assert data.notes == ("video 7 left out: The video's metadata lack ['frames_per_second'].",)


def test_clips_are_written_once_and_memory_mapped(channels: dict[str, Path], tmp_path: Path) -> None:
    plain, mapped = (load_training_data(channels, scratch).videos[0].tracks for scratch in (None, tmp_path / "s"))
    assert isinstance(mapped.xy_TMK2, np.memmap)
    np.testing.assert_array_equal(mapped.xy_TMK2, plain.xy_TMK2)
    np.testing.assert_array_equal(mapped.observed_TMK, plain.observed_TMK)
    files = sorted(path.name for path in (tmp_path / "s" / "5").iterdir())
    assert files == ["observed.npy", "own.npy", "xy.npy"]


def test_a_labs_own_part_names_reach_the_model(channels: dict[str, Path]) -> None:
    """The nose is called tail_base here, and the other way round."""
    swapped = load_training_data(channels, part_map="tail_base=nose,nose=tail_base")
    assert swapped.part_map == "tail_base=nose,nose=tail_base"
    assert np.isfinite(swapped.videos[0].tracks.xy_TMK2[:, :, [0, 7]]).all()


def test_the_fingerprint_names_the_generations(channels: dict[str, Path]) -> None:
    before = load_training_data(channels).fingerprint
    assert load_training_data(channels).fingerprint == before
    (channels["labels"] / "gen-1").rename(channels["labels"] / "gen-2")
    (channels["labels"] / "_CURRENT").write_text('{"generation": "gen-2"}', encoding="utf-8")
    assert load_training_data(channels).fingerprint != before


def test_values_are_those_of_the_metadata_and_of_a_file(channels: dict[str, Path], tmp_path: Path) -> None:
    """Video 6 has no events: it is read for its values alone, and teaches no action."""
    put(tmp_path / "more", "metadata_train", [{**metadata(5), "mouse1_sex": "male"}, metadata(6)])
    (tmp_path / "given").mkdir()
    (tmp_path / "given/values.csv").write_text("video_id,name,value,mouse_id\n6,weight,21,1\n", encoding="utf-8")
    folders = channels | {"metadata": tmp_path / "more", "values": tmp_path / "given"}
    data = load_training_data(folders, tasks=[Task.parse("regression:weight")])
    assert [(v.tracks.video_id, v.values) for v in data.videos] == [
        (5, (Value("sex", "male", 1),)), (6, (Value("weight", "21", 1),)),
    ]  # fmt: skip
    assert (data.videos[1].tracks.labeled_behaviors, data.videos[1].events) == ((), ())
    others = load_training_data(folders)
    assert [v.tracks.video_id for v in others.videos] == [5]
    (tmp_path / "given/values.csv").write_text("video_id,name,value,mouse_id\n6,weight,22,1\n", encoding="utf-8")
    assert load_training_data(folders).fingerprint != others.fingerprint
    (tmp_path / "given/values.csv").write_text("video_id,name,value\n9,weight,22\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"The values name videos that the lake's training split does not have: \[9\]"
    ):
        load_training_data(folders)


def test_a_missing_channel_is_named(channels: dict[str, Path]) -> None:
    with pytest.raises(ContractError, match=r"missing: \['labels'\]"):
        load_training_data({name: at for name, at in channels.items() if name != "labels"})


def test_nothing_to_learn(channels: dict[str, Path], tmp_path: Path) -> None:
    put(tmp_path / "none/lab_id=My%20lab", "annotations_enriched", [event(6, 3, 3)])
    with pytest.raises(DataError, match="No video has tracks, labeled behaviors and annotated events"):
        load_training_data(channels | {"annotations": tmp_path / "none"})


def test_all_tracks_are_read_with_or_without_labels(channels: dict[str, Path], tmp_path: Path) -> None:
    put(tmp_path / "tracking_test/lab_id=My%20lab", "tracking_curated", track(9))
    put(tmp_path / "metadata_test", "metadata_test", [metadata(9)])
    both = {name: tmp_path / name for name in ("tracking", "metadata", "tracking_test", "metadata_test")}
    videos, notes, digest = load_all_tracks(both, tmp_path / "scratch")
    assert [tracks.video_id for tracks in videos] == [5, 6, 9]
    assert notes == ["video 7 left out: The video's metadata lack ['frames_per_second']."]
    train_only = {name: channels[name] for name in ("tracking", "metadata")}
    assert len(load_all_tracks(train_only)[0]) == 2
    assert load_all_tracks(train_only)[2] != digest


def test_a_lake_without_tracks_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "metadata", "metadata_train", [metadata(5)])
    (tmp_path / "tracking").mkdir()
    with pytest.raises(DataError, match="No video of the lake has tracks: there is nothing to learn"):
        load_all_tracks({name: tmp_path / name for name in ("tracking", "metadata")})


def test_the_job_pretrains_on_all_tracks(
    channels: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry point with the option that `etholake pretrain` gives it."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "sagemaker"))
    monkeypatch.delitem(sys.modules, "train", raising=False)
    train = importlib.import_module("train")
    arguments = train.parse(["--config", "pose_bert:smoke", "--pretrain", "1", "--overrides",
                             '{"epochs": 1, "batches_per_epoch": 1}'])  # fmt: skip
    folders = {name: channels[name] for name in ("tracking", "metadata")}
    report = train.train(arguments, folders, tmp_path / "model", tmp_path / "output", tmp_path / "scratch")
    assert report["pretrained"]
    assert load_model(tmp_path / "model").family == "pose_bert"
    sys.modules.pop("train", None)
