"""PoseBert: any skeleton, what is hidden, the interpolation that it corrects, and what fine-tuning changes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.windows import Tracks
from etholake.errors import UsageError
from etholake.features.keypoints import ENCODER, UNIT_CM
from etholake.models.family import Sizes
from etholake.models.pose_bert.config import PoseBertConfig
from etholake.models.pose_bert.masking import hidden_points, hidden_spans, reconstruction_loss
from etholake.models.pose_bert.network import PoseBert, Skeleton, interpolated
from etholake.models.registry import resolve

K = len(UNIFIED_PARTS)


def network(skeleton: Skeleton, **changes: Any) -> PoseBert:
    torch.manual_seed(0)
    sizes = {"classes": 3, "labs": 2, "head": "frame", "width": 16, "layers": 2, "heads": 2, "dropout": 0.0,
             "positions": "learned", "longest": 64, "rank": 0}  # fmt: skip
    return PoseBert(skeleton=skeleton, **{**sizes, **changes}).eval()


def tracks(B: int = 4, T: int = 20) -> Tracks:
    """Points that all move along a line at 1 cm a frame."""
    torch.manual_seed(1)
    start = 10 * torch.randn(B, 2, 1, K, 2)
    xy = start + torch.arange(T)[None, None, :, None, None] * torch.tensor([1.0, 0.0])
    return Tracks(xy, torch.ones(B, 2, T, K, dtype=torch.bool), torch.zeros(B) > 0, *torch.zeros(2, B))


@pytest.mark.parametrize(("animals", "parts", "dimensions"), [(1, 5, 2), (2, 8, 2), (3, 12, 3)])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_it_reads_any_skeleton(animals: int, parts: int, dimensions: int, positions: str) -> None:
    skeleton = Skeleton(animals, parts, dimensions)
    built = network(skeleton, positions=positions)
    x = torch.randn(2, 30, animals * parts * (dimensions + 1))
    x[..., animals * parts * dimensions :] = 0
    assert built(x, torch.tensor([0, 1]), torch.ones(2, 3)).shape == (2, 30, 3)
    places, velocities = built.reconstruct(x, torch.tensor([0, 1]))
    assert places.shape == velocities.shape == (2, 30, animals * parts, dimensions)


def test_rows_of_another_skeleton_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected 24 columns \(1 animals, 8 parts, 2D\), but got 32"):
        network(Skeleton(1, 8, 2))(torch.zeros(1, 5, 32), torch.zeros(1, dtype=torch.long), torch.ones(1, 3))
    family, config = resolve("pose_bert:smoke")
    with pytest.raises(UsageError, match=r"pose_bert reads 48 columns .*2D.*but the encoder 'keypoints' gives 64"):
        family.build(config, Sizes(64, 3, 2))  # type: ignore[attr-defined]


def test_what_a_missing_point_says_does_not_matter() -> None:
    built, x = network(Skeleton(1, 2, 2)), torch.randn(1, 10, 6)
    x[..., 4:] = 0
    x[0, 3, 4] = 1
    other = x.clone()
    other[0, 3, :2] = 99.0
    lab, labeled = torch.zeros(1, dtype=torch.long), torch.ones(1, 3)
    torch.testing.assert_close(built(x, lab, labeled), built(other, lab, labeled))


def test_the_clip_head_gives_all_frames_the_answer_of_the_cls_token() -> None:
    logits = network(Skeleton(1, 2, 2), head="clip")(torch.zeros(2, 9, 6), torch.tensor([0, 1]), torch.ones(2, 3))
    assert logits.shape == (2, 9, 3)
    assert (logits == logits[:, :1]).all()


def test_a_batch_is_the_same_as_its_samples_one_by_one() -> None:
    built, x, lab = network(Skeleton(2, K, 2)), torch.randn(3, 20, 48), torch.tensor([0, 1, 1])
    together = built(x, lab, torch.ones(3, 3))
    alone = torch.cat([built(x[[b]], lab[[b]], torch.ones(1, 3)) for b in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_interpolation_is_the_number_worked_out_by_hand() -> None:
    """Two animals of two parts in one dimension over five frames."""
    nan = math.nan
    x_TP = torch.tensor([[nan, 0, 3, nan], [2, 0, 3, nan], [nan, 0, 4, nan], [nan, 0, 4, nan], [8, 0, nan, nan]])
    missing = x_TP.isnan()
    places = x_TP.nan_to_num(nan=0.0)
    line = interpolated(places[None, ..., None], missing[None].float(), 2)[0, ..., 0]
    assert line[:, 0].tolist() == [2, 2, 4, 6, 8]  # held before the first, a line between
    assert line[:, 1].tolist() == [0] * 5
    assert line[:, 2].tolist() == [3, 3, 4, 4, 4]
    assert line[:, 3].tolist() == [3, 3, 4, 4, 0]  # never seen: the mean of its animal, where there is one


def test_before_it_learns_it_interpolates() -> None:
    built, some = network(Skeleton(2, K, 2)), tracks()
    hidden = some.xy_BRTK2.clone()
    hidden[:, :, 5:9, 0] = math.nan
    places, velocities = built.reconstruct(
        ENCODER(replace(some, xy_BRTK2=hidden)), torch.zeros(4, dtype=torch.long)
    )
    steps = places[:, :, 0].diff(dim=1) * UNIT_CM
    torch.testing.assert_close(steps, torch.tensor([1.0, 0.0]).expand_as(steps), atol=1e-4, rtol=0)
    torch.testing.assert_close(velocities[:, 1:, 0] * UNIT_CM, steps, atol=1e-4, rtol=0)


def test_about_the_fraction_is_hidden_in_spans_of_geometric_length() -> None:
    config = PoseBertConfig("x", mask_fraction=0.15, mask_span=10.0)
    random = torch.Generator().manual_seed(0)
    assert hidden_points((64, 2, 128, K), config, random).float().mean().item() == pytest.approx(0.15, abs=0.02)
    spans = hidden_spans((2000, 200), 0.02, 10.0, random)
    starts = spans & ~torch.nn.functional.pad(spans, (1, 0))[:, :-1]
    mean = spans.sum().item() / starts.sum().item()
    assert mean == pytest.approx(10, abs=1.5)


def test_the_loss_counts_hidden_measured_points_only() -> None:
    """A point that moves along a straight line is interpolated without an error, inside a window."""
    config, built, some = PoseBertConfig("x", mask_fraction=0.3), network(Skeleton(2, K, 2)), tracks(16, 40)
    lab = torch.zeros(16, dtype=torch.long)
    loss = reconstruction_loss(built, some, lab, config, torch.Generator().manual_seed(0))
    assert loss.item() > 0  # whole parts are hidden, too
    unmeasured = replace(some, observed_BRTK=torch.zeros_like(some.observed_BRTK))
    assert reconstruction_loss(built, unmeasured, lab, config, torch.Generator()).item() == 0


def test_hidden_points_do_not_reach_the_network() -> None:
    """The loss of a point depends on where it is, but what the network sees does not."""
    seen: list[torch.Tensor] = []
    built, some = network(Skeleton(2, K, 2)), tracks()
    built.reconstruct = lambda x, _lab: seen.append(x) or (torch.zeros(4, 20, 16, 2),) * 2  # type: ignore[func-returns-value,assignment]
    config, lab = PoseBertConfig("x"), torch.zeros(4, dtype=torch.long)
    for _ in range(2):
        hidden = hidden_points((4, 2, 20, K), config, torch.Generator().manual_seed(3))
        assert hidden.any()
        reconstruction_loss(built, some, lab, config, torch.Generator().manual_seed(3))
        some = replace(some, xy_BRTK2=torch.where(hidden[..., None], some.xy_BRTK2 + 500, some.xy_BRTK2))
    torch.testing.assert_close(seen[0], seen[1])


@pytest.mark.parametrize(("tuning", "rank"), [("frozen", 0), ("lora", 2)])
def test_a_frozen_trunk_trains_heads_labs_and_low_ranks(tuning: str, rank: int) -> None:
    family, config = resolve("pose_bert:smoke", {"tuning": tuning, "lora_rank": rank or 8})
    built = family.build(config, Sizes(48, 3, 2))  # type: ignore[attr-defined]
    named = dict(built.named_parameters())
    training = {name for name in named if family.trains(name, config)}  # type: ignore[attr-defined]
    low = {name for name in named if ".lora_" in name}
    assert training == {"head.weight", "head.bias", "lab.weight", "species.weight"} | low
    assert len(low) == (8 if rank else 0)
    if rank:  # B is zero: nothing changes yet
        plain = family.build(replace(config, tuning="full"), Sizes(48, 3, 2))  # type: ignore[attr-defined]
        plain.load_state_dict({name: value for name, value in built.state_dict().items() if name not in low})
        x, lab = torch.randn(1, 10, 48), torch.zeros(1, dtype=torch.long)
        torch.testing.assert_close(built(x, lab, torch.ones(1, 3)), plain(x, lab, torch.ones(1, 3)))


def test_configurations_that_make_no_network_are_refused() -> None:
    with pytest.raises(UsageError, match="head must be one of frame, clip, but got 'video'"):
        resolve("pose_bert", {"head": "video"})
    with pytest.raises(UsageError, match=r"width \(64\) must be a multiple of heads \(3\)"):
        resolve("pose_bert", {"heads": 3})
    with pytest.raises(UsageError, match="A window of 300 frames is longer than the learned positions reach"):
        resolve("pose_bert", {"window": 300})
    with pytest.raises(UsageError, match="mask_fraction must be between 0 and 1"):
        resolve("pose_bert", {"mask_fraction": 1.5})


def test_the_presets_have_the_published_sizes() -> None:
    base, small = resolve("pose_bert:base")[1], resolve("pose_bert:small")[1]
    assert (base.layers, base.heads, base.width) == (12, 12, 768)
    assert (small.layers, small.heads, small.width) == (4, 4, 128)


@pytest.mark.parametrize(
    ("name", "window", "step", "batch"),
    [("calms21", 200, 100, 128), ("mabe22", 80, 40, 32), ("deepethogram", 180, 180, 64)],
)
def test_data_sets_have_the_published_windows(name: str, window: int, step: int, batch: int) -> None:
    config = resolve(f"pose_bert:{name}")[1]
    assert (config.window, config.step, config.batch) == (window, step, batch)
    assert config.window <= config.longest
