"""Fine-tuning to a new lab: vocabulary and labs grow by name, what was learnt stays, the report says so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from chases import training_data, video  # type: ignore[import-not-found]

from etholake.contract import ACTIONS
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Span
from etholake.errors import ContractError, UsageError
from etholake.models.archive import META
from etholake.models.cnn_transformer.family import FAMILY
from etholake.models.network_family import load_network
from etholake.training import finetune
from etholake.training.fit import fit
from etholake.training.validation import HeldOut

Trained = tuple[Path, dict[str, Any]]
OWN = "waltz"  # what the new lab calls a chase: no action of the 37


def new_lab() -> TrainingData:
    """Five videos of another lab, which annotates rests, and chases by a name of its own."""
    videos = []
    for i in range(11, 16):
        made: LabelledVideo = video(i, "New", labeled_behaviors=((1, 1, "rest"), (1, 2, OWN)))
        events = tuple(
            dataclasses.replace(e, action=OWN if e.action == "chase" else e.action) for e in made.events
        )
        videos.append(LabelledVideo(made.tracks, events))
    return dataclasses.replace(training_data(videos), actions=(*ACTIONS, OWN))


@pytest.fixture(scope="module")
def tuned(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("tuned")
    return folder, fit(new_lab(), folder, "", {"epochs": 2}, base=load_network(trained[0]))


@pytest.mark.slow
def test_the_new_lab_and_its_action_are_learnt(tuned: Trained) -> None:
    folder, report = tuned
    model, data = load_network(folder), new_lab()
    assert model.actions == (*ACTIONS, OWN)
    assert model.labs == ("A", "B", "New")
    assert model.lab_actions == {"A": ["chase", "rest"], "B": ["chase", "rest"], "New": ["rest", OWN]}
    score = HeldOut.of(model, data.videos, [Span(**span) for span in report["split"]["test"]]).score(
        model.post_processing
    )
    assert score is not None
    assert score.score > 0.9


def test_a_run_does_not_go_on_from_another_checkpoint_of_the_same_training(
    trained: Trained, tmp_path: Path
) -> None:
    base, short = load_network(trained[0]), {"epochs": 1, "batches_per_epoch": 1}
    fit(new_lab(), tmp_path / "one", "", short, base=base, checkpoints=tmp_path / "state")
    with torch.no_grad():
        next(base.network.parameters()).mul_(1.01)
    with pytest.raises(ContractError, match="belongs to a run with other data"):
        fit(new_lab(), tmp_path / "two", "", short, base=base, checkpoints=tmp_path / "state")


def test_the_report_tells_before_after_and_what_was_added(trained: Trained, tuned: Trained) -> None:
    folder, report = tuned
    summary = report["fine_tuned"]
    assert (summary["labs_added"], summary["actions_added"], summary["from"]) == (["New"], [OWN], "fingerprint")
    assert summary["before"]["labs"]["New"]["actions"][OWN] < 0.1
    assert report["validation"]["score"] > summary["before"]["score"] + 0.2
    assert json.loads((folder / META).read_text(encoding="utf-8"))["fine_tuned"] == summary
    assert report["training_seconds"].keys() == {"A", "B", "New"}
    assert report["training_seconds"]["A"] == trained[1]["training_seconds"]["A"]
    n_events = sum(len([e for e in v.events if e.action == "rest"]) for v in new_lab().videos)
    train = {span["video_id"] for span in report["split"]["train"]}
    assert report["training_seconds"]["New"]["rest"] == pytest.approx(
        n_events / 5 * len(train) * 40 / 30, rel=0.02
    )


def test_before_training_the_extended_model_says_what_the_model_said(trained: Trained) -> None:
    base, tracks = load_network(trained[0]), video(21, "A").tracks
    share = torch.full((len(ACTIONS) + 1,), 0.25)
    model = finetune.extended(FAMILY, base, base.config, (*ACTIONS, OWN), ("A", "B", "New"), {"New": [OWN]}, share)
    for before, after in zip(base.predict(tracks), model.predict(tracks), strict=True):
        assert before.actions == after.actions
        torch.testing.assert_close(torch.tensor(before.probabilities_TA), torch.tensor(after.probabilities_TA))
    torch.testing.assert_close(model.network.lab.weight[3], base.network.lab.weight[0])  # type: ignore[union-attr]
    assert torch.sigmoid(model.network.head.bias[-1]).item() == pytest.approx(0.25)  # type: ignore[union-attr]
    assert model.scaler.median_F.equal(base.scaler.median_F)
    learnt, never = ACTIONS.index("chase"), ACTIONS.index("mount")
    weights = model.network.head.weight, base.network.head.weight
    assert weights[0][learnt].equal(weights[1][learnt])  # type: ignore[index,operator]
    assert not weights[0][never].equal(weights[1][never])  # type: ignore[index,operator]


def test_the_trunk_learns_more_slowly(trained: Trained, tmp_path: Path) -> None:
    base = load_network(trained[0])
    changes = {"epochs": 1, "batches_per_epoch": 3, "trunk_lr": 0.0, "weight_decay": 0.0}
    fit(new_lab(), tmp_path, "", changes, base=base)
    before, after = base.network.state_dict(), load_network(tmp_path).network.state_dict()
    assert before["inputs.weight"].equal(after["inputs.weight"])
    assert not before["head.weight"][ACTIONS.index("rest")].equal(after["head.weight"][ACTIONS.index("rest")])


def test_another_size_of_network_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"keeps the network of the model: its encoder and sizes \(width"):
        fit(new_lab(), tmp_path, "", {"width": 64}, base=load_network(trained[0]))


def test_names_of_parts_are_joined() -> None:
    assert finetune.joined_part_map("", "") == ""
    assert finetune.joined_part_map("snout=nose", "snout=nose, rump=tail_base") == "snout=nose,rump=tail_base"
