"""Verbs of the model: make its features, train it, tune it, explain it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from etholake import logs
from etholake.cli.common import (
    AddVerb,
    data_folder,
    exclusive,
    replaced_fields,
    report,
    requires,
    say,
    video_numbers,
    whole,
    words,
)
from etholake.cli.options import add_holdout, add_videos
from etholake.errors import UsageError
from etholake.models.registry import config_names
from etholake.progress import progress
from etholake.settings import AUTO, Settings
from etholake.stages.model.model_names import NAMES

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    sub = verb("train", _train, "Train a behaviour classifier as a SageMaker training job.")
    sub.add_argument(
        "--config",
        help=f"model configuration: auto (the default: trees and networks, cross-validated), "
        f"{', '.join(config_names())}; or family:preset; with --folds several, a,b",
    )
    sub.add_argument("--folds", type=whole, help="cross-validate by video in so many folds: an ensemble")
    sub.add_argument(
        "--seeds", type=whole, help="with --folds: seeds of every fold and configuration (default: 1)"
    )
    sub.add_argument(
        "--space",
        choices=("probability", "logit"),
        help="with --folds: the values that an ensemble averages (default: probability)",
    )
    sub.add_argument(
        "--stack", action="store_true",
        help="with --folds: boosted trees on the out-of-fold probabilities of an ensemble of each configuration",
    )  # fmt: skip
    sub.add_argument(
        "--learning-curve", action="store_true",
        help="with --folds or auto: what more labelled videos promise (trains the first configuration thrice)",
    )  # fmt: skip
    add_holdout(sub)
    sub.add_argument(
        "--from", dest="base", metavar="MODEL",
        help=f"fine-tune this network: {NAMES}",
    )  # fmt: skip
    sub.add_argument("--data", type=Path, help="ingest and curate this folder first (a lake mirrors one folder)")
    sub.add_argument("--labs", help="train on these labs only, a,b (default: all of the lake)")
    sub.add_argument(
        "--clips", metavar="SET", help="set of clips that a model of pixels reads (default: the lake's only one)"
    )
    sub.add_argument(
        "--field", action="append", default=[], metavar="NAME=VALUE",
        help="replace a field of the configuration: epochs=20, augmentation.brightness=0.1; of one of several: "
        "small.epochs=20 (may be repeated)",
    )  # fmt: skip
    sub.add_argument(
        "--track", metavar="NAMES",
        help="also send the figures of epochs to tensorboard, mlflow or wandb, a,b (files in the job's output)",
    )  # fmt: skip
    sub.add_argument(
        "--require-pose", action="store_true",
        help="with a model of pixels and key points: refuse windows without any key point",
    )  # fmt: skip
    sub.add_argument(
        "--weights", metavar="PLACE",
        help="weights that an image or video backbone starts with: a file, a folder or an S3 URI",
    )  # fmt: skip
    sub.add_argument(
        "--tasks", metavar="TASKS",
        help="heads of pose_bert beside the actions: state:sex=male,regression:age,frame_regression:speed",
    )  # fmt: skip
    sub.add_argument(
        "--values", type=Path, metavar="CSV",
        help="with --tasks: values beside the metadata's; columns video_id, name, value and, if wanted, mouse_id, "
        "start_frame, stop_frame",
    )  # fmt: skip
    sub = verb("pretrain", _pretrain, "Pre-train a network on all tracks, without labels, as a training job.")
    sub.add_argument(
        "--config", default="pose_bert", help="configuration of a family that can (default: pose_bert)"
    )
    sub = verb("impute", _impute, "Fill missing points of a folder's tracks by a pre-trained model.", data=True)
    sub.add_argument(
        "model", metavar="MODEL", nargs="?", default="pretrained",
        help=f"a model of etholake pretrain (default: the lake's newest): {NAMES}",
    )  # fmt: skip
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the filled tracks")
    add_videos(sub, "fill these only; default: all")
    sub = verb("compare", _compare, "Cross-validated training jobs side by side, of any family.", data=True)
    sub.add_argument("runs", nargs="+", metavar="RUN", help="jobs of train --folds; the first is compared with")
    sub = verb(
        "explain", _explain_model, "Describe a model: labs, actions, parts, frame rate, scores.", data=True
    )  # fmt: skip
    sub.add_argument(
        "--video",
        help="draw where the model looked in this video of --data, and what it answers to tasks, on --html",
    )
    sub.add_argument("--html", type=Path, metavar="PAGE", help="page of --video")
    sub.add_argument(
        "model", metavar="MODEL", nargs="?", default="current",
        help=f"{NAMES} (default: the lake's newest)",
    )  # fmt: skip
    verb("features", _features, "Write the compact arrays that training reads, as a SageMaker processing job.")
    sub = verb("tune", _tune, "Search hyper-parameters as a SageMaker tuning job (ranges: those of the family).")
    sub.add_argument("--config", help="model configuration whose fields are tuned, as for train")
    add_holdout(sub)
    sub.add_argument("--strategy", choices=("Bayesian", "Random", "Grid"), help="instead of that of jobs.json")
    sub.add_argument("--jobs", type=whole, help="training jobs in all")
    sub.add_argument("--parallel", type=whole, help="training jobs at once")
    sub.add_argument(
        "--field", action="append", default=[], metavar="NAME=VALUE", help="replace a field that is not tuned"
    )
    sub.add_argument("--weights", metavar="PLACE", help="weights that a backbone starts with, as for train")


def _train(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import etl, ingest
    from etholake.stages.model import train

    if arguments.base and arguments.config:
        raise UsageError("--from trains by the model's own configuration: leave --config out.")
    exclusive(arguments, "--from", "--folds", "--weights", "--learning-curve")
    for option in ("--seeds", "--space", "--stack"):
        requires(arguments, option, "--folds")
    exclusive(arguments, "--tasks", "--folds")
    requires(arguments, "--values", "--tasks")
    if arguments.require_pose:
        arguments.field.append("require_pose=true")
    config = "its own" if arguments.base else arguments.config or current.config
    options = train.TrainingOptions(
        arguments.folds or 0, arguments.seeds or 1, arguments.space or "probability", arguments.stack,
        arguments.base or "", tuple(filter(None, (arguments.labs or "").split(","))), clips=arguments.clips or "",
        fields=replaced_fields(arguments.field, config.split(",")), weights=arguments.weights or "",
        trackers=words(arguments.track),
        tasks=tuple(filter(None, (arguments.tasks or "").split(","))), values=arguments.values,
        learning_curve=arguments.learning_curve,
    )  # fmt: skip
    with progress("train", enabled=not arguments.json) as on_progress:
        if arguments.data:
            if gone := ingest.others(current, arguments.data):
                raise UsageError(
                    f"The lake in bucket '{current.bucket}' holds {len(gone)} files that are not in "
                    f"{arguments.data} ({gone[0]}, …), and a lake mirrors one folder. Set ETHOLAKE_BUCKET and "
                    "ETHOLAKE_DATABASE for a lake of its own (and run `make deploy`), "
                    "or put the new lab's files into the lake's folder."
                )
            with logs.stage("ingest"):
                logs.add_result(ingest.run(current, arguments.data, on_progress))
            with logs.stage("etl"):
                logs.add_result(etl.run(current, on_progress))
        holdout = video_numbers(current, arguments.holdout) or ()
        result = train.run(current, config, holdout, on_progress, options)
    report(arguments, result)


def _pretrain(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.model import pretrain

    with progress("pretrain", enabled=not arguments.json) as on_progress:
        result = pretrain.run(current, arguments.config, on_progress)
    report(arguments, result)


def _impute(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import video_names
    from etholake.stages.model import impute

    data = data_folder(current, arguments)
    with progress("impute", enabled=not arguments.json) as on_progress:
        videos = video_names.resolve_in(data, video_names.split_list(arguments.videos))
        result = impute.run(current, arguments.model, data, arguments.out, videos, on_progress)
    report(arguments, result)


def _compare(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.model import compare

    report(arguments, compare.run(current, data_folder(current, arguments), arguments.runs))


def _explain_model(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import video_names
    from etholake.stages.model import explain

    if (arguments.video is None) != (arguments.html is None):
        raise UsageError("--video names what is drawn, and --html the page: give both, or neither.")
    if arguments.video is not None:
        data = data_folder(current, arguments)
        (video,) = video_names.resolve_in(data, [arguments.video])
        seen = explain.look(current, arguments.model, data, video, arguments.html)
        answers = [f"{v['task']} of mouse{v['mouse_id']}: {v['value']:.3f}" for v in seen["values"]]
        say(arguments, seen, "\n".join([f"what the model saw: {seen['page']}", *answers]))
        return
    description = explain.run(current, arguments.model)
    print(json.dumps(description) if arguments.json else "\n".join(explain.lines(description)))


def _features(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.model import features

    report(arguments, features.run(current))


def _one(config: str) -> str:
    """Return the configuration of one model: `auto`, an ensemble, cannot be tuned."""
    return "small" if config == AUTO else config


def _tune(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.model import tune

    with progress("tune", enabled=not arguments.json) as on_progress:
        config = _one(arguments.config or current.config)
        result = tune.run(
            current, config, video_numbers(current, arguments.holdout) or (), on_progress,
            fields=replaced_fields(arguments.field, [config]), weights=arguments.weights or "",
            strategy=arguments.strategy, jobs=arguments.jobs, parallel=arguments.parallel,
        )  # fmt: skip
    report(arguments, result)
