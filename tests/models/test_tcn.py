"""The family `tcn`: steps and scaling by hand, what it learns, frames that teach nothing, storage, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.labelled import LabelledVideo, whole_spans
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import ContractError, DataError, UsageError
from etholake.events.types import Event
from etholake.features.registry import table_encoder
from etholake.models.archive import load_model
from etholake.models.network_model import WEIGHTS
from etholake.models.registry import resolve
from etholake.models.tcn.config import TcnConfig
from etholake.models.tcn.learning import fit
from etholake.models.tcn.model import TcnModel
from etholake.models.tcn.sequences import Scaling, Steps, averaged, steps_of

SMALL = TcnConfig(width=8, blocks=2, networks=2, crop_s=20, batch=8, steps=40, max_steps=40, lr=1e-2, dropout=0.0)
LABELED = ((1, 1, "rest"), (1, 2, "chase"), (2, 1, "chase"))
BOUT, FRAMES = 60, 1205


def _video(number: int, lab: str = "north", frames: int = FRAMES) -> LabelledVideo:
    """In turn mouse 1 runs behind mouse 2, or rests while mouse 2 runs alone far away."""
    random = np.random.default_rng(number)
    chasing = (np.arange(frames) // BOUT) % 2 == 0
    x = np.cumsum(np.full(frames, 0.3))
    at = np.where(chasing, x - 6, np.maximum.accumulate(np.where(chasing, x, 0)) - 6)
    shape = np.linspace(2, -2, len(UNIFIED_PARTS))
    animals = [
        np.stack([centre[:, None] + shape, np.full((frames, len(shape)), y)], axis=-1)
        for centre, y in ((at, 0.0), (x + np.where(chasing, 0, 20), 1.0))
    ]
    xy = np.stack(animals, axis=1) + random.normal(0, 0.05, (frames, 2, len(shape), 2))
    xy[random.random(xy.shape[:3]) < 0.1] = np.nan
    meta = VideoMeta(number, lab, 30.0, 10.0, labeled_behaviors=LABELED)
    tracks = PoseTracks(meta, xy.astype("f4"), np.isfinite(xy[..., 0]), (1, 2), 0, frames)
    bouts = [(s, min(s + BOUT, frames)) for s in range(0, frames, BOUT)]
    events = [Event(number, 1, 2 if chasing[s] else 1, "chase" if chasing[s] else "rest", s, e) for s, e in bouts]
    return LabelledVideo(tracks, tuple(events))


@pytest.fixture(scope="module")
def videos() -> list[LabelledVideo]:
    return [_video(1), _video(2)]


@pytest.fixture(scope="module")
def model(videos: list[LabelledVideo]) -> TcnModel:
    return fit(videos, whole_spans(videos), SMALL)


def _chase(model: TcnModel, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> NDArray[np.float32]:
    (pair,) = (p for p in model.predict(tracks, frames) if (p.agent_id, p.target_id) == (1, 2))
    return pair.probabilities_TA[:, pair.actions.index("chase")]


# --- steps and scaling ------------------------------------------------------------------------------------
def test_steps_are_means_of_what_is_seen() -> None:
    values = np.array([[1, np.nan], [3, np.nan], [5, 7], [9, 8]], dtype="f4")
    mean, seen = averaged(values, 3)
    np.testing.assert_allclose(mean, [[3, 7], [9, 8]])
    np.testing.assert_allclose(seen, [[1, 1 / 3], [1, 1]])  # the last step is one frame long
    assert np.isnan(averaged(values[:2], 2)[0][0, 1])


def test_a_part_of_the_steps_is_what_all_steps_hold_there(
    videos: list[LabelledVideo], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks, encoder = videos[0].tracks, table_encoder("moment")
    whole = steps_of(tracks, encoder, 1, 2, 10)
    monkeypatch.setattr("etholake.models.tcn.sequences.CHUNK_S", 7.0)
    part = steps_of(tracks, encoder, 1, 2, 10, range(30, 100))
    assert part.names == whole.names
    np.testing.assert_allclose(part.mean_SF, whole.mean_SF[30:100], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(part.seen_SF, whole.seen_SF[30:100])
    assert len(whole.mean_SF) == 121  # 1205 frames, ten a step


def test_scaling_of_columns_by_hand() -> None:
    seen = np.array([[1, 1, 1, 0.2], [1, 1, 1, 1]], "f4").repeat(50, axis=0)
    mean = np.stack([np.arange(100), np.full(100, 4), np.full(100, np.nan), np.arange(100)], axis=1).astype("f4")
    scaling = Scaling.fit([Steps(("rising", "constant", "empty", "half seen"), mean, seen)])
    assert scaling.columns == ("rising", "half seen")
    assert scaling.masks == ("half seen",)
    other = Steps(("half seen",), np.array([[np.nan], [1e6]], "f4"), np.array([[0.0], [1.0]], "f4"))
    x = scaling(other)
    assert x.shape == (2, 3)
    assert x[:, 0].tolist() == [0, 0]  # the column that the video lacks
    assert x[:, 1].tolist() == pytest.approx([0, 1.7], abs=0.1)  # clipped to the largest of the training data
    assert x[:, 2].tolist() == pytest.approx([-0.7 / 0.3, 1])


@pytest.mark.slow
# --- learning ---------------------------------------------------------------------------------------------
def test_it_learns_behaviors_of_pairs_and_of_one_animal(model: TcnModel) -> None:
    held_out = _video(3)
    truth = (np.arange(FRAMES) // BOUT) % 2 == 0
    by_pair = {(p.agent_id, p.target_id): p for p in model.predict(held_out.tracks)}
    assert {at: p.actions for at, p in by_pair.items()} == {
        (1, 1): ("rest",), (1, 2): ("chase",), (2, 1): ("chase",)
    }  # fmt: skip
    chase, rest = (by_pair[at].probabilities_TA[:, 0] for at in ((1, 2), (1, 1)))
    assert len(chase) == FRAMES
    for during, elsewhere in ((chase[truth], chase[~truth]), (rest[~truth], rest[truth])):
        assert during.mean() > 0.8
        assert elsewhere.mean() < 0.2


def test_the_same_seed_gives_the_same_model_and_leaves_torch_alone(videos: list[LabelledVideo]) -> None:
    brief = replace(SMALL, steps=3, networks=1)
    torch.manual_seed(7)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    one, two, other = (fit(videos, whole_spans(videos), replace(brief, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads
    a, b, c = (_chase(m, videos[0].tracks) for m in (one, two, other))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_frames_outside_the_spans_teach_nothing(videos: list[LabelledVideo]) -> None:
    """Outside of the span the labels are turned around: what is learnt must not change."""
    brief, span = replace(SMALL, steps=5, networks=1), [Span(1, "north", 0, 605)]
    early = tuple(e for e in videos[0].events if e.start_frame < 605)
    wrong = replace(videos[0], events=(*early, Event(1, 1, 2, "chase", 660, FRAMES)))
    one, other = (fit([v], span, brief) for v in (videos[0], wrong))
    np.testing.assert_array_equal(_chase(one, _video(3).tracks), _chase(other, _video(3).tracks))


def test_frames_in_which_nobody_looked_teach_nothing(videos: list[LabelledVideo]) -> None:
    brief = replace(SMALL, steps=5, networks=1)
    looked_for = {(1, 2, "chase"): ((0, 600),), (2, 1, "chase"): ((0, 600),), (1, 1, "rest"): ((0, 600),)}
    early = tuple(e for e in videos[0].events if e.start_frame < 600)
    wrong = replace(videos[0], events=(*early, Event(1, 1, 2, "chase", 660, FRAMES)))
    one, other = (fit([replace(v, spans=looked_for)], whole_spans([v]), brief) for v in (videos[0], wrong))
    np.testing.assert_array_equal(_chase(one, _video(3).tracks), _chase(other, _video(3).tracks))


def test_a_lab_of_one_step_gets_no_expert(videos: list[LabelledVideo]) -> None:
    brief, short = replace(SMALL, steps=2, networks=1), _video(4, "brief", frames=6)
    model = fit([videos[0], short], [*whole_spans(videos[:1]), *whole_spans([short])], brief)
    assert model.labs == ("north",)


def test_nothing_to_learn_is_said(videos: list[LabelledVideo]) -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        fit([replace(videos[0], events=())], whole_spans(videos[:1]), SMALL)


# --- prediction -------------------------------------------------------------------------------------------
def test_a_range_of_frames_is_what_the_whole_video_has_there(model: TcnModel) -> None:
    tracks = _video(3).tracks
    whole, part = _chase(model, tracks), _chase(model, tracks, (500, 700))
    np.testing.assert_allclose(part[500:700], whole[500:700], atol=1e-4)
    assert np.isnan(np.concatenate([part[:490], part[710:]])).all()


def test_an_unknown_lab_gets_the_mean_of_all_labs(videos: list[LabelledVideo]) -> None:
    brief, south = replace(SMALL, steps=5, networks=1), _video(2, "south")
    both = fit([videos[0], south], whole_spans([videos[0], south]), brief)
    assert both.lab_actions == {"north": ["chase", "rest"], "south": ["chase", "rest"]}
    stranger = _video(3, "west").tracks
    logits = [
        np.log(p / (1 - p))
        for p in (_chase(both, replace(stranger, meta=replace(stranger.meta, lab_id=lab))) for lab in both.labs)
    ]
    mean = 1 / (1 + np.exp(-np.mean(logits, axis=0)))
    np.testing.assert_allclose(_chase(both, stranger), mean, atol=1e-3)


def test_a_video_of_a_few_frames_and_one_without_points(model: TcnModel) -> None:
    assert len(_chase(model, _video(3, frames=3).tracks)) == 3
    tracks = _video(3).tracks
    empty = replace(tracks, xy_TMK2=np.full_like(tracks.xy_TMK2, np.nan))
    assert np.isfinite(_chase(model, empty)).all()


# --- storage ----------------------------------------------------------------------------------------------
def test_a_stored_model_predicts_the_same(model: TcnModel, tmp_path: Path) -> None:
    model.part_map = "snout=nose"
    model.save(tmp_path)
    read = load_model(tmp_path)
    assert isinstance(read, TcnModel)
    assert (read.config, read.part_map, read.lab_actions) == (SMALL, "snout=nose", model.lab_actions)
    np.testing.assert_array_equal(_chase(read, _video(3).tracks), _chase(model, _video(3).tracks))


def test_a_model_that_does_not_fit_is_refused(model: TcnModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    for change, reason in (
        ({"config": {**meta["config"], "layers": 3}}, "layers"),
        ({"config": {**meta["config"], "width": 9}}, "do not fit their meta.json"),
        ({"experts": [{**row, "columns": row["columns"][1:]} for row in meta["experts"]]}, "do not fit"),
        ({"features": {"name": "moment", "version": 0}}, "moment version 0"),
    ):
        (tmp_path / "meta.json").write_text(json.dumps(meta | change))
        with pytest.raises(ContractError, match=reason):
            load_model(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(ContractError, match="cannot be read"):
        load_model(tmp_path)


def test_configurations() -> None:
    family, config = resolve("tcn", {"width": 16})
    assert (family.name, config.width, config.reach, config.crop) == ("tcn", 16, 63, 180)
    assert TcnConfig().updates(10_000) == 250  # short data are drawn over and over
    assert TcnConfig().updates(1_000_000) == 2000
    assert "3 networks 32 wide, 3 steps a second" in family.explain({"networks": 3, "width": 32, "pool": 10})
    with pytest.raises(UsageError, match="steps must be at least 1"):
        resolve("tcn", {"steps": 0})
    with pytest.raises(UsageError, match="no field 'window'"):
        resolve("tcn", {"window": 64})
