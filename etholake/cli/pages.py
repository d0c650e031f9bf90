"""Verbs of the pages to look at: dashboards, one video, the review, curves of training, drift, one run."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from etholake.cli.common import AddVerb, exclusive, report, requires, video_number, video_numbers, words
from etholake.cli.options import add_port, add_run, add_serve, add_videos
from etholake.pages.figures.request import FORMATS, GROUPS, KINDS, FigureRequest
from etholake.progress import progress
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    sub = verb("dashboards", _dashboards, "Render the QuickSight definitions to a page; or serve or publish them.")
    sub.add_argument("--out", type=Path, help="page to write (default: dist/dashboards.html)")
    add_serve(sub, "with live queries")
    sub.add_argument("--publish", metavar="PRINCIPAL", help="create or update in QuickSight, for this user's ARN")
    sub.add_argument(
        "--theme", metavar="ARN", help="with --publish: a theme that exists (default: Etholake's own)"
    )
    sub.add_argument("--template", type=Path, metavar="FILE", help="write them as a CloudFormation template")

    sub = verb("video", _video, "The page of one video: skeletons, ethogram, truth above prediction; or serve it.")
    sub.add_argument("--video", required=True, metavar="VIDEO", help="its number or name")
    add_run(sub, "whose predictions (default: the only run's)")
    sub.add_argument("--out", type=Path, help="page to write (default: dist/video-NUMBER.html)")
    add_serve(sub, "poses on demand")

    sub = verb("review", _review, "Look at videos, correct labels, merge them, train again: a page on loopback.")
    sub.add_argument("--user", default="", metavar="NAME", help="who reviews (default: the login name)")
    sub.add_argument("--lab", default="", help="show this lab first")
    add_run(sub, "whose predictions are asked about", default="")
    sub.add_argument("--video", metavar="VIDEO", help="open this video (number or name) first")
    sub.add_argument("--films", type=Path, metavar="FOLDER", help="films named LAB/VIDEO.mp4 or VIDEO.mp4")
    add_port(sub)
    sub.add_argument("--merge", action="store_true", help="merge the corrections and stop, without a page")
    sub = verb("desk", _desk, "Import, train, predict, review and export from one page, on loopback.")
    add_port(sub)
    sub = verb("agreement", _agreement, "How well two agree: reviewers, runs, or the annotation; by action.")
    sub.add_argument("first", metavar="FIRST", help="a reviewer, a run id, or annotation")
    sub.add_argument("second", metavar="SECOND", help="the other one")

    sub = verb("figure", _figure, "A figure for a paper or a lab meeting, and what it shows as CSV.")
    sub.add_argument(
        "kind", metavar="KIND", help="; ".join(f"{name}: {kind.summary}" for name, kind in KINDS.items())
    )
    sub.add_argument("--out", type=Path, help=f"file to write: {', '.join(FORMATS)} (default: dist/KIND.pdf)")
    add_videos(sub, "default: all of the lab")
    sub.add_argument("--lab", default="", help="(default: all labs)")
    add_run(sub, "its predictions (default: annotations)", default="")
    sub.add_argument("--actions", metavar="NAME,…", help="(default: all)")
    sub.add_argument("--group", default="", help=f"groups of animals: {', '.join(GROUPS)}")
    sub.add_argument(
        "--bodypart", default="", help="what stands for the animal (default: the best that is tracked)"
    )

    sub = verb("curves", _curves, "Chart the metrics of training jobs, from their logs.")
    sub.add_argument("--job", action="append", default=[], help="a training job; several times for several curves")
    sub.add_argument(
        "--out", type=Path, default=Path("dist/curves.html"), help="page to write, and JSON beside it"
    )
    sub = verb("drift", _drift, "Compare the endpoint's requests with the videos its model was trained on.")
    sub.add_argument("--out", type=Path, default=Path("dist/drift.html"), help="page to write, and JSON beside it")
    sub.add_argument("--endpoint", default="", help="name of the endpoint (default: the real-time one)")
    sub = verb("report", _report, "One run as a page: its steps, failures, scores, cost; JSON beside it.")
    sub.add_argument("run_name", metavar="RUN", nargs="?", default="", help="run id (default: the newest here)")
    sub.add_argument("--out", type=Path, default=Path("dist"), metavar="FOLDER", help="where report-RUN.html goes")


def _dashboards(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import dashboards

    exclusive(arguments, "--serve", "--publish", "--template", "--out")
    exclusive(arguments, "--publish", "--template", "--out")
    exclusive(arguments, "--template", "--out")
    requires(arguments, "--theme", "--publish")
    if arguments.serve is not None:
        dashboards.serve(current, arguments.serve)
    elif arguments.template:
        report(arguments, dashboards.write_template(arguments.template))
    elif arguments.publish:
        report(arguments, dashboards.publish(current, arguments.publish, arguments.theme or ""))
    else:
        with progress("dashboards", enabled=not arguments.json) as on_progress:
            result = dashboards.run(current, arguments.out or Path("dist/dashboards.html"), on_progress)
        report(arguments, result)


def _video(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import video

    exclusive(arguments, "--serve", "--out")
    number = video_number(current, arguments.video)
    if arguments.serve is not None:
        video.serve(current, number, arguments.run_id, arguments.serve)
        return
    out = arguments.out or Path("dist") / f"video-{number}.html"
    with progress("video", enabled=not arguments.json) as on_progress:
        result = video.run(current, number, out, arguments.run_id, on_progress)
    report(arguments, result)


def _review(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.review import merge, service

    user = arguments.user or getpass.getuser()
    first = video_number(current, arguments.video) if arguments.video else None
    if arguments.merge:
        report(arguments, merge.run(current, user, () if first is None else (first,)))
        return
    choice = service.ReviewChoice(user, arguments.lab, arguments.run_id, first, arguments.films)
    service.serve(current, choice, arguments.serve_at)


def _desk(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.desk import service

    service.serve(current, arguments.serve_at)


def _agreement(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.review import agreement

    report(arguments, agreement.run(current, arguments.first, arguments.second))


def _figure(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import figures

    out = arguments.out or Path("dist") / f"{arguments.kind}.pdf"
    videos = tuple(video_numbers(current, arguments.videos) or ())
    request = FigureRequest(
        arguments.kind, out, videos, arguments.lab, arguments.run_id, words(arguments.actions), arguments.group,
        arguments.bodypart,
    )  # fmt: skip
    report(arguments, figures.run(current, request))


def _curves(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import curves

    report(arguments, curves.run(current, arguments.out, arguments.job))


def _drift(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.serving import drift

    report(arguments, drift.run(current, arguments.out, arguments.endpoint))


def _report(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import run_report

    report(arguments, run_report.run(current, arguments.run_name, arguments.out))
