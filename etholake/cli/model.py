"""Verbs of the model: train, tune, serve, its versions and what can be known of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from etholake import logs
from etholake.cli.common import AddVerb, ids, report
from etholake.errors import UsageError
from etholake.models.registry import config_names
from etholake.progress import progress
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Tell the parser the verbs of this module."""
    sub = verb("train", _train, "Train the recogniser as a SageMaker training job.")
    sub.add_argument(
        "--config",
        help=f"model configuration: {', '.join(config_names())}; or family:preset; with --folds several, a,b",
    )
    sub.add_argument("--folds", type=int, default=0, help="cross-validate by video in so many folds: an ensemble")
    sub.add_argument("--seeds", type=int, default=1, help="with --folds: seeds of every fold and configuration")
    sub.add_argument(
        "--space", choices=("probability", "logit"), default="probability", help="what an ensemble averages"
    )
    sub.add_argument(
        "--stack", action="store_true",
        help="with --folds: boosted trees on what an ensemble of each configuration says out of fold",
    )  # fmt: skip
    sub.add_argument("--holdout", help="video ids to hold out for the score, 12,34 (default: chosen per lab)")
    sub.add_argument(
        "--from", dest="base", metavar="MODEL",
        help="fine-tune this network: a folder, a model.tar.gz, an s3:// URI of one, or `current`",
    )  # fmt: skip
    sub.add_argument("--data", type=Path, help="ingest and curate this folder first (a lake mirrors one folder)")
    sub.add_argument("--labs", help="train on these labs only, a,b (default: all of the lake)")
    sub = verb("explain", _explain_model, "What a model knows: labs, actions, parts, clock, scores, fingerprint.")
    sub.add_argument(
        "model", metavar="MODEL", nargs="?", default="current",
        help="a folder, a model.tar.gz, an s3:// URI of one, or `current` (default: the lake's newest)",
    )  # fmt: skip
    verb("features", _features, "Write the compact arrays that training reads, as a SageMaker processing job.")
    sub = verb("tune", _tune, "Search hyper-parameters as a SageMaker tuning job (ranges: those of the family).")
    sub.add_argument("--config", help="model configuration whose fields are tuned, as for train")
    sub.add_argument("--holdout", help="video ids to hold out, 12,34 (default: chosen per lab)")
    sub.add_argument("--strategy", choices=("Bayesian", "Random", "Grid"))
    sub.add_argument("--jobs", type=int, help="training jobs in all")
    sub.add_argument("--parallel", type=int, help="training jobs at once")
    sub = verb("serve", _serve, "Deploy the newest model (or the approved one) to the endpoint.")
    sub.add_argument("--kind", choices=("realtime", "serverless", "async"), default="realtime")
    sub.add_argument("--approved", action="store_true", help="serve the approved version of the model registry")
    sub = verb(
        "registry", _registry, "Versions of the model; register the newest, approve one, or back to an older."
    )
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--register", action="store_true", help="make the newest trained model a version")
    what.add_argument("--approve", type=int, metavar="VERSION", help="approve a version")
    what.add_argument("--rollback", type=int, metavar="VERSION", help="approve it, reject newer ones, serve it")
    sub = verb("curves", _curves, "Chart the metrics of training jobs, from their logs.")
    sub.add_argument("--job", action="append", default=[], help="a training job; several times for several curves")
    sub.add_argument(
        "--out", type=Path, default=Path("dist/curves.html"), help="page to write, and JSON beside it"
    )
    sub = verb("drift", _drift, "Compare what the endpoint was asked with the videos its model was trained on.")
    sub.add_argument("--out", type=Path, default=Path("dist/drift.html"), help="page to write, and JSON beside it")
    sub.add_argument("--endpoint", default="", help="name of the endpoint (default: the real-time one)")


def _train(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import etl, ingest
    from etholake.stages.model import train

    if arguments.base and arguments.config:
        raise UsageError("--from trains by the model's own configuration: leave --config out.")
    config = "its own" if arguments.base else arguments.config or current.config
    options = train.TrainingOptions(
        arguments.folds, arguments.seeds, arguments.space, arguments.stack, arguments.base or "",
        tuple(filter(None, (arguments.labs or "").split(","))),
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
        result = train.run(current, config, ids(arguments.holdout) or (), on_progress, options)
    report(arguments, result)


def _explain_model(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.model import explain

    found = explain.run(current, arguments.model)
    print(json.dumps(found) if arguments.json else "\n".join(explain.lines(found)))


def _features(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.model import features

    report(arguments, features.run(current))


def _tune(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.model import tune

    with progress("tune", enabled=not arguments.json) as on_progress:
        result = tune.run(
            current, arguments.config or current.config, ids(arguments.holdout) or (), on_progress,
            strategy=arguments.strategy, jobs=arguments.jobs, parallel=arguments.parallel,
        )  # fmt: skip
    report(arguments, result)


def _serve(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.serving import serve

    report(arguments, serve.run(current, arguments.kind, approved=arguments.approved))


def _registry(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.serving import registry, serve

    group = registry.group_name(current)
    if arguments.register:
        result = registry.register(current)
    elif arguments.rollback is not None:
        result = serve.roll_back(current, group, arguments.rollback)
    else:
        if arguments.approve is not None:
            registry.approve(current, arguments.approve)
        result = registry.show(current, group)
    report(arguments, result)


def _curves(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import curves

    report(arguments, curves.run(current, arguments.out, arguments.job))


def _drift(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.serving import drift

    report(arguments, drift.run(current, arguments.out, arguments.endpoint))
