"""The verb of the whole way: raw zone to served model by the state machine."""

from __future__ import annotations

import argparse

from etholake.cli.common import AddVerb, exclusive, report, requires, share, video_numbers, whole
from etholake.cli.options import add_holdout
from etholake.settings import Settings

__all__ = ["add"]

_OF_A_RUN = ("--config", "--holdout", "--max-quarantined", "--tune", "--jobs", "--again")


def add(verb: AddVerb) -> None:
    """Add the verb of this module to the parser."""
    sub = verb("pipeline", _pipeline, "Raw zone to served model by the state machine, states shown as they run.")
    sub.add_argument("--config", help="named configuration (default: the setting `config`)")
    add_holdout(sub)
    sub.add_argument(
        "--max-quarantined", type=share, metavar="SHARE",
        help="the quality gate closes if more of a lab's rows were quarantined (default: 0.5)",
    )  # fmt: skip
    sub.add_argument("--tune", action="store_true", help="search hyper-parameters (sagemaker/jobs.json) to train")
    sub.add_argument("--jobs", type=whole, help="with --tune: training jobs in all")
    sub.add_argument("--again", action="store_true", help="run although the same has succeeded already")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show the states of the newest execution")
    what.add_argument("--stop", action="store_true", help="stop what runs, with its jobs")


def _pipeline(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import pipeline
    from etholake.stages.pipeline import machine, view

    exclusive(arguments, "--status", *_OF_A_RUN)
    exclusive(arguments, "--stop", *_OF_A_RUN)
    requires(arguments, "--jobs", "--tune")
    if arguments.stop:
        report(arguments, pipeline.stop(current))
        return
    with view.watching(enabled=not arguments.json) as watch:
        if arguments.status:
            result = pipeline.status(current, watch)
        else:
            holdout = tuple(video_numbers(current, arguments.holdout) or ())
            limit = machine.MAX_QUARANTINED if arguments.max_quarantined is None else arguments.max_quarantined
            tuning = ({"jobs": arguments.jobs} if arguments.jobs else {}) if arguments.tune else None
            given = machine.input_of(current, arguments.config or "", holdout, limit, tuning)
            result = pipeline.run(current, given, again=arguments.again, watch=watch)
    report(arguments, result)
