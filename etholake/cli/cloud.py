"""Verbs of the cloud: make the stacks, delete them, and what the work costs."""

from __future__ import annotations

import argparse

from etholake.cli.common import AddVerb, confirmation, report, say
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    sub = verb("deploy", _deploy, "Create or update the stacks and upload the code; shows the plan, asks on aws.")
    sub.add_argument("--yes", action="store_true", help="do not ask")
    sub = verb("destroy", _destroy, "Delete the stacks; a bucket that holds data only if it is named.")
    sub.add_argument("--yes", action="store_true", help="do not ask")
    sub.add_argument("--bucket", help="delete this bucket with everything in it, too")
    verb("cost", _cost, "What the last run of every stage would cost on AWS, and per 100 h of video.")


def _deploy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import deploy

    report(arguments, deploy.run(current, confirmation(current, arguments)))


def _destroy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import deploy

    report(arguments, deploy.destroy(current, arguments.bucket, confirmation(current, arguments)))


def _cost(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import cost

    lines, hours = cost.lines(current), cost.video_hours(current)
    say(arguments, {"hours": hours, "lines": [vars(line) for line in lines]}, cost.render(lines, hours))
