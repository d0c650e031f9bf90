"""Tasks beside the actions: their values, their heads, losses where a value is unknown, and what they answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chases import BOUT, training_data, video  # type: ignore[import-not-found]
from serving import sagemaker_scripts

from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Span, Split, choose, joined
from etholake.dataset.values import Task, Value, metadata_values, read_values, tasks_of
from etholake.errors import DataError, UsageError
from etholake.evaluation.tasks import judge_numbers, judge_states
from etholake.models.archive import META, load_model
from etholake.models.network_family import load_network
from etholake.models.network_model import new_network
from etholake.models.pose_bert.task_loss import task_losses
from etholake.models.registry import resolve
from etholake.stages.model import explain
from etholake.training.cross import fit_folds
from etholake.training.cross_plan import CrossValidationPlan
from etholake.training.fit import annotated, fit
from etholake.training.pretrain import pretrain
from etholake.training.tasks import judge_tasks
from etholake.training.trainer import Trainer
from etholake.training.windows import WindowSampler

TASKS = ("state:sex=male", "regression:weight", "frame_regression:chasing")
QUICK = {"tasks": TASKS, "epochs": 2, "batches_per_epoch": 20}
Fit = tuple[Path, dict[str, Any]]


def valued_video(number: int, lab: str = "A") -> LabelledVideo:
    """A video whose animals have a sex and a weight, and a number in every frame: 2 while they chase, else 0."""
    made = video(number, lab)
    chasing = [
        Value("chasing", "02"[(start // BOUT + 1) % 2], start_frame=start, stop_frame=start + BOUT)
        for start in range(0, 400, BOUT)
    ]
    sexes = (Value("sex", "male", 1), Value("sex", "female", 2))
    return replace(made, values=(*sexes, Value("weight", str(20 + number)), *chasing))


@pytest.fixture(scope="module")
def valued() -> TrainingData:
    return training_data([valued_video(i, "AB"[i % 2]) for i in range(1, 7)])


@pytest.fixture(scope="module")
def tasked(valued: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Fit:
    folder = tmp_path_factory.mktemp("tasked")
    return folder, fit(valued, folder, "pose_bert:smoke", QUICK)


# --- values -----------------------------------------------------------------------------------------------
def test_a_task_is_written_in_one_way() -> None:
    assert [str(task) for task in tasks_of(TASKS)] == list(TASKS)
    assert [task.by_frame for task in tasks_of(TASKS)] == [False, False, True]
    assert tasks_of(",".join(TASKS)) == tasks_of(TASKS)
    assert (Task.parse(TASKS[0]).number("Male"), Task.parse(TASKS[0]).number("female")) == (1, 0)
    for text in ("sex", "state:sex", "regression:weight=3", "clip:x", "state:=male"):
        with pytest.raises(UsageError, match=r"A task is written state:NAME=VALUE, .* but got"):
            Task.parse(text)
    with pytest.raises(UsageError, match="Tasks are named twice: state:sex=male"):
        tasks_of(("state:sex=male", "state:sex = male"))


def test_the_metadata_bring_values() -> None:
    row = {"species": "rat", "arena_type": "", "mouse1_sex": "male", "mouse2_sex": "nan", "mouse2_strain": "BTBR",
           "animal_strains": None, "mouse1_id": 7}  # fmt: skip
    assert set(metadata_values(row)) == {
        Value("species", "rat"),
        Value("sex", "male", 1),
        Value("strain", "BTBR", 2),
    }
    six = {"animal_sexes": ["male", None, "male", None, "female", "male"], "mouse1_sex": "male"}
    assert [value.mouse_id for value in metadata_values(six)] == [1, 3, 5, 6]


def test_targets_are_those_of_the_animal_at_its_frames() -> None:
    values = (Value("x", "5"), Value("x", "7", 2), Value("x", "9", 2, 3, 5), Value("y", "1"))
    task, frame_T = Task("regression", "x", centre=5.0, scale=2.0), np.array([0, 2, 3, 4, 5])
    target_T, known_T = task.targets(values, 2, frame_T)
    assert target_T.tolist() == [1, 1, 2, 2, 1]
    assert task.targets(values, 1, frame_T)[0].tolist() == [0] * 5
    assert known_T.all()
    assert not Task("regression", "z").targets(values, 1, frame_T)[1].any()


def test_a_file_of_values(tmp_path: Path) -> None:
    file = tmp_path / "values.csv"
    file.write_text(
        "video_id,name,value,mouse_id,start_frame,stop_frame\n3,light,on,,0,50\n3,weight,21.5,2,,\n4,light,,,,\n"
    )
    assert read_values(file) == {3: (Value("light", "on", 0, 0, 50), Value("weight", "21.5", 2))}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("video_id,name\n1,x\n", r"\['value'\] are missing"),
        ("video_id,name,value,cage\n1,x,2,3\n", r"\['cage'\] are unknown"),
        ("video_id,name,value\nfirst,x,2\n", "line 2: video_id is missing or no whole number"),
        ("video_id,name,value,start_frame,stop_frame\n1,x,2,9,4\n", "start_frame 9 is not before stop_frame 4"),
        ("video_id,name,value\n1,x,2\n1,x,3\n", "video 1 has two values of 'x' at frame 0"),
        ("video_id,name,value\n1,x,\n", "has no value"),
    ],
)  # fmt: skip
def test_a_file_that_says_nothing_clear_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "values.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=reason):
        read_values(file)


def test_folds_refuse_tasks_which_their_mean_would_not_answer(valued: TrainingData, tmp_path: Path) -> None:
    plan = CrossValidationPlan(("boosted", "pose_bert:smoke"), 2)
    with pytest.raises(UsageError, match="'pose_bert:smoke' has the tasks regression:weight, which are heads of"):
        fit_folds(valued, tmp_path, plan, {"pose_bert:smoke": {"tasks": "regression:weight"}}, scratch=tmp_path)


def test_a_second_checkpoint_has_figures_of_its_own(
    valued: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([(0.1, 0.7, 0.9), (0.2, 0.6, 0.1)])  # the best score in epoch 2, the highest accuracy in 1
    monkeypatch.setattr(Trainer, "_validation", lambda _self: next(figures))
    report = fit(valued, tmp_path, "pose_bert:smoke", {**QUICK, "second_best": "accuracy"})
    spans = [Span(**span) for span in report["split"]["validation"]]
    for folder in (tmp_path, tmp_path / "highest_accuracy"):
        stored = json.loads((folder / META).read_text())["tasks"]
        assert stored == judge_tasks(load_network(folder), valued.videos, spans)
    assert stored != report["tasks"]


# --- heads and their losses -------------------------------------------------------------------------------
def _after_a_batch(tasks: tuple[str, ...], videos: list[LabelledVideo]) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that training changes, with their gradients of one batch."""
    family, config = resolve("pose_bert:smoke", {"tasks": tasks})
    data = training_data(videos)
    split = choose([annotated(v) for v in videos])
    sampler = WindowSampler(data, split.train, ("A",), config, 0)
    torch.manual_seed(0)
    network = new_network(family, config, len(data.actions), 1)
    batch = sampler.draw(0)
    x = sampler.encoder(batch.tracks)
    entries = batch.loss_mask_BTC[..., : len(data.actions)].sum()
    weight_C = torch.ones(len(data.actions))
    family.loss(network(x, batch.lab_B, batch.labeled_BC), batch, config, weight_C, entries).backward()
    return {name: p for name, p in network.named_parameters() if family.trains(name, config)}


def _gradients(tasks: tuple[str, ...], videos: list[LabelledVideo]) -> dict[str, float]:
    """Return the sum of absolute gradients of every task's head, of one batch."""
    return {
        name: float(parameter.grad.abs().sum())
        for name, parameter in _after_a_batch(tasks, videos).items()
        if name.startswith("tasks.") and parameter.grad is not None
    }


@pytest.mark.parametrize("tasks", [(), TASKS])
def test_every_parameter_that_is_trained_gets_a_gradient(tasks: tuple[str, ...]) -> None:
    """Several processes wait for the gradients of all of them (`DistributedDataParallel`)."""
    parameters = _after_a_batch(tasks, [valued_video(i) for i in range(1, 6)])
    assert "head.weight" in parameters
    assert [name for name, parameter in parameters.items() if parameter.grad is None] == []


def test_an_unknown_value_gives_no_gradient_to_its_head() -> None:
    videos = [valued_video(i) for i in range(1, 6)]
    every = _gradients(TASKS, videos)
    assert set(every) == {f"tasks.{n}.{kind}" for n in range(3) for kind in ("weight", "bias")}
    assert min(every.values()) > 0
    without = [replace(v, values=tuple(x for x in v.values if x.name != "weight")) for v in videos]
    some = _gradients(TASKS, without)
    assert some["tasks.1.weight"] == some["tasks.1.bias"] == 0
    assert some["tasks.0.weight"] == pytest.approx(every["tasks.0.weight"])
    assert some["tasks.2.weight"] > 0


def test_parts_of_a_batch_add_up() -> None:
    _, config = resolve("pose_bert:smoke", {"tasks": TASKS})
    torch.manual_seed(0)
    outputs, targets = torch.randn(2, 16, 32, 3)
    targets[..., 0] = (targets[..., 0] > 0).float()
    mask = (torch.rand(16, 32, 3) > 0.5).float()
    whole = task_losses(outputs, targets, mask, config)
    parts = [task_losses(outputs[part], targets[part], mask[part], config) for part in (slice(5), slice(5, 16))]
    torch.testing.assert_close(sum(parts), whole)
    squares = ((outputs - targets).square() * mask)[..., 1:].mean(dim=(0, 1))
    torch.testing.assert_close(whole[1:], squares)


def test_several_heads_learn_at_once(tasked: Fit, valued: TrainingData) -> None:
    """Mouse 1 runs behind mouse 2: which is which can be read off, and whether they chase in every frame."""
    folder, report = tasked
    assert set(report["tasks"]) == set(TASKS)
    state, weight, chasing = (report["tasks"][task] for task in TASKS)
    assert (state["videos"], state["samples"]) == (2, 96)
    assert 0 <= state["average_precision"] <= 1
    assert weight["mean_absolute_error"] > 0
    assert chasing["samples"] == 2 * 2 * 32 * 24
    assert chasing["r2"] > 0.5
    assert report["validation"] is not None
    text = "\n".join(explain.lines(explain.describe(folder)))
    assert "task     state:sex=male: average precision 0." in text
    assert "on 3,072 frames of 2 videos" in text
    answers = load_model(folder).values(valued.videos[0].tracks)
    assert [(a["task"], a["mouse_id"]) for a in answers] == [(t, m) for m in (1, 2) for t in TASKS]
    assert all(0 <= a["value"] <= 1 for a in answers if a["task"] == TASKS[0])
    assert len(answers[2]["by_second"]) == 14
    assert np.mean(answers[2]["by_second"][0]) > 1  # 0 to 2
    json.dumps(answers)


def test_a_model_without_tasks_answers_none(trained: Fit, valued: TrainingData) -> None:
    assert load_model(trained[0]).values(valued.videos[0].tracks) == []


def test_the_endpoint_answers_a_video_without_labeled_behaviors(tasked: Fit, trained: Fit) -> None:
    inference = sagemaker_scripts.load("inference", "inference_of_tasks")
    rows = [(f, m, part) for m in (1, 2) for part in ("nose", "tail_base") for f in range(60)]
    frames, mice, parts = zip(*rows, strict=True)
    place = [100.0 + 2 * f + 20 * m + (9 if part == "nose" else 0) for f, m, part in rows]
    tracking = {"video_frame": frames, "mouse_id": mice, "bodypart": parts, "x": place, "y": place}
    metadata = {"video_id": 3, "lab_id": "A", "frames_per_second": 30.0, "pix_per_cm_approx": 10.0}
    content = json.dumps({"metadata": metadata, "tracking": tracking}).encode()
    request = inference.input_fn(content, "application/json")
    answer = inference.predict_fn(request, inference.model_fn(str(tasked[0])))
    assert {(value["task"], value["mouse_id"]) for value in answer["values"]} == {
        (t, m) for t in TASKS for m in (1, 2)
    }
    assert answer["events"] == []
    assert any("the video has no labeled behaviors" in note for note in answer["notes"])
    with pytest.raises(inference.RequestError, match="the model has no tasks: there is nothing to predict") as err:
        inference.predict_fn(request, inference.model_fn(str(trained[0])))
    assert err.value.status_code == 400


def test_fine_tuning_keeps_heads_and_adds_some(tasked: Fit, valued: TrainingData, tmp_path: Path) -> None:
    base = load_network(tasked[0])
    more = (*TASKS, "state:sex=female")
    report = fit(valued, tmp_path, "", {"tasks": more, "epochs": 1, "batches_per_epoch": 2}, base=base)
    assert list(report["tasks"]) == list(more)
    assert load_network(tmp_path).config.task_scales[:3] == base.config.task_scales  # type: ignore[attr-defined]
    with pytest.raises(
        UsageError, match=r"Fine-tuning keeps the heads of the model: its tasks .* must be the first"
    ):
        fit(valued, tmp_path, "", {"tasks": TASKS[1:]}, base=base)


def test_a_frozen_trunk_learns_a_task(valued: TrainingData, tmp_path: Path) -> None:
    pretrain(
        [v.tracks for v in valued.videos],
        tmp_path / "base",
        "pose_bert:smoke",
        {"epochs": 1, "batches_per_epoch": 1},
    )
    base = load_network(tmp_path / "base")
    changes = {"tasks": TASKS[:1], "tuning": "frozen", "epochs": 1, "batches_per_epoch": 2}
    fit(valued, tmp_path / "tuned", "", changes, base=base)
    before, after = base.network.state_dict(), load_network(tmp_path / "tuned").network.state_dict()
    assert all((before[name] == after[name]).all() for name in before if name.startswith(("blocks", "embed")))
    assert "tasks.0.weight" in after


# --- videos without events, and refusals ------------------------------------------------------------------
def test_a_video_without_events_teaches_its_values(tmp_path: Path) -> None:
    silent = [replace(v, events=(), tracks=replace(v.tracks, meta=replace(v.tracks.meta, labeled_behaviors=())))
              for v in (valued_video(i) for i in range(11, 16))]  # fmt: skip
    loud = [replace(video(i), values=()) for i in range(1, 4)]
    loud = [replace(v, tracks=replace(v.tracks, meta=replace(v.tracks.meta, lab_id="A"))) for v in loud]
    split = joined(choose([annotated(v) for v in loud]), choose([annotated(v) for v in silent]))
    assert not {s.video_id for s in split.test} & set(range(11, 16))
    report = fit(training_data([*loud, *silent]), tmp_path, "pose_bert:smoke", QUICK, split=split)
    assert report["tasks"]["regression:weight"]["videos"] == 2
    assert report["validation"] is not None


def test_tasks_that_cannot_be_learnt_are_refused(valued: TrainingData, tmp_path: Path) -> None:
    def train(task: str, data: TrainingData = valued) -> None:
        fit(data, tmp_path, "pose_bert:smoke", {"tasks": (task,)})

    with pytest.raises(
        UsageError, match=r"asks for 'wieght', which no training video has.* Did you mean 'weight'"
    ):
        train("regression:wieght")
    with pytest.raises(DataError, match=r"nothing to tell apart: every value of 'sex' .* is female or male"):
        train("state:sex=unicorn")
    with pytest.raises(DataError, match="Task 'regression:sex' needs numbers, but a value of 'sex' is"):
        train("regression:sex")
    same = training_data([replace(v, values=(Value("weight", "3"),)) for v in valued.videos])
    with pytest.raises(DataError, match="every value of 'weight' in the training videos is 3"):
        train("regression:weight", same)
    with pytest.raises(UsageError, match="A configuration of cnn_lstm has no field 'tasks'"):
        fit(valued, tmp_path, "cnn_lstm:smoke", {"tasks": TASKS})


def test_a_split_of_nothing_more_stays_as_it_is(valued: TrainingData) -> None:
    split = choose([annotated(v) for v in valued.videos])
    assert joined(split, choose([])) == split == Split(split.train, split.validation, split.test)


# --- figures by hand --------------------------------------------------------------------------------------
def test_figures_are_the_numbers_worked_out_by_hand() -> None:
    probability, true = np.array([0.9, 0.8, 0.4, 0.2]), np.array([True, False, True, False])
    states = judge_states(probability, true)
    assert states["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert states["balanced_accuracy"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert judge_states(probability, ~true & False) == {"average_precision": None, "balanced_accuracy": None}
    numbers = judge_numbers(np.array([1.0, 2.0, 5.0]), np.array([1.0, 3.0, 5.0]))
    assert numbers["r2"] == pytest.approx(1 - 1 / 8)
    assert numbers["mean_absolute_error"] == pytest.approx(1 / 3)
    assert judge_numbers(np.array([1.0]), np.array([2.0])) == {"r2": None, "mean_absolute_error": 1.0}
    assert judge_numbers(np.array([]), np.array([])) == {"r2": None, "mean_absolute_error": None}
