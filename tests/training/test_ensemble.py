"""Ensembles: averaging by hand, out-of-fold predictions as a table, a cross-validated one from data to use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from chases import SMALL, video  # type: ignore[import-not-found]

from etholake.contract import TABLES, arrow_schema
from etholake.dataset.labelled import TrainingData
from etholake.dataset.split import Span
from etholake.errors import ContractError
from etholake.events.types import PairScores
from etholake.models.archive import META, load_model
from etholake.models.ensemble.model import Ensemble, average
from etholake.models.network_model import NetworkModel
from etholake.training.cross import OUT_OF_FOLD, fit_folds
from etholake.training.cross_plan import CrossValidationPlan
from etholake.training.oof import from_table, read_oof, to_table, write_oof

QUICK = {**SMALL, "epochs": 2, "batches_per_epoch": 8, "threads": 1}
PLAN = CrossValidationPlan(("smoke",), folds=2, seeds=(0, 1))


def pair_scores(
    values: list[list[float]], actions: tuple[str, ...] = ("attack", "chase"), first: int = 10
) -> PairScores:
    return PairScores(7, "Lab", 25.0, 1, 2, first, actions, np.array(values, dtype=np.float32))


def test_averages_by_hand() -> None:
    one, two = pair_scores([[0.2, 0.9], [0.5, np.nan]]), pair_scores([[0.6, 0.1], [0.5, 0.3]])
    (mean,) = average([[one], [two]])
    np.testing.assert_allclose(mean.probabilities_TA, [[0.4, 0.5], [0.5, 0.3]], rtol=1e-6)
    assert (mean.first_frame, mean.actions, mean.fps) == (10, ("attack", "chase"), 25.0)
    (odds,) = average([[one], [two]], "logit")
    geometric = np.sqrt(0.2 / 0.8 * 0.6 / 0.4)
    np.testing.assert_allclose(odds.probabilities_TA[0], [geometric / (1 + geometric), 0.5], rtol=1e-5)
    sure = average([[pair_scores([[1.0, 0.0]])], [pair_scores([[0.5, 0.5]])]], "logit")[0].probabilities_TA
    assert 0.98 < sure[0, 0] < 1
    assert 0 < sure[0, 1] < 0.02


def test_a_member_that_does_not_know_an_action_is_not_asked() -> None:
    knows, not_all = pair_scores([[0.2, 0.8]]), pair_scores([[0.4]], ("chase",))
    (mean,) = average([[knows], [not_all]])
    np.testing.assert_allclose(mean.probabilities_TA, [[0.2, 0.6]], rtol=1e-6)
    (alone,) = average([[], [not_all]])
    assert alone.actions == ("chase",)
    with pytest.raises(ContractError, match="Video 7: the members' scores are of different frames"):
        average([[knows], [pair_scores([[0.4, 0.1]], first=11)]])


# --- the table --------------------------------------------------------------------------------------------
def test_out_of_fold_rows_and_back() -> None:
    pairs = [(0, pair_scores([[0.1234, 0.9], [np.nan, 0.25]])), (1, pair_scores([[0.5, 1.0]], first=12))]
    table = to_table(pairs)
    assert table.schema.equals(arrow_schema("out_of_fold"))
    rows = table.select(["action", "video_frame", "probability", "fold"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("attack", 10, pytest.approx(0.123), 0), ("attack", 12, 0.5, 1),
        ("chase", 10, pytest.approx(0.9), 0), ("chase", 11, 0.25, 0), ("chase", 12, 1.0, 1),
    ]  # fmt: skip
    assert TABLES["out_of_fold"].sort[-2:] == ("action", "video_frame")
    back = from_table(table)
    assert [(p.first_frame, p.actions, p.fps, p.lab_id) for p in back] == [
        (10, ("attack", "chase"), 25.0, "Lab"), (12, ("attack", "chase"), 25.0, "Lab"),
    ]  # fmt: skip
    np.testing.assert_allclose(back[0].probabilities_TA, [[0.123, 0.9], [np.nan, 0.25]], atol=1e-6)
    assert from_table(to_table([])) == []


def test_a_row_takes_about_two_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-np.cumsum(random.normal(0, 0.3, (20_000, 2)), axis=0)))
    assert write_oof(tmp_path / "oof.parquet", [(0, pair_scores(p.tolist()))]) == 40_000
    assert (tmp_path / "oof.parquet").stat().st_size < 2.5 * 40_000


# --- from data to use -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def folder(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds by two seeds, the last fifth of video 1 kept for a test, with its own scratch and checkpoints."""
    at = tmp_path_factory.mktemp("ensemble")
    test = [Span(1, "A", 320, 400)]
    fit_folds(data, at / "model", PLAN, QUICK, test=test, scratch=at / "out", checkpoints=at / "checkpoints")
    return at


@pytest.mark.slow
def test_an_ensemble_predicts_the_mean_of_its_members(folder: Path) -> None:
    model = load_model(folder / "model")
    assert isinstance(model, Ensemble)
    assert len(model.members) == 2  # one a seed, trained on everything
    tracks = video(77, "A").tracks
    together, alone = model.predict(tracks), [member.predict(tracks) for member in model.members]
    for k, pair in enumerate(together):
        mean = np.mean([scores[k].probabilities_TA for scores in alone], axis=0)
        np.testing.assert_allclose(pair.probabilities_TA, mean, atol=1e-6)
    assert {event.action for event in model.events(tracks)} == {"chase", "rest"}
    assert model.lab_actions == {"A": ["chase", "rest"], "B": ["chase", "rest"]}
    assert model.notes(video(1, "Elsewhere").tracks)[0].startswith("lab Elsewhere was not in the training data")
    assert isinstance(load_model(folder / "model" / "members" / "0"), NetworkModel)


@pytest.mark.slow
def test_out_of_fold_scores_are_of_models_that_had_not_seen_the_frames(folder: Path, data: TrainingData) -> None:
    meta = json.loads((folder / "model" / META).read_text())
    assert meta["validation"]["score"] > 0.8
    kept = load_model(folder / "model").members  # type: ignore[union-attr]
    for member in kept:
        spans = {(s["video_id"], s["stop_frame"]) for s in member.details["split"]["train"]}
        assert spans == {(1, 320), *((v, 400) for v in range(2, 7))}
    places = folder / "checkpoints" / "members"
    members = [load_model(places / f"smoke-seed{seed}-fold{fold}") for seed in (0, 1) for fold in (0, 1)]
    scores = read_oof(folder / "out" / OUT_OF_FOLD)
    frames = {(p.video_id, p.target_id): 0 for p in scores}
    for pair in scores:
        frames[pair.video_id, pair.target_id] += len(pair.probabilities_TA)
    assert frames == {(v, t): 320 if v == 1 else 400 for v in range(1, 7) for t in (1, 2)}
    for fold in (0, 1):
        trained = {s["video_id"] for s in members[fold].details["split"]["train"]}
        held_out = {s["video_id"] for s in members[fold].details["split"]["test"]}
        assert not trained & held_out
        assert trained | held_out == set(range(1, 7))
    pair = next(p for p in scores if p.video_id == 2 and p.target_id == 2)
    fold = next(k for k in (0, 1) if 2 in {s["video_id"] for s in members[k].details["split"]["test"]})
    tracks = next(v.tracks for v in data.videos if v.tracks.video_id == 2)
    own = [m.predict(tracks)[1].probabilities_TA for m in (members[fold], members[2 + fold])]
    np.testing.assert_allclose(pair.probabilities_TA, np.mean(own, axis=0), atol=6e-4)


@pytest.mark.slow
def test_members_that_are_done_are_not_trained_again(folder: Path, data: TrainingData, tmp_path: Path) -> None:
    epochs: list[int] = []
    fit_folds(
        data, tmp_path / "model", PLAN, QUICK, lambda epoch, _n, _row: epochs.append(epoch),
        test=[Span(1, "A", 320, 400)], scratch=tmp_path / "out", checkpoints=folder / "checkpoints",
    )  # fmt: skip
    assert epochs == []
    again, first = (json.loads((place / "model" / META).read_text()) for place in (tmp_path, folder))
    assert again.pop("frames_per_s") > 0, "measured anew"
    assert first.pop("frames_per_s") > 0
    assert again == first


@pytest.mark.slow
def test_a_configuration_that_spoils_the_out_of_fold_score_is_left_out(data: TrainingData, tmp_path: Path) -> None:
    """Trees of one round that may not split say the same of every frame; the mean with them is no better."""
    plan = CrossValidationPlan(("boosted", "smoke"), folds=2, space="logit", choose=True)
    fields = {"boosted": {"rounds": 1, "depth": 1, "min_child_weight": 1e9}, "smoke": QUICK}
    report = fit_folds(data, tmp_path / "model", plan, fields, scratch=tmp_path / "out")
    model = load_model(tmp_path / "model")
    assert isinstance(model, Ensemble)
    note = next(note for note in report["notes"] if note.startswith("out-of-fold scores: boosted with smoke "))
    scores = [float(part.split()[-1]) for part in note.partition(": ")[2].partition(";")[0].split(", ")]
    both, boosted, smoke = scores
    assert boosted < smoke - 0.05
    kept = [member.family for member in model.members]
    alone = "; smoke trained on everything" in note
    assert kept == (["cnn_transformer"] if alone else ["boosted", "cnn_transformer"])
    assert alone <= (smoke > both + 0.02)
    assert not report["split"]["test"]
    assert {s["video_id"] for s in report["split"]["train"]} == set(range(1, 7))


@pytest.mark.slow
def test_a_broken_ensemble_is_refused(folder: Path, tmp_path: Path) -> None:
    meta = json.loads((folder / "model" / META).read_text())
    for change, message in (
        ({"ensemble": {"members": 1, "space": "odds"}}, r"expected one of \('probability', 'logit'\)"),
        ({"ensemble": {}}, "is not the description of an ensemble"),
        ({"format": 1}, "has format 1; this code reads 5"),
    ):
        (tmp_path / META).write_text(json.dumps(meta | change))
        with pytest.raises(ContractError, match=message):
            load_model(tmp_path)
