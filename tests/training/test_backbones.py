"""Weights that a backbone starts with, epochs in which it keeps them, rates of its own, and the plateau."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import filmed  # type: ignore[import-not-found]
import pytest
import torch
from chases import training_data, video  # type: ignore[import-not-found]
from safetensors.torch import save_file
from torch import nn

from etholake.cli.common import replaced_fields
from etholake.dataset.labelled import TrainingData, whole_spans
from etholake.dataset.split import Split
from etholake.digest import file_digest
from etholake.errors import ContractError, UsageError
from etholake.models.archive import load_model
from etholake.models.registry import resolve
from etholake.models.vision.frame_backbone import FrameBackbone
from etholake.models.vision.pretrained import load_backbone
from etholake.models.vision.vit import VisionTransformer
from etholake.models.vision.weights_file import chosen_files
from etholake.stages.model import explain
from etholake.stages.model.backbones import backbone_names
from etholake.training.cross import fit_folds
from etholake.training.cross_plan import CrossValidationPlan
from etholake.training.fit import fit
from etholake.training.schedule import Plateau, rate

SHORT = {"epochs": 2, "batches_per_epoch": 2}
CONFIG = "crop_sequence:smoke"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("backbone-films")
    return training_data([filmed.filmed(folder / str(i), video(i, "A", frames=96)) for i in range(1, 5)])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a state dict of the smoke configuration's backbone, as of a classifier of 5 classes."""
    folder: Path = tmp_path_factory.mktemp("weights")
    torch.manual_seed(7)
    torch.save(VisionTransformer(32, 16, 4, 96, 3, 192, classes=5).state_dict(), folder / "vit_tiny-abc.pth")
    (folder / "README.md").write_text("from somewhere")
    return folder


def backbone_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder).network.backbone.network.state_dict())


def trained(films: TrainingData, folder: Path, fields: dict[str, Any], weights: Path | None) -> dict[str, Any]:
    """Train on all films and judge nothing, so that the last epoch is the model."""
    everything = Split(tuple(whole_spans(films.videos)), (), ())
    return fit(films, folder, CONFIG, {**SHORT, **fields}, weights=weights, split=everything)


def test_a_frozen_backbone_keeps_its_weights_and_the_rest_learns(
    films: TrainingData, weights: Path, tmp_path: Path
) -> None:
    report = trained(films, tmp_path, {"freeze_epochs": -1}, weights)
    given = torch.load(weights / "vit_tiny-abc.pth", weights_only=True)
    stored = backbone_of(tmp_path)
    assert all(torch.equal(stored[name], given[name]) for name in stored)
    assert report["backbone"] == {
        "name": "vit_tiny", "file": "vit_tiny-abc.pth", "left_out": 2,
        "sha256": file_digest(weights / "vit_tiny-abc.pth"),
    }  # fmt: skip
    assert report["history"][1]["train_loss"] < report["history"][0]["train_loss"]
    line = next(line for line in explain.lines(explain.describe(tmp_path)) if line.startswith("backbone"))
    assert "vit_tiny from vit_tiny-abc.pth (sha256" in line
    assert "never trained" in line


def test_a_backbone_is_trained_after_its_frozen_epochs_at_its_own_rate(
    films: TrainingData, weights: Path, tmp_path: Path
) -> None:
    given = torch.load(weights / "vit_tiny-abc.pth", weights_only=True)
    changes = []
    for backbone_lr in (1.0, 0.01):
        folder = tmp_path / str(backbone_lr)
        trained(films, folder, {"freeze_epochs": 1, "backbone_lr": backbone_lr, "weight_decay": 0.0}, weights)
        stored = backbone_of(folder)
        changes.append(max(float((stored[name] - given[name]).abs().max()) for name in stored))
    assert changes[0] > changes[1] > 0
    assert changes[1] == pytest.approx(changes[0] / 100, rel=0.5)  # Adam's steps are as long as the rate
    assert "frozen for 1 epochs, then trained at 0.01" in "\n".join(explain.lines(explain.describe(folder)))


def test_statistics_of_a_frozen_backbone_stay(films: TrainingData, tmp_path: Path) -> None:
    config = {"backbone": "mobilenet_v3_small", "freeze_epochs": -1, "epochs": 1, "batches_per_epoch": 1}
    torch.manual_seed(3)
    given = FrameBackbone("mobilenet_v3_small", 32).network.state_dict()
    save_file(given, tmp_path / "mobile.safetensors")
    trained(films, tmp_path / "model", config, tmp_path / "mobile.safetensors")
    stored = backbone_of(tmp_path / "model")
    assert any("running_mean" in name for name in stored)
    assert all(torch.equal(stored[name], given[name]) for name in stored)


def test_a_run_goes_on_within_its_frozen_epochs(films: TrainingData, weights: Path, tmp_path: Path) -> None:
    fields = {"freeze_epochs": 1, "epochs": 2, "batches_per_epoch": 4, "checkpoint_steps": 3, "dropout": 0.1}
    whole = fit(films, tmp_path / "whole", CONFIG, fields, weights=weights)

    def stop(epoch: int, _epochs: int, _row: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(films, tmp_path / "two", CONFIG, fields, stop, weights=weights, checkpoints=tmp_path / "state")
    resumed = fit(films, tmp_path / "two", CONFIG, fields, weights=weights, checkpoints=tmp_path / "state")
    losses = [[row["train_loss"] for row in report["history"]] for report in (whole, resumed)]
    assert losses[0] == losses[1]
    other = tmp_path / "vit_tiny-other.pth"
    torch.save(VisionTransformer(32, 16, 4, 96, 3, 192).state_dict(), other)
    with pytest.raises(ContractError, match="belongs to a run with other data"):
        fit(films, tmp_path / "three", CONFIG, fields, weights=other, checkpoints=tmp_path / "state")


def test_an_ensemble_gives_weights_to_the_members_with_a_backbone(
    films: TrainingData, weights: Path, tmp_path: Path
) -> None:
    plan = CrossValidationPlan(("cnn3d:smoke", CONFIG), folds=2)
    short = {"epochs": 1, "batches_per_epoch": 1}
    fields = {CONFIG: {**short, "freeze_epochs": -1}, "cnn3d:smoke": short}
    fit_folds(films, tmp_path / "model", plan, fields, scratch=tmp_path / "scratch", weights=weights)
    given = torch.load(weights / "vit_tiny-abc.pth", weights_only=True)
    members = load_model(tmp_path / "model").members
    assert [member.family for member in members] == ["cnn3d", "crop_sequence"]
    assert torch.equal(members[1].network.backbone.network.class_token, given["class_token"])


@pytest.mark.parametrize(("fields", "named"), [({"freeze_epochs": 2}, "freeze_epochs"), ({}, "weights")])
def test_a_family_without_a_backbone_says_so(
    films: TrainingData, weights: Path, tmp_path: Path, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError, match=rf"'cnn3d' has no backbone .*: leave {named} out"):
        fit(films, tmp_path, "cnn3d:smoke", fields, weights=None if fields else weights)
    with pytest.raises(UsageError, match="'boosted,cnn3d:smoke' has no backbone that could start with weights"):
        backbone_names("boosted,cnn3d:smoke", {})


def test_weights_that_nothing_would_start_with_are_refused(
    films: TrainingData, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"'boosted' has no backbone .*: leave weights out"):
        fit(films, tmp_path, "boosted", weights=weights)
    trained(films, tmp_path / "base", {"epochs": 1, "batches_per_epoch": 1}, None)
    with pytest.raises(UsageError, match="fine-tuned brings its own weights: leave weights out"):
        fit(films, tmp_path, "", weights=weights, base=load_model(tmp_path / "base"))


def test_each_family_with_a_backbone_names_the_part_that_weights_fit() -> None:
    for name in ("crop_sequence", "multitask", "slowfast"):
        family, config = resolve(f"{name}:smoke")
        network = family.build(config, _sizes())
        backbone = family.backbone(network)
        assert backbone is not None
        assert 0 < len(list(backbone.parameters())) < len(list(network.parameters()))
    assert backbone_names("crop_sequence:vit,slowfast:light,boosted", {}) == ["slowfast", "vit_b_16"]
    assert backbone_names("crop_sequence:vit", {"backbone": "efficientnet_b0"}) == ["efficientnet_b0"]


def _sizes() -> Any:
    from etholake.models.family import Sizes

    return Sizes(0, 2, 2, 32)


# --- files ------------------------------------------------------------------------------------------------
def test_the_file_of_a_backbone_is_the_one_of_its_name_or_the_only_one() -> None:
    files = ["readme.txt", "vit_b_16-c867db91.pth", "mobilenet_v3_small-047dcff4.pth"]
    assert chosen_files(files, "vit_b_16", "x") == ["vit_b_16-c867db91.pth"]
    assert chosen_files(["mine.safetensors"], "vit_b_16", "x") == ["mine.safetensors"]
    for names, reason in ((files, r"got mobilenet.*, vit_b_16"), (["a.txt"], "got none"), ([], "got none")):
        with pytest.raises(UsageError, match=rf"x: expected one file with weights .*'slowfast'.*{reason}"):
            chosen_files(names, "slowfast", "x")


def test_positions_of_another_image_size_are_resized(tmp_path: Path) -> None:
    large, small = (VisionTransformer(side, 16, 1, 8, 1, 8) for side in (64, 32))
    with torch.no_grad():
        grid = torch.arange(4.0).view(1, 1, 4).expand(1, 4, 4)  # rises from left to right
        large.encoder.pos_embedding[:, 1:] = grid.reshape(1, 16, 1).expand(1, 16, 8)
    save_file(large.state_dict(), tmp_path / "vit.safetensors")
    load_backbone(small, "vit_b_16", tmp_path / "vit.safetensors")
    assert torch.equal(small.encoder.pos_embedding[:, 0], large.encoder.pos_embedding[:, 0])
    left, right = small.encoder.pos_embedding[0, 1:, 0].view(2, 2).unbind(1)
    torch.testing.assert_close(left + right, torch.full((2,), 3.0))
    assert (right - left > 1.5).all()


def test_weights_of_another_network_are_refused(films: TrainingData, tmp_path: Path) -> None:
    save_file(nn.Linear(2, 2).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ContractError, match="weights do not fit the backbone: class_token is missing"):
        trained(films, tmp_path / "model", {}, tmp_path / "other.safetensors")


# --- the schedule -----------------------------------------------------------------------------------------
def test_a_plateau_lowers_the_rate_where_no_figure_is_better() -> None:
    _, config = resolve(CONFIG, {"schedule": "plateau", "plateau_patience": 2, "plateau_factor": 0.5})
    plateau, scales = Plateau(), []
    for figure in (0.1, 0.3, 0.2, 0.3, 0.2, 0.25, 0.4):
        plateau.see(figure, config)
        scales.append(plateau.scale)
    assert scales == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    assert plateau.best == 0.4
    assert [rate(step, 2, 100, plateau) for step in (0, 1, 2, 99)] == [0.5, 1.0, 0.25, 0.25]
    assert rate(99, 2, 100) < 0.01


def test_a_training_with_a_plateau_shows_its_rate(films: TrainingData, tmp_path: Path) -> None:
    fields = {
        "schedule": "plateau", "plateau_patience": 1, "plateau_factor": 0.5, "epochs": 4, "batches_per_epoch": 1,
        "lr": 1e-9, "warmup_epochs": 1.0,
    }  # fmt: skip
    report = fit(films, tmp_path, CONFIG, fields)
    assert [row["lr"] for row in report["history"]] == pytest.approx([1e-9, 1e-9, 0.5e-9, 0.25e-9])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schedule": "step"}, "schedule must be one of cosine, plateau, but got 'step'"),
        (
            {"freeze_epochs": -2, "backbone_lr": 0},
            r"(?s)backbone_lr must be above 0.*freeze_epochs must be a number",
        ),
        ({"plateau_factor": 1.5}, "plateau_factor must be between 0 and 1, but is 1.5"),
        ({"plateau_patience": 0}, "plateau_patience must be at least 1"),
    ],
)
def test_fields_that_cannot_be_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        resolve(CONFIG, fields)


# --- the command line -------------------------------------------------------------------------------------
def test_fields_on_the_command_line() -> None:
    configs = ["small", "crop_sequence:light"]
    assert replaced_fields(["epochs=3", "augmentation.brightness=0.1", "backbone=vit_b_16"], configs) == {
        "epochs": 3, "augmentation": {"brightness": 0.1}, "backbone": "vit_b_16",
    }  # fmt: skip
    assert replaced_fields(["epochs=3", "crop_sequence:light.freeze_epochs=2"], configs) == {
        "small": {"epochs": 3}, "crop_sequence:light": {"epochs": 3, "freeze_epochs": 2},
    }  # fmt: skip
    pairs = ["small.augmentation.rotate=true", "augmentation.noise=0.1", "augmentation.mixup=0.2"]
    assert replaced_fields(pairs, configs) == {
        "small": {"augmentation": {"noise": 0.1, "mixup": 0.2, "rotate": True}},
        "crop_sequence:light": {"augmentation": {"noise": 0.1, "mixup": 0.2}},
    }
    assert replaced_fields(["small.epochs=3", "small.epochs=4"], ["small"]) == {"epochs": 4}
    assert replaced_fields([], configs) == {}
    with pytest.raises(UsageError, match=r"gives augmentation a value, and to augmentation\.noise another"):
        replaced_fields(["augmentation=3", "augmentation.noise=1"], configs)
    with pytest.raises(UsageError, match="written --field name=value, but got 'epochs'"):
        replaced_fields(["epochs"], configs)
