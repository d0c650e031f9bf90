"""Video families on filmed motions: they learn, are stored, predict the same, and refuse other pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import filmed  # type: ignore[import-not-found]
import numpy as np
import pytest
import torch
from chases import training_data, video  # type: ignore[import-not-found]

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.clip_batch import ClipBatch
from etholake.dataset.labelled import TrainingData
from etholake.dataset.split import Span
from etholake.dataset.windows import Window
from etholake.errors import ContractError, DataError, UsageError
from etholake.features.registry import window_encoder
from etholake.models.archive import META, load_model
from etholake.models.multitask.loss import keypoint_loss
from etholake.models.registry import resolve
from etholake.stages.model import explain
from etholake.training import augment_clips
from etholake.training.fit import fit
from etholake.training.trainer import Trainer
from etholake.training.validation import HeldOut
from etholake.video.recipe import ClipRecipe
from etholake.video.stored_clips import StoredClips

pytestmark = pytest.mark.slow  # each family is trained
LEFT, RIGHT = UNIFIED_PARTS.index("ear_left"), UNIFIED_PARTS.index("ear_right")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """A lab of four filmed videos: two to train on, one to choose by, one to test."""
    folder = tmp_path_factory.mktemp("films")
    return training_data([filmed.filmed(folder / str(i), video(i, "A", frames=240)) for i in range(1, 5)])


@pytest.fixture(scope="module")
def trained(films: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("cnn3d")
    return folder, fit(films, folder, "cnn3d:smoke")


def test_a_3d_cnn_learns_from_films_and_is_stored(films: TrainingData, trained: tuple[Path, Any]) -> None:
    folder, report = trained
    model = load_model(folder)
    spans = [Span(**span) for span in report["split"]["test"]]
    score = HeldOut.of(model, films.videos, spans).score(model.post_processing)
    assert score is not None
    assert score.score > 0.9
    assert (model.family, model.clips.clip_set, model.clips.recipe) == ("cnn3d", "set1", filmed.RECIPE)
    assert not any(path.suffix in (".pkl", ".pt", ".pth") for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "config",
    [
        "video_pose:smoke",
        "crop_sequence:smoke",
        "slowfast:smoke",
        "multitask:smoke",
        pytest.param("multitask:smoke_actions", marks=pytest.mark.long),
    ],
)
def test_every_family_trains_is_stored_and_predicts(films: TrainingData, tmp_path: Path, config: str) -> None:
    report = fit(films, tmp_path, config, {"epochs": 2, "batches_per_epoch": 6})
    losses = [row["train_loss"] for row in report["history"]]
    assert losses[1] < losses[0]
    model, tracks = load_model(tmp_path), films.videos[0].tracks
    pairs = model.predict(tracks)
    assert {(pair.agent_id, pair.target_id, pair.actions) for pair in pairs} == {
        (1, 1, ("rest",)),
        (1, 2, ("chase",)),
    }
    assert all(np.isfinite(pair.probabilities_TA).all() and len(pair.probabilities_TA) == 240 for pair in pairs)
    assert explain.describe(tmp_path)["config_line"].startswith("configuration smoke")


def test_a_training_with_gradient_checkpointing_is_the_same_and_keeps_less(
    films: TrainingData, tmp_path: Path
) -> None:
    kept, histories = [], []
    for on in (False, True):
        packed: list[int] = []

        def pack(value: torch.Tensor, packed: list[int] = packed) -> torch.Tensor:
            packed.append(value.nbytes)
            return value

        fields = {"epochs": 1, "batches_per_epoch": 2, "dropout": 0.2, "gradient_checkpointing": on}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            report = fit(films, tmp_path / str(on), "cnn3d:smoke", fields)
        kept.append(sum(packed))
        histories.append([(row["train_loss"], row["val_loss"]) for row in report["history"]])
    assert histories[1] == histories[0]
    assert kept[1] < 0.5 * kept[0]


def test_pose_and_pixels_both_count_in_video_pose(films: TrainingData, tmp_path: Path) -> None:
    report = fit(films, tmp_path, "video_pose:smoke", {"epochs": 2, "batches_per_epoch": 15, "require_pose": True})
    assert report["pose_windows"] == [240, 240]
    assert list(report["streams"]) == ["both", "pose hidden", "picture hidden"]
    assert report["streams"]["both"] == report["validation"]["score"]
    assert len({*report["streams"].values()}) > 1, "hiding a stream changes nothing"
    text = "\n".join(explain.lines(explain.describe(tmp_path)))
    assert "pose     used in 240/240 windows of the training" in text
    assert "streams  validation score: both 0." in text
    model, tracks = load_model(tmp_path), films.videos[0].tracks
    inputs = model.encoder.gather([Window(tracks, 0, 1, 40)], 8).clips
    assert inputs.with_pose.all()
    context = torch.zeros(1, dtype=torch.long), torch.ones(1, len(model.actions))
    with torch.no_grad():
        whole = model.network(inputs, *context)
        no_pose = torch.full_like(inputs.keypoints_BTK3, torch.nan)
        dark = torch.zeros_like(inputs.frames_BTHW3)
        for other in (replace(inputs, keypoints_BTK3=no_pose), replace(inputs, frames_BTHW3=dark)):
            logits = model.network(other, *context)
            assert torch.isfinite(logits).all()
            assert not torch.allclose(logits, whole)


def test_windows_without_pose_are_counted_or_refused(films: TrainingData, tmp_path: Path) -> None:
    fit(films, tmp_path, "video_pose:smoke", {"epochs": 1, "batches_per_epoch": 1})
    model, tracks = load_model(tmp_path), films.videos[0].tracks
    model.predict(tracks)
    assert "pose used in 60/60 windows" in model.notes(tracks)  # of two pairs, one every 8 of 240 frames
    blind = replace(tracks, clips=_Blind(tracks.clips, until=120))
    model.predict(blind)
    assert "pose used in 30/60 windows; the others are predicted from pixels alone" in model.notes(blind)
    strict = replace(model, config=replace(model.config, require_pose=True))
    with pytest.raises(
        DataError, match=r"Video 1: pose in 30/60 windows, and this configuration requires it in all"
    ):
        strict.predict(blind)
    videos = tuple(
        replace(v, tracks=replace(v.tracks, clips=_Blind(v.tracks.clips, until=240))) for v in films.videos
    )
    with pytest.raises(DataError, match="A batch of training: pose in 0/8 windows"):
        fit(replace(films, videos=videos), tmp_path / "strict", "video_pose:smoke", {"require_pose": True})
    with pytest.raises(UsageError, match="'cnn3d' reads no key points beside pixels: leave require_pose out"):
        fit(films, tmp_path / "pixels", "cnn3d:smoke", {"require_pose": True})


class _Blind:
    """Clips in which no key point was seen before a frame."""

    def __init__(self, clips: Any, until: int) -> None:
        self.clips, self.until = clips, until

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clips, name)

    def crops(self, subject: Any, numbers: Any, parts: Any) -> Any:
        crops = self.clips.crops(subject, numbers, parts)
        crops.keypoints[numbers < self.until, :, :2] = np.nan
        return crops


def test_windows_show_the_frames_nearest_to_30_hz(films: TrainingData) -> None:
    tracks = films.videos[0].tracks
    slow = replace(tracks, meta=replace(tracks.meta, fps=15.0))
    clips = window_encoder("frames").gather([Window(slow, 0, 0, 20)], 6).clips
    frames = [10, 10, 11, 12, 12, 12]  # 10, 10.5, 11, 11.5, 12, 12.5: halves go to the even frame
    expected = tracks.clips.crops((1, None), np.array(frames), UNIFIED_PARTS)
    assert np.array_equal(clips.frames_BTHW3[0].numpy(), expected.pixels)
    assert np.array_equal(clips.keypoints_BTK3[0].numpy(), expected.keypoints, equal_nan=True)
    nose = expected.keypoints[0, UNIFIED_PARTS.index("nose"), :2].astype(int)
    assert expected.pixels[0, nose[1], nose[0]].min() > 200  # animal 1 is light


def test_a_joint_crop_is_read_for_pairs_alone(tmp_path: Path) -> None:
    both = replace(filmed.RECIPE, subjects="both")
    made = filmed.filmed(tmp_path, video(1, "A", frames=24), both).tracks
    pair, alone = (window_encoder("joint_frames").gather([Window(made, 0, t, 0)], 8).clips for t in (1, 0))
    assert (pair.frames_BTHW3 < 60).any()  # the dark animal is in the picture
    own = window_encoder("frames").gather([Window(made, 0, 1, 0)], 8).clips
    assert torch.equal(own.frames_BTHW3, alone.frames_BTHW3)
    assert not torch.equal(pair.frames_BTHW3, own.frames_BTHW3)
    swapped = window_encoder("joint_frames").gather([Window(made, 1, 0, 0)], 8).clips
    assert torch.equal(pair.frames_BTHW3, swapped.frames_BTHW3)
    assert not torch.equal(pair.keypoints_BTK3, swapped.keypoints_BTK3)


def test_frames_without_a_crop_are_not_learnt_and_not_predicted(
    tmp_path: Path, trained: tuple[Path, dict[str, Any]]
) -> None:
    lost = video(1, "A", frames=120)
    xy = lost.tracks.xy_TMK2.copy()
    xy[40:80, 0] = np.nan  # animal 1 is lost, and its crops with it
    made = filmed.filmed(tmp_path, replace(lost, tracks=replace(lost.tracks, xy_TMK2=xy)))
    model = load_model(trained[0])
    missing = {
        (pair.agent_id, pair.target_id): np.flatnonzero(np.isnan(pair.probabilities_TA).all(axis=1)).tolist()
        for pair in model.predict(made.tracks)
    }
    assert missing == {(1, 1): list(range(40, 80)), (1, 2): list(range(40, 80))}
    assert model.events(made.tracks)
    assert any("no picture" in note for note in model.notes(made.tracks))
    batch = window_encoder("frames").gather([Window(made.tracks, 0, 0, 36)], 8)
    assert batch.clips.seen_BT[0].tolist() == [True] * 4 + [False] * 4


def test_a_model_of_clips_refuses_other_pictures(films: TrainingData, trained: tuple[Path, Any]) -> None:
    model, tracks = load_model(trained[0]), films.videos[0].tracks
    with pytest.raises(DataError, match=r"Video 1 has no clips, and this model reads pixels\. Give the video"):
        model.predict(replace(tracks, clips=None))
    other = ClipRecipe.from_dict(filmed.RECIPE.as_dict() | {"pad_ratio": 0.1, "length": 16})
    clips = StoredClips("set2", other, {})
    with pytest.raises(DataError, match=r"made with pad_ratio 0\.1 instead of 0\.5\. Make them with the recipe"):
        model.predict(replace(tracks, clips=clips))


def test_training_on_clips_needs_clips(films: TrainingData, tmp_path: Path) -> None:
    bare = [replace(v, tracks=replace(v.tracks, clips=None)) for v in films.videos]
    with pytest.raises(DataError, match="The training data have no clips, and this configuration reads pixels"):
        fit(replace(films, videos=tuple(bare)), tmp_path, "cnn3d:smoke")
    with pytest.raises(UsageError, match=r"(?s)cannot be changed so .*mixup must be 0, but is 0\.2"):
        resolve("cnn3d:smoke", {"augmentation": {"mixup": 0.2}})
    with pytest.raises(UsageError, match=r"input encoder 'paw_frames' brings no nose: choose another encoder"):
        fit(films, tmp_path, "video_pose:smoke", {"encoder": "paw_frames"})
    with pytest.raises(UsageError, match=r"widths \(\[8\]\) and repeats \(\[1, 1, 1\]\) must be equally many"):
        resolve("video_pose:smoke", {"widths": [8]})


def test_a_stored_model_without_its_recipe_is_refused(trained: tuple[Path, Any], tmp_path: Path) -> None:
    for path in trained[0].iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    meta = json.loads((tmp_path / META).read_text(encoding="utf-8"))
    del meta["clips"]
    (tmp_path / META).write_text(json.dumps(meta), encoding="utf-8")
    with pytest.raises(ContractError, match="does not say which clips the model reads"):
        load_model(tmp_path)


def test_the_loss_of_key_points_counts_those_that_were_seen() -> None:
    clips = spots()
    true = (clips.keypoints_BTK3[..., :2] / 8).nan_to_num(5.0)
    assert keypoint_loss(true.flatten(2), clips) == 0
    away = true.clone()
    away[0, 0, LEFT, 0] += 1.0  # one of the eight coordinates that were seen, a whole crop away
    assert keypoint_loss(away.flatten(2), clips).item() == pytest.approx((1.0 - 0.05 / 2) / 8)
    nothing = replace(clips, keypoints_BTK3=torch.full_like(clips.keypoints_BTK3, torch.nan))
    assert keypoint_loss(true.flatten(2), nothing) == 0


def test_batches_do_not_depend_on_the_threads_that_draw_them(
    films: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a run that is killed and goes on: batches that were drawn ahead are drawn again."""
    fields = {"epochs": 2, "batches_per_epoch": 3, "augmentation": {"rotate": True, "brightness": 0.2}}

    def losses(folder: str, threads: int, stop: bool = False) -> list[float]:
        monkeypatch.setattr(Trainer, "drawing_threads", lambda _: threads)

        def on_epoch(*_: object) -> None:
            if stop:
                raise KeyboardInterrupt

        state = tmp_path / "state" if folder == "killed" else None
        report = fit(films, tmp_path / folder, "cnn3d:smoke", fields, on_epoch, checkpoints=state)
        return [row["train_loss"] for row in report["history"]]

    alone = losses("one", 1)
    assert losses("three", 3) == alone
    with pytest.raises(KeyboardInterrupt):
        losses("killed", 3, stop=True)
    assert losses("killed", 2) == alone


# --- augmentations ----------------------------------------------------------------------------------------
def spots() -> ClipBatch:
    """Two windows of one frame: a bright spot at the left ear, (5, 2) px, and none at the right ear, (1, 6)."""
    frames = torch.zeros(2, 1, 8, 8, 3, dtype=torch.uint8)
    frames[:, 0, 2, 5] = 200
    points = torch.full((2, 1, len(UNIFIED_PARTS), 3), torch.nan)
    points[:, 0, LEFT] = torch.tensor([5.5, 2.5, 1.0])
    points[:, 0, RIGHT] = torch.tensor([1.5, 6.5, 0.5])
    return ClipBatch(frames, points, torch.tensor([[True], [True]]), 30.0, UNIFIED_PARTS)


def test_a_mirrored_clip_has_its_sides_swapped() -> None:
    clips = augment_clips.mirror(spots(), torch.tensor([False, True]))
    assert torch.equal(clips.frames_BTHW3[0], spots().frames_BTHW3[0])
    assert clips.frames_BTHW3[1, 0, 2, 2].tolist() == [200] * 3
    assert clips.keypoints_BTK3[1, 0, RIGHT].tolist() == [2.5, 2.5, 1.0]  # the bright spot is a right ear now
    assert clips.keypoints_BTK3[1, 0, LEFT].tolist() == [6.5, 6.5, 0.5]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turned_clip_has_its_points_where_its_pixels_are(quarters: int) -> None:
    clips = augment_clips.turn(spots(), torch.tensor([0, quarters]))
    x, y, confidence = clips.keypoints_BTK3[1, 0, LEFT].tolist()
    assert clips.frames_BTHW3[1, 0, int(y), int(x)].tolist() == [200] * 3
    assert confidence == 1.0
    assert (clips.frames_BTHW3 > 0).sum() == 6


def test_light_changes_pictures_but_not_what_was_not_seen() -> None:
    clips = replace(spots(), seen_BT=torch.tensor([[True], [False]]))
    lit = augment_clips.light(clips, torch.tensor([10.0, 10.0]), torch.tensor([2.0, 2.0]))
    mean = 200 / 64
    assert lit.frames_BTHW3[0, 0, 0, 0].tolist() == [round(10 - mean)] * 3
    assert lit.frames_BTHW3[0, 0, 2, 5].tolist() == [255] * 3
    assert torch.equal(lit.frames_BTHW3[1], clips.frames_BTHW3[1])
