"""The hyper-parameters of the training job, of one model and of an ensemble."""

from __future__ import annotations

from pathlib import Path

import pytest
import sagemaker_scripts  # type: ignore[import-not-found]

from etholake.errors import UsageError
from etholake.settings import Settings
from etholake.stages.model.training_inputs import TrainingOptions, hyperparameters, recommended, training_plan


def test_one_model() -> None:
    assert hyperparameters(Settings(), "tiny", ()) == {"config": "tiny", "seed": 0, "max_gap_frames": 15}
    assert hyperparameters(Settings(seed=4), "base", (7, 3, 7))["holdout"] == "3,7"
    assert "folds" not in hyperparameters(Settings(), "tiny", (), TrainingOptions())


def test_an_ensemble_of_a_lab_with_its_own_parts() -> None:
    parameters = hyperparameters(Settings(part_map="snout=nose"), "w64,w128", (), TrainingOptions(5, 3, "logit"))
    assert parameters == {
        "config": "w64,w128", "seed": 0, "max_gap_frames": 15, "part_map": "snout=nose", "folds": 5, "seeds": 3,
        "space": "logit",
    }  # fmt: skip


def test_a_stack_and_what_needs_folds() -> None:
    parameters = hyperparameters(Settings(), "boosted,small", (), TrainingOptions(5, stack=True))
    assert (parameters["config"], parameters["folds"], parameters["stack"]) == ("boosted,small", 5, 1)
    assert "stack" not in hyperparameters(Settings(), "boosted,small", (), TrainingOptions(5))


def test_tasks_and_folds_are_refused_however_the_tasks_are_named() -> None:
    tasks = {"tasks": "state:sex=male"}
    options = (
        ("pose_bert", TrainingOptions(5, tasks=("state:sex=male",))),
        ("pose_bert", TrainingOptions(5, fields=tasks)),
        ("boosted,pose_bert", TrainingOptions(5, fields={"boosted": {}, "pose_bert": tasks})),
    )
    for config, chosen in options:
        with pytest.raises(UsageError, match="--tasks gives heads to one network: leave --folds out"):
            training_plan(Settings(), config, (), chosen)


def test_auto_is_trees_and_networks_that_learn_from_every_video() -> None:
    config, options, reason = recommended("auto", TrainingOptions())
    assert (config, options.folds, options.space) == ("boosted,small,tcn", 5, "logit")
    assert options.choose
    assert options.everything
    assert "no video is held out" in reason
    shown = hyperparameters(Settings(), config, (), options)
    assert (shown["choose"], shown["everything"]) == (1, 1)
    _, held, reason = recommended("auto", TrainingOptions(folds=3), (4, 5))
    assert (held.folds, held.everything) == (3, False)
    assert "the 2 held-out videos are in none of them" in reason
    assert recommended("small", TrainingOptions()) == ("small", TrainingOptions(), "")
    assert recommended("auto", TrainingOptions(base="current"))[1] == TrainingOptions(base="current")


def test_the_job_understands_what_it_is_told() -> None:
    job = sagemaker_scripts.load("train", "training_job")
    parameters = hyperparameters(
        Settings(part_map="snout=nose"),
        "w64,w128",
        (3,),
        TrainingOptions(5, 3, "logit", stack=True, choose=True, everything=True),
    )
    understood = vars(
        job.parse([word for name, value in parameters.items() for word in (f"--{name}", str(value))])
    )
    assert {name: understood[name] for name in parameters} == parameters
    assert job.checkpoints({}) is None
    assert job.checkpoints({"SM_CHECKPOINT_DIR": "/somewhere"}) == Path("/somewhere")
