"""Three-dimensional tracks and species: what pose_bert learns of them, and which models refuse which tracks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from chases import training_data, video  # type: ignore[import-not-found]

from etholake.contract import UNIFIED_PARTS
from etholake.dataset import store
from etholake.dataset.labelled import LabelledVideo, TrainingData, whole_spans
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.dataset.windows import Tracks, Window, gather, gather_by_mouse
from etholake.errors import DataError
from etholake.features.keypoints import ENCODER, ENCODER_3D, UNIT_CM
from etholake.models.archive import load_model
from etholake.models.config import Augmentation
from etholake.models.ensemble.model import Ensemble
from etholake.models.network_family import load_network
from etholake.models.registry import resolve
from etholake.stages.model.impute import filled_rows
from etholake.training import augment
from etholake.training.fit import fit
from etholake.training.pretrain import pretrain
from etholake.training.windows import WindowSampler

QUICK = {"epochs": 1, "batches_per_epoch": 4}
K = len(UNIFIED_PARTS)


def deep(number: int, lab: str = "A", species: str = "") -> LabelledVideo:
    """A video whose animals are higher by 1 cm in every frame and part number."""
    made = video(number, lab)
    T, M, _, _ = made.tracks.xy_TMK2.shape
    z = np.broadcast_to(np.arange(T)[:, None, None] + np.arange(K), (T, M, K)).astype(np.float32)
    meta = replace(made.tracks.meta, species=species)
    return replace(made, tracks=replace(made.tracks, z_TMK=z, meta=meta))


@pytest.fixture(scope="module")
def deep_data() -> TrainingData:
    return training_data([deep(i, "AB"[i % 2]) for i in range(1, 7)])


@pytest.fixture(scope="module")
def pretrained(deep_data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep")
    pretrain([v.tracks for v in deep_data.videos], folder, "pose_bert:smoke", QUICK)
    return folder


def curated(frames: int = 60, z: bool = True) -> pa.Table:
    """One animal of two parts, 10 px a cm; z is 20 px higher in every frame, and missing in frame 7."""
    rows = [
        {"video_frame": frame, "mouse_id": 1, "bodypart": part, "x": 10.0 * frame, "y": 5.0, "x_cm": 1.0 * frame,
         "y_cm": 0.5, "is_imputed": False, "z": 20.0 * frame if z and frame != 7 else None}
        for frame in range(frames) for part in ("nose", "tail_base")
    ]  # fmt: skip
    schema = [("video_frame", pa.int32()), ("mouse_id", pa.int8()), ("bodypart", pa.string()),
              *((name, pa.float32()) for name in ("x", "y", "x_cm", "y_cm")), ("is_imputed", pa.bool_()),
              ("z", pa.float32())]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


def test_a_folder_of_three_dimensional_tracks_takes_others(tmp_path: Path) -> None:
    made = deep(1).tracks
    assert made.mapped(tmp_path).z_TMK is not None
    assert replace(made, z_TMK=None).mapped(tmp_path).z_TMK is None


# --- tracks -----------------------------------------------------------------------------------------------
def test_z_is_in_cm_at_the_models_rate(tmp_path: Path) -> None:
    meta = VideoMeta(3, "A", 15.0, pix_per_cm=10.0)
    tracks = PoseTracks.from_curated(curated(), meta)
    assert tracks.z_TMK is not None
    assert tracks.z_TMK.shape == tracks.xy_TMK2.shape[:3]
    assert tracks.z_TMK[:4, 0, 0].tolist() == [0, 1, 2, 3]  # 2 cm a frame at 15 frames/s
    assert tracks.z_TMK[13:16, 0, 0].tolist() == [13, 14, 15]  # bridged, as x is
    mapped = tracks.mapped(tmp_path / "3")
    assert isinstance(mapped.z_TMK, np.memmap)
    store.save(tmp_path / "all", [tracks], "v")
    kept = store.load(tmp_path / "all", "v")
    assert kept is not None
    np.testing.assert_array_equal(kept.tracks(meta).z_TMK, tracks.z_TMK)
    assert PoseTracks.from_curated(curated(z=False), meta).z_TMK is None
    with pytest.raises(DataError, match=r"Video 3 has three-dimensional tracks \(z\), but no pix_per_cm_approx"):
        PoseTracks.from_curated(curated(), replace(meta, pix_per_cm=None))


def test_windows_carry_z_and_encode_it() -> None:
    tracks = deep(1).tracks
    windows = [Window(tracks, 0, 1, 10), Window(tracks, 1, 1, -2)]
    by_pair, by_mouse = gather(windows, 8), gather_by_mouse(windows, 8)
    torch.testing.assert_close(by_mouse.by_pair().z_BRTK, by_pair.z_BRTK, equal_nan=True)
    torch.testing.assert_close(by_pair.by_mouse().by_pair().z_BRTK, by_pair.z_BRTK, equal_nan=True)
    x = ENCODER_3D(by_pair)
    assert x.shape == (2, 8, 2 * K * 4) == (2, 8, len(ENCODER_3D.names))
    heights = x[0, :, 2 : 3 * K : 3] * UNIT_CM  # of the agent's parts, from the mean
    torch.testing.assert_close(heights, torch.arange(8.0)[:, None] + torch.arange(K) - 7.0)
    assert x[1, :, -K:].all()  # the target of a self action is nobody
    assert x[1, :2, 6 * K : 7 * K].all()  # nothing before the first frame


def test_augmentations_move_z_with_the_points() -> None:
    """Heights are those of the frames: whatever happens to x and y of a point happens to its z."""
    T = 40
    heights = (torch.arange(T)[:, None] + 100 * torch.arange(K)).float().expand(6, 2, T, K)
    xy = torch.stack([heights, heights], dim=-1).clone()
    tracks = Tracks(xy, torch.ones(6, 2, T, K, dtype=torch.bool), torch.zeros(6) > 0, *torch.zeros(2, 6),
                    z_BRTK=heights.clone())  # fmt: skip
    batch = augment.Batch(tracks, torch.zeros(6), torch.ones(6, 1), torch.zeros(6, T, 1), torch.ones(6, T, 1))
    config = replace(Augmentation.none(), max_stretch=1.5, lower_rate=0.5, shift=3, drop_frames=0.3, drop_part=0.2)
    changed = augment.augment(batch, config, 30, torch.Generator().manual_seed(1)).tracks
    assert changed.z_BRTK is not None
    there = ~changed.xy_BRTK2[..., 0].isnan()
    assert 0.3 < there.float().mean() < 1
    torch.testing.assert_close(changed.z_BRTK[there], changed.xy_BRTK2[..., 0][there])
    mirrored = augment.reflect(batch, torch.ones(6) > 0).tracks
    torch.testing.assert_close(mirrored.z_BRTK, mirrored.xy_BRTK2[..., 0])
    double = augment.scale(batch, torch.full((6, 2), 2.0)).tracks
    torch.testing.assert_close(double.z_BRTK, double.xy_BRTK2[..., 0])
    swapped = torch.zeros(6, T) > 0
    swapped[:, 5:9] = True
    tracks = replace(tracks, xy_BRTK2=xy + torch.tensor([0.0, 1000.0]).view(1, 2, 1, 1, 1),
                     z_BRTK=heights + torch.tensor([0.0, 1000.0]).view(1, 2, 1, 1))  # fmt: skip
    exchanged = augment.swap_animals(replace(batch, tracks=tracks), swapped).tracks
    torch.testing.assert_close(exchanged.z_BRTK, exchanged.xy_BRTK2[..., 0])


# --- models -----------------------------------------------------------------------------------------------
def test_a_3d_lake_trains_a_3d_model(
    pretrained: Path, deep_data: TrainingData, data: TrainingData, tmp_path: Path
) -> None:
    base = load_network(pretrained)
    assert base.config.encoder == "keypoints_3d"
    fit(deep_data, tmp_path / "tuned", "", QUICK, base=base)
    fit(deep_data, tmp_path / "new", "pose_bert:smoke", QUICK)
    for name in ("tuned", "new"):
        model = load_model(tmp_path / name)
        (first, *_) = model.predict(deep_data.videos[0].tracks)
        assert np.isfinite(first.probabilities_TA).all()
        with pytest.raises(DataError, match=r"Video 1 has 2D tracks, but the model reads 3D ones \(x, y, z\)"):
            model.predict(data.videos[0].tracks)
    with pytest.raises(DataError, match="has 2D tracks, but the model reads 3D ones"):
        fit(data, tmp_path / "never", "", QUICK, base=base)


def test_a_2d_model_refuses_3d_tracks(data: TrainingData, deep_data: TrainingData, tmp_path: Path) -> None:
    fit(data, tmp_path, "pose_bert:smoke", QUICK)
    model = load_network(tmp_path)
    assert model.config.encoder == "keypoints"
    with pytest.raises(DataError, match=r"Video 1 has 3D tracks, but the model reads 2D ones \(x, y\)"):
        model.predict(deep_data.videos[0].tracks)
    with pytest.raises(DataError, match="has 3D tracks, but the model reads 2D ones"):
        fit(deep_data, tmp_path / "never", "", QUICK, base=model)
    mixed = training_data([*data.videos[:3], *deep_data.videos[3:]])
    with pytest.raises(
        DataError, match=r"The videos 4, 5, 6 have 3D tracks, and 1, 2, 3 have 2D ones: a model reads"
    ):
        fit(mixed, tmp_path / "never", "pose_bert:smoke", QUICK)


def test_missing_points_are_filled_in_three_dimensions(pretrained: Path) -> None:
    rows = [
        {"video_frame": frame, "mouse_id": mouse, "bodypart": part, "x": 100.0 + 5 * frame, "y": 100.0 * mouse,
         "z": 10.0 * mouse}
        for frame in range(80) for mouse in (1, 2) for part in ("tail_base", "nose")
        if not (mouse == 1 and part == "nose" and 40 <= frame < 50)
    ]  # fmt: skip
    schema = [("video_frame", pa.int32()), ("mouse_id", pa.int8()), ("bodypart", pa.string()),
              *((name, pa.float32()) for name in "xyz")]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=pa.schema(schema))
    meta = VideoMeta(1, "A", 30.0, pix_per_cm=10.0, width_pix=1000.0, height_pix=600.0)
    filled = filled_rows(table, meta, load_network(pretrained))
    made = filled.filter(filled["is_imputed"])
    assert made["video_frame"].to_pylist() == list(range(40, 50))
    assert np.abs(made["z"].to_numpy() - 10.0).max() < 60  # px, after four steps


# --- species ----------------------------------------------------------------------------------------------
def test_species_are_told_apart_by_an_embedding(tmp_path: Path) -> None:
    origins = {1: ("A", ""), 2: ("A", ""), 3: ("B", "rat"), 4: ("B", "rat"), 5: ("C", "vole"), 6: ("C", "vole")}
    videos = [deep(number, *origin) for number, origin in origins.items()]
    fit(training_data(videos), tmp_path, "pose_bert:smoke", QUICK | {"hidden_lab_fraction": 0.5})
    model = load_network(tmp_path)
    assert model.config.known_species() == ("rat", "vole")
    assert [model.lab_index(v.tracks) for v in videos] == [1, 1, 2 + 4, 2 + 4, 3 + 8, 3 + 8]
    stranger = deep(7, "D", "rat").tracks
    assert model.lab_index(stranger) == 4  # the unknown lab, of rats
    weights = model.network.state_dict()["species.weight"]
    assert weights.shape == (3, 16)
    assert (weights.abs().sum(dim=1) > 0).all()
    assert not any("species" in note for note in model.notes(stranger))
    note = "species hamster was not in the training data: it is read as mice; known species: rat, vole"
    assert note in model.notes(deep(8, "A", "hamster").tracks)
    assert Ensemble((model, model)).notes(deep(8, "A", "hamster").tracks).count(note) == 1  # of both members
    more = training_data([*videos, deep(8, "A", "hamster"), deep(9, "A", "hamster")])
    fit(more, tmp_path / "tuned", "", QUICK, base=model)
    assert load_network(tmp_path / "tuned").config.known_species() == ("rat", "vole", "hamster")


def test_a_hidden_lab_keeps_its_species() -> None:
    _, config = resolve(
        "pose_bert:smoke", {"encoder": "keypoints_3d", "species": ["rat"], "hidden_lab_fraction": 0.5}
    )
    made = training_data([deep(1, "A", "rat")])
    batch = WindowSampler(made, whole_spans(made.videos), ("A",), config, 0).draw(0)
    assert set(batch.lab_B.tolist()) == {2, 3}  # two labs, the unknown one first; rats come behind mice


def test_encoders_name_what_they_read() -> None:
    assert len(ENCODER.names) == 2 * K * 3
    assert ENCODER.description()["version"] == 1
