"""Verbs of the lake: deploy, ingest, etl and what keeps, asks and shows the tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from etholake.cli.common import AddVerb, confirmation, data_folder, named_parameters, read_text, report, say
from etholake.errors import UsageError
from etholake.progress import progress
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Tell the parser the verbs of this module."""
    sub = verb("deploy", _deploy, "Create or update the stacks and upload the code; shows the plan, asks on aws.")
    sub.add_argument("--yes", action="store_true", help="do not ask")
    sub = verb("destroy", _destroy, "Delete the stacks; a bucket that holds data only if it is named.")
    sub.add_argument("--yes", action="store_true", help="do not ask")
    sub.add_argument("--bucket", help="delete this bucket with everything in it, too")
    verb("cost", _cost, "What the last run of every stage would cost on AWS, and per 100 h of video.")
    verb("ingest", _ingest, "Upload a folder in the MABe layout to the raw zone.", data=True)
    verb("etl", _etl, "Run the Glue jobs: raw zone to curated tables, and refresh the catalog.")
    verb("compact", _compact, "Merge small files of tracks into large ones; readers are not disturbed.")
    vacuum = verb("vacuum", _vacuum, "Remove states of tables that nothing references any more.")
    vacuum.add_argument(
        "--older-than",
        type=float,
        default=24,
        metavar="HOURS",
        help="longer than your longest query or job (default: 24)",
    )
    sub = verb("query", _query, "Ask Athena.")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--sql", help="a statement; values for its ? come from --param, in order")
    what.add_argument("--file", type=Path, help="a file with one statement")
    what.add_argument("--name", help="a report of athena_queries/reports")
    what.add_argument("--list", action="store_true", help="list the reports")
    sub.add_argument("--param", action="append", default=[], help="name=value for a report, value for a ?")
    sub.add_argument("--format", choices=("table", "csv", "json"), default="table")

    sub = verb("dashboards", _dashboards, "Render the QuickSight definitions to a page; or serve or publish them.")
    sub.add_argument("--out", type=Path, default=Path("dist/dashboards.html"), help="page to write")
    sub.add_argument(
        "--serve", type=int, nargs="?", const=0, metavar="PORT", help="serve it on loopback, with live queries"
    )
    sub.add_argument("--publish", metavar="PRINCIPAL", help="create or update in QuickSight, for this user's ARN")
    sub.add_argument(
        "--theme", metavar="ARN", help="with --publish: a theme that exists (default: Etholake's own)"
    )
    sub.add_argument("--template", type=Path, metavar="FILE", help="write them as a CloudFormation template")

    sub = verb("video", _video, "The page of one video: skeletons, ethogram, truth above prediction; or serve it.")
    sub.add_argument("--video", type=int, required=True, metavar="ID")
    sub.add_argument("--run", metavar="RUN_ID", dest="run_id", help="whose predictions (default: the only run's)")
    sub.add_argument("--out", type=Path, help="page to write (default: dist/video-ID.html)")
    sub.add_argument(
        "--serve", type=int, nargs="?", const=0, metavar="PORT", help="serve it on loopback, poses on demand"
    )


def _deploy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import deploy

    report(arguments, deploy.run(current, confirmation(current, arguments)))


def _destroy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import deploy

    report(arguments, deploy.destroy(current, arguments.bucket, confirmation(current, arguments)))


def _cost(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud import cost

    found, hours = cost.lines(current), cost.video_hours(current)
    say(arguments, {"hours": hours, "lines": [vars(line) for line in found]}, cost.render(found, hours))


def _ingest(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import ingest

    with progress("ingest", enabled=not arguments.json) as on_progress:
        result = ingest.run(current, data_folder(current, arguments), on_progress)
    report(arguments, result)


def _etl(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import etl

    with progress("etl", enabled=not arguments.json) as on_progress:
        result = etl.run(current, on_progress)
    report(arguments, result)


def _compact(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import compact

    with progress("compact", enabled=not arguments.json) as on_progress:
        result = compact.run(current, on_progress)
    report(arguments, result)


def _vacuum(current: Settings, arguments: argparse.Namespace) -> None:
    import datetime as dt

    from etholake.stages.lake import vacuum

    report(arguments, vacuum.run(current, dt.timedelta(hours=arguments.older_than)))


def _query(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import query

    if arguments.list:
        for name, purpose in query.list_reports():
            print(f"{name:<28} {purpose}")
        return
    if arguments.name:
        result = query.run_report(current, arguments.name, named_parameters(arguments.param))
    elif arguments.sql or arguments.file:
        sql = arguments.sql or read_text(arguments.file)
        result = query.run_sql(current, sql, arguments.param)
    else:
        raise UsageError("query needs --sql TEXT, --file FILE or --name REPORT (see --list).")
    print(query.format_rows(result, "json" if arguments.json else arguments.format))
    cost = f"{len(result.rows)} rows, {result.scanned_bytes:,} bytes scanned, {result.seconds:.2f} s"
    print(f"etholake: {cost}, query {result.query_id}", file=sys.stderr)


def _dashboards(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import dashboards

    if arguments.serve is not None:
        dashboards.serve(current, arguments.serve)
    elif arguments.template:
        report(arguments, dashboards.write_template(arguments.template))
    elif arguments.publish:
        report(arguments, dashboards.publish(current, arguments.publish, arguments.theme or ""))
    else:
        with progress("dashboards", enabled=not arguments.json) as on_progress:
            result = dashboards.run(current, arguments.out, on_progress)
        report(arguments, result)


def _video(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import video

    if arguments.serve is not None:
        video.serve(current, arguments.video, arguments.run_id, arguments.serve)
        return
    out = arguments.out or Path("dist") / f"video-{arguments.video}.html"
    with progress("video", enabled=not arguments.json) as on_progress:
        result = video.run(current, arguments.video, out, arguments.run_id, on_progress)
    report(arguments, result)
