"""Backbones of the library transformers: from a folder into a model that is stored, loaded, used; and refusals."""

from __future__ import annotations

import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import filmed  # type: ignore[import-not-found]
import numpy as np
import pytest
import torch
from chases import training_data, video  # type: ignore[import-not-found]
from safetensors.torch import load_file, save_file

from etholake.dataset.labelled import TrainingData, whole_spans
from etholake.dataset.split import Split
from etholake.errors import ContractError, UsageError
from etholake.models.archive import load_model
from etholake.models.registry import resolve
from etholake.models.vision.transformers_backbone import TransformersBackbone
from etholake.models.vision.transformers_config import sizes_of_folder
from etholake.models.vision.weights_file import weights_digest
from etholake.stages.model.backbones import extra_of_archive, extra_of_config
from etholake.training.fit import fit

pytestmark = pytest.mark.slow  # the library takes seconds to import

pytest.importorskip("transformers", reason="pip install 'etholake[video]'")

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8,
}  # fmt: skip
MORE: dict[str, dict[str, Any]] = {
    "vit": {"intermediate_size": 48},
    "dinov2": {"mlp_ratio": 2},
    "videomae": {"intermediate_size": 48, "num_frames": 4, "use_mean_pooling": False},
}
SHORT = {"epochs": 1, "batches_per_epoch": 2, "freeze_epochs": -1}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("transformers-films")
    return training_data([filmed.filmed(folder / str(i), video(i, "A", frames=48)) for i in range(1, 3)])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind, as `save_pretrained` of a model with a head (or of pre-training) writes it."""
    import transformers

    root: Path = tmp_path_factory.mktemp("published")
    torch.manual_seed(5)
    small = {"decoder_hidden_size": 8, "decoder_num_attention_heads": 1, "decoder_num_hidden_layers": 1}
    for kind, config, model, more in (
        ("vit", "ViTConfig", "ViTForImageClassification", {}),
        ("dinov2", "Dinov2Config", "Dinov2ForImageClassification", {}),
        ("videomae", "VideoMAEConfig", "VideoMAEForPreTraining", small),
    ):
        made = getattr(transformers, config)(**SIZES, **MORE[kind], **more)
        getattr(transformers, model)(made).save_pretrained(root / kind)
    (root / "vit" / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3]}))
    return root


@pytest.mark.parametrize(
    ("config", "kind"),
    [("multitask:smoke", "dinov2"), ("multitask:smoke", "videomae"), ("crop_sequence:smoke", "vit")],
)
def test_a_model_of_published_weights_is_trained_stored_and_loaded(
    films: TrainingData, published: Path, tmp_path: Path, config: str, kind: str
) -> None:
    everything = Split(tuple(whole_spans(films.videos)), (), ())
    fields = {**SHORT, "backbone": f"transformers_{kind}"}
    report = fit(films, tmp_path / "model", config, fields, weights=published / kind, split=everything)
    assert report["backbone"]["file"] == "model.safetensors"
    assert report["backbone"]["left_out"] > 0
    model: Any = load_model(tmp_path / "model")
    assert model.config.backbone_config == sizes_of_folder(f"transformers_{kind}", published / kind)
    encoder = model.network.get_submodule("backbone" if "crop" in config else "frames")
    given = TransformersBackbone(f"transformers_{kind}", 32, model.config.backbone_config)
    given.load_from(f"transformers_{kind}", published / kind)
    stored = encoder.state_dict()
    assert all(torch.equal(stored[name], value) for name, value in given.state_dict().items())  # frozen
    tracks = films.videos[0].tracks
    once, again = (
        [pair.probabilities_TA for pair in m.predict(tracks)] for m in (model, load_model(tmp_path / "model"))
    )
    assert once
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first, second)


def test_features_are_those_of_the_library(published: Path) -> None:
    """ViT: class token, normalised as its files say; VideoMAE: patches averaged over a picture."""
    import transformers

    frames = torch.randint(0, 256, (2, 8, 16, 16, 3), dtype=torch.uint8)
    for kind in MORE:
        name = f"transformers_{kind}"
        backbone = TransformersBackbone(name, 16, sizes_of_folder(name, published / kind)).eval()
        backbone.load_from(name, published / kind)
        mean = torch.tensor([0.1, 0.2, 0.3] if kind == "vit" else [0.485, 0.456, 0.406])
        std = torch.tensor([0.5] * 3 if kind == "vit" else [0.229, 0.224, 0.225])
        x_BT3HW = ((frames / 255 - mean) / std).permute(0, 1, 4, 2, 3)
        library = transformers.AutoModel.from_pretrained(published / kind, local_files_only=True).eval()
        with torch.no_grad():
            features = backbone(frames)
            if kind == "videomae":
                tokens = library(x_BT3HW.reshape(4, 4, 3, 16, 16)).last_hidden_state  # 4 pieces of 4 frames
                expected = tokens.view(2, 4, 4, 32).mean(2).repeat_interleave(2, dim=1)  # 2 frames a time step
            else:
                expected = library(x_BT3HW.flatten(0, 1)).last_hidden_state[:, 0].view(2, 8, 32)
        torch.testing.assert_close(features, expected)


@pytest.mark.parametrize("kind", MORE)
def test_every_parameter_has_a_gradient_and_crops_may_have_another_size(kind: str) -> None:
    backbone = TransformersBackbone(f"transformers_{kind}", 32, {**SIZES, **MORE[kind]})
    features = backbone(torch.randint(0, 256, (1, 4, 32, 32, 3), dtype=torch.uint8))
    assert features.shape == (1, 4, 32)
    features.square().sum().backward()
    assert [name for name, p in backbone.named_parameters() if p.grad is None] == []


def test_a_job_installs_the_library_where_the_model_needs_it(films: TrainingData, tmp_path: Path) -> None:
    fields = {"backbone": "transformers_dinov2", "backbone_config": SIZES}
    assert extra_of_config("crop_sequence:smoke", {}) == extra_of_config("boosted", {}) == ""
    assert extra_of_config("boosted,multitask:smoke", {"multitask:smoke": fields}) == "video"
    everything = Split(tuple(whole_spans(films.videos)), (), ())
    fit(films, tmp_path / "model", "multitask:smoke", {**SHORT, **fields}, split=everything)
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as content:
        content.add(tmp_path / "model", "members/0")
    assert extra_of_archive(archive.read_bytes()) == "video"


# --- refusals ---------------------------------------------------------------------------------------------
def test_weights_that_do_not_fit_are_named(published: Path, tmp_path: Path) -> None:
    name, place = "transformers_vit", tmp_path
    stored = load_file(published / "vit" / "model.safetensors")
    del stored["vit.embeddings.cls_token"]
    stored["vit.layernorm.weight"] = torch.ones(3)
    save_file({**stored, "vit.surplus": torch.ones(1)}, place / "model.safetensors")
    (place / "config.json").write_text((published / "vit" / "config.json").read_text())
    backbone = TransformersBackbone(name, 16, sizes_of_folder(name, place))
    with pytest.raises(
        ContractError, match=r"cls_token is missing; surplus is unknown; layernorm\.weight has shape"
    ):
        backbone.load_from(name, place)


def test_folders_of_another_kind_or_of_pickle_are_refused(published: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="needs a model of the type 'dinov2', but got 'vit'"):
        sizes_of_folder("transformers_dinov2", published / "vit")
    for content, reason in (("[" * 100_000, "cannot be read"), ("[]", "holds no configuration, but a list")):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ContractError, match=reason):
            sizes_of_folder("transformers_vit", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(
        UsageError, match=r"needs a folder with config\.json and model\.safetensors.*got pytorch_model\.bin"
    ):
        weights_digest(tmp_path, "transformers_vit")
    with pytest.raises(
        UsageError, match=r"There is no backbone 'transformers_vti'\. Did you mean 'transformers_vit'"
    ):
        resolve("multitask:smoke", {"backbone": "transformers_vti"})


def test_a_digest_of_weights_covers_their_configuration(published: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_bytes((published / "dinov2" / name).read_bytes())
    before = weights_digest(tmp_path, "transformers_dinov2")
    assert before == weights_digest(published / "dinov2", "transformers_dinov2")
    changed = {**json.loads((tmp_path / "config.json").read_text()), "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(changed))
    assert weights_digest(tmp_path, "transformers_dinov2") != before


def test_a_configuration_names_sizes_only(published: Path, tmp_path: Path) -> None:
    """Fields that could name code, another place or a kernel are not read; a size of another type is refused."""
    stored = json.loads((published / "vit" / "config.json").read_text())
    harmful = {
        "auto_map": {"AutoModel": "evil.Model"},
        "attn_implementation": "someone/kernel",
        "_name_or_path": "x/y",
    }
    (tmp_path / "config.json").write_text(json.dumps(stored | harmful))
    assert not harmful.keys() & sizes_of_folder("transformers_vit", tmp_path).keys()
    (tmp_path / "config.json").write_text(json.dumps(stored | {"hidden_size": "32", "image_size": [16, 16]}))
    with pytest.raises(
        ContractError, match=r"hidden_size must be a whole number above 0, but is '32'\n.*image_size must"
    ):
        sizes_of_folder("transformers_vit", tmp_path)
    for fields, reason in (
        (
            {"backbone": "transformers_vit", "backbone_config": {"hiden_size": 8}},
            "no field 'hiden_size' .*'hidden_size'",
        ),
        ({"backbone_config": {"hidden_size": 8}}, "the backbone is 'vit_tiny': leave hidden_size out"),
    ):
        with pytest.raises(UsageError, match=reason):
            resolve("multitask:smoke", fields)


def test_sizes_beside_weights_of_other_sizes_are_refused(published: Path) -> None:
    family, config = resolve(
        "multitask:smoke", {"backbone": "transformers_vit", "backbone_config": {"hidden_size": 64}}
    )
    with pytest.raises(UsageError, match="backbone_config has other values of hidden_size: leave them out"):
        family.with_weights(config, published / "vit")  # type: ignore[attr-defined]  # of networks
    with_sizes = family.with_weights(replace(config, backbone_config={}), published / "vit")  # type: ignore[attr-defined]
    assert with_sizes.backbone_config["hidden_size"] == 32


def test_crops_windows_and_sizes_that_do_not_fit_are_refused() -> None:
    sizes = {**SIZES, **MORE["videomae"]}
    with pytest.raises(UsageError, match="reads 4 frames at a time, and the window has 6"):
        TransformersBackbone("transformers_videomae", 16, sizes)(torch.zeros(1, 6, 16, 16, 3))
    with pytest.raises(
        UsageError, match="patches of 8 pixels and needs crops whose side is a multiple of that, but got 20"
    ):
        TransformersBackbone("transformers_vit", 20, {**SIZES, **MORE["vit"]})
    with pytest.raises(UsageError, match="builds no vit of these sizes: 3 heads do not part a width of 32"):
        TransformersBackbone("transformers_vit", 16, {**SIZES, "num_attention_heads": 3})


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"needs the library transformers, not importable.*etholake\[video\]"):
        TransformersBackbone("transformers_vit", 16, SIZES)
