"""Verbs of the cloud: make the stacks, delete them, and what the work costs."""

from __future__ import annotations

import argparse

from etholake.cli.common import AddVerb, confirmation, positive, report, say, whole
from etholake.cli.options import add_yes
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    sub = verb("deploy", _deploy, "Create or update the stacks and upload the code; shows the plan, asks on aws.")
    add_yes(sub)
    sub = verb("destroy", _destroy, "Delete the stacks; a bucket that holds data only if it is named.")
    add_yes(sub)
    sub.add_argument("--bucket", help="delete this bucket with everything in it, too")
    sub = verb("cost", _cost, "What the last run of every stage would cost on AWS, and what you plan to do.")
    sub.add_argument("--region", default="", help="prices of this AWS region (default: that of the settings)")
    sub.add_argument("--hours", type=positive, default=100.0, metavar="H", help="hours of video (default: 100)")
    sub.add_argument(
        "--trainings", type=whole, default=0, metavar="N", help="trainings on those hours, in a month"
    )
    sub.add_argument("--queries", type=whole, default=0, metavar="N", help="queries of those hours, in a month")
    sub.add_argument(
        "--endpoint-hours", type=whole, default=0, metavar="H", help="hours that the endpoint is there, in a month"
    )


def _deploy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import deploy

    report(arguments, deploy.run(current, confirmation(current, arguments)))


def _destroy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import deploy

    report(arguments, deploy.destroy(current, arguments.bucket, confirmation(current, arguments)))


def _cost(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import cost

    table = cost.prices(arguments.region or current.region)
    plan = cost.PlannedWork(arguments.hours, arguments.trainings, arguments.queries, arguments.endpoint_hours)
    hours, lines = cost.video_hours(current), cost.lines(current, arguments.region)
    planned = cost.planned(table, lines, hours, plan, current.instance_type)
    costs = {
        "hours": hours, "region": table["region"], "lines": [vars(line) for line in lines],
        "plan": [vars(line) for line in planned],
    }  # fmt: skip
    say(arguments, costs, cost.render(lines, hours, table, plan, current.instance_type))
