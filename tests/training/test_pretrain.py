"""Pre-training, what it is a base for, and filling in missing points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from chases import video  # type: ignore[import-not-found]
from safetensors.torch import load_file

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.labelled import TrainingData
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, UsageError
from etholake.models.archive import load_model
from etholake.models.network_family import load_network
from etholake.models.network_model import WEIGHTS
from etholake.stages.model import explain, impute
from etholake.training.fit import fit
from etholake.training.pretrain import pretrain
from etholake.training.reconstruction import forward_filled, gap_errors, interpolated

QUICK = {"epochs": 2, "batches_per_epoch": 6}
Pretrained = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def pretrained(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    folder = tmp_path_factory.mktemp("pretrained")
    return folder, pretrain([v.tracks for v in data.videos], folder, "pose_bert:smoke", QUICK)


def straight(frames: int = 200) -> PoseTracks:
    """Two animals whose parts all move along x at 1 cm a frame."""
    xy = np.zeros((frames, 2, len(UNIFIED_PARTS), 2), np.float32)
    xy[..., 0] = np.arange(frames)[:, None, None]
    xy[:, 1, :, 1] = 10
    return PoseTracks(VideoMeta(7, "A", 30.0, 10.0), xy, np.isfinite(xy[..., 0]), (1, 2), 0, frames)


def test_it_learns_and_reports(pretrained: Pretrained) -> None:
    folder, report = pretrained
    assert [row["epoch"] for row in report["history"]] == [1, 2]
    assert all(math.isfinite(row["val_loss"]) for row in report["history"])
    methods = report["reconstruction"]["gaps"]["15"]
    assert {*methods} == {"forward_fill", "interpolation", "pose_bert"}
    assert methods["pose_bert"]["points"] == methods["interpolation"]["points"] > 0
    assert report["reconstruction"]["parts"]["nose"]["5"]["pose_bert"] > 0
    train, held_out = ({span["video_id"] for span in report["split"][part]} for part in ("train", "validation"))
    assert len(train) == 5
    assert len(held_out) == 1
    assert not train & held_out
    assert load_model(folder).details["pretrained"]


def test_an_interrupted_run_ends_with_the_same_weights(
    pretrained: Pretrained, data: TrainingData, tmp_path: Path
) -> None:
    def stop(epoch: int, _epochs: int, _row: Mapping[str, Any]) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    tracks, state = [v.tracks for v in data.videos], tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        pretrain(tracks, tmp_path / "never", "pose_bert:smoke", QUICK, stop, checkpoints=state)
    report = pretrain(tracks, tmp_path / "parts", "pose_bert:smoke", QUICK, checkpoints=state)
    assert [row["epoch"] for row in report["history"]] == [1, 2]
    whole, parts = (load_file(folder / WEIGHTS) for folder in (pretrained[0], tmp_path / "parts"))
    assert all((whole[name] == parts[name]).all() for name in whole)


@pytest.mark.parametrize("tuning", ["full", "frozen", "lora"])
def test_it_is_a_base_for_training(
    pretrained: Pretrained, data: TrainingData, tmp_path: Path, tuning: str
) -> None:
    base = load_network(pretrained[0])
    report = fit(data, tmp_path, "", {**QUICK, "tuning": tuning, "lora_rank": 2}, base=base)
    assert report["fine_tuned"]["actions_added"] == ["chase", "rest"]
    tuned = load_network(tmp_path)
    before, after = base.network.state_dict(), tuned.network.state_dict()
    changed = {name for name in before if not (before[name] == after[name]).all()}
    trunk = {name for name in changed if name.startswith(("blocks", "embed"))}
    assert bool(trunk) == (tuning == "full")
    assert "head.weight" in changed
    if tuning == "lora":
        assert any(after[name].any() for name in after if name.endswith("lora_b"))


def test_a_frozen_trunk_of_nothing_is_refused(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tuning frozen keeps the trunk of a trained model: name one with --from"):
        fit(data, tmp_path, "pose_bert:smoke", {"tuning": "frozen"})


def test_it_is_explained(pretrained: Pretrained) -> None:
    text = "\n".join(explain.lines(explain.describe(pretrained[0])))
    assert "gaps of 15 frames: forward fill " in text


def test_gaps_are_measured_against_the_truth() -> None:
    """For a point that moves by 1 cm a frame, forward fill errs by 1, 2, … cm in a gap, interpolation by 0."""
    table = gap_errors(None, [straight()])["gaps"]
    assert table["5"]["forward_fill"]["mean"] == pytest.approx(3)
    assert table["15"]["forward_fill"]["median"] == pytest.approx(8)
    assert {gap: round(methods["interpolation"]["mean"], 3) for gap, methods in table.items()} == dict.fromkeys(
        table, 0
    )


def test_forward_fill_and_interpolation_by_hand() -> None:
    tracks = straight(6)
    tracks.xy_TMK2[[0, 2, 3, 5], 0, 0] = np.nan
    assert forward_filled(tracks)[1:, 0, 0, 0].tolist() == [1, 1, 1, 4, 4]
    assert np.isnan(forward_filled(tracks)[0, 0, 0, 0])
    assert interpolated(tracks)[1:5, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert np.isnan(interpolated(tracks)[[0, 5], 0, 0, 0]).all()


# --- imputation -----------------------------------------------------------------------------------------------
def raw(frames: int = 120) -> pa.Table:
    """Two animals of three parts in px, 10 px a cm; the first animal's nose is lost in frames 50 to 69."""
    rows = [
        {"video_frame": frame, "mouse_id": mouse, "bodypart": part, "x": 100.0 + 5 * frame + 20 * k,
         "y": 100.0 * mouse}
        for frame in range(frames) for mouse in (1, 2) for k, part in enumerate(("tail_base", "neck", "nose"))
        if not (mouse == 1 and part == "nose" and 50 <= frame < 70)
    ]  # fmt: skip
    schema = [("video_frame", pa.int32()), ("mouse_id", pa.int8()), ("bodypart", pa.string()), ("x", pa.float32()),
              ("y", pa.float32())]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


META = VideoMeta(1, "A", 30.0, pix_per_cm=10.0, width_pix=1000.0, height_pix=600.0)


def test_missing_points_are_rows_of_their_own(pretrained: Pretrained) -> None:
    filled = impute.filled_rows(raw(), META, load_network(pretrained[0]))
    made = filled.filter(filled["is_imputed"])
    assert made.select(["video_frame", "mouse_id", "bodypart", "method"]).to_pylist() == [
        {"video_frame": frame, "mouse_id": 1, "bodypart": "nose", "method": "pose_bert"} for frame in range(50, 70)
    ]
    true = np.array([140.0 + 5 * frame for frame in range(50, 70)])
    assert np.abs(made["x"].to_numpy() - true).max() < 60  # px, after twelve steps
    measured = filled.filter(pa.compute.invert(filled["is_imputed"])).drop_columns(["is_imputed", "method"])
    keys = [(name, "ascending") for name in ("video_frame", "mouse_id", "bodypart")]
    assert measured.equals(raw().sort_by(keys))


def test_points_that_cannot_be_placed_are_refused(pretrained: Pretrained) -> None:
    model = load_network(pretrained[0])
    with pytest.raises(DataError, match=r"Video 1 has no px/cm: give pix_per_cm_approx"):
        impute.filled_rows(raw(), replace(META, pix_per_cm=None), model)
    with pytest.raises(DataError, match="Video 1 has no measured points"):
        impute.filled_rows(raw().slice(0, 0), META, model)


def test_only_families_that_can_are_pretrained(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="The family 'cnn_lstm' cannot be pre-trained: it learns from labels only"
    ):
        pretrain([v.tracks for v in data.videos], tmp_path, "cnn_lstm:smoke")
    nothing = replace(video(1).tracks, observed_TMK=np.zeros((400, 2, 8), bool))
    with pytest.raises(DataError, match="None of the 1 videos has a measured point"):
        pretrain([nothing], tmp_path, "pose_bert:smoke")


def test_a_lone_video_is_cut_in_time(tmp_path: Path) -> None:
    report = pretrain([video(1).tracks], tmp_path, "pose_bert:smoke", {"epochs": 1, "batches_per_epoch": 1})
    assert [(s["start_frame"], s["stop_frame"]) for s in report["split"]["train"]] == [(0, 360)]
    assert [(s["start_frame"], s["stop_frame"]) for s in report["split"]["validation"]] == [(360, 400)]
