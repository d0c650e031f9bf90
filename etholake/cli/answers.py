"""Verbs of the answers: predict, evaluate, and the pipeline that goes all the way."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from etholake import logs
from etholake.cli.common import AddVerb, data_folder, ids, report
from etholake.errors import UsageError
from etholake.progress import progress
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Tell the parser the verbs of this module."""
    sub = verb("predict", _predict, "Predict events by batch transform, into a submission and the lake.")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--split", choices=("train", "test"))
    what.add_argument("--tracks", type=Path, metavar="FILE", help="Parquet of one video, raw or curated")
    sub.add_argument("--metadata", type=Path, metavar="FILE", help="with --tracks: the video's metadata as JSON")
    sub.add_argument("--videos", help="video ids, 12,34 (default: all of test, the held-out ones of train)")
    sub.add_argument(
        "--output", type=Path, required=True, help="submission CSV to write (with --tracks: .jsonl or .parquet)"
    )
    sub = verb("evaluate", _evaluate, "The official score of a submission, and what stands beside it.", data=True)
    sub.add_argument("--submission", type=Path, help="CSV to score (default: what --out-of-fold says)")
    sub.add_argument(
        "--out-of-fold", nargs="?", const="current", metavar="RUN",
        help="judge the probabilities of a cross-validated training job, too (RUN: its name; default: the newest)",
    )  # fmt: skip
    sub.add_argument("--videos", help="score these video ids only, 12,34")
    sub.add_argument("--html", type=Path, metavar="PAGE", help="write a page with ethograms to look at")
    sub.add_argument("--run-id", metavar="RUN", help="also write the tables score… of the lake, as this run")
    sub.add_argument("--as-job", action="store_true", help="as a SageMaker processing job on the lake's raw zone")
    sub = verb("report", _report, "One run as a page: what ran, what failed, scores, cost; JSON beside it.")
    sub.add_argument("run_name", metavar="RUN", nargs="?", default="", help="run id (default: the newest here)")
    sub.add_argument("--out", type=Path, default=Path("dist"), metavar="FOLDER", help="where report-RUN.html goes")
    sub = verb("pipeline", _pipeline, "Raw zone to served model by the state machine, states shown as they run.")
    sub.add_argument("--config", help="named configuration: tiny (default) or base")
    sub.add_argument("--holdout", help="video ids to hold out for the score, 12,34 (default: chosen per lab)")
    sub.add_argument(
        "--max-quarantined", type=float, default=0.5, metavar="SHARE",
        help="the quality gate closes if more of a lab's rows were quarantined (default: 0.5)",
    )  # fmt: skip
    sub.add_argument("--tune", action="store_true", help="search hyper-parameters (sagemaker/jobs.json) to train")
    sub.add_argument("--jobs", type=int, help="with --tune: training jobs in all")
    sub.add_argument("--again", action="store_true", help="run although the same has succeeded already")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show how the newest execution stands")
    what.add_argument("--stop", action="store_true", help="stop what runs, with its jobs")


def _predict(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.serving import predict, predict_file

    if arguments.tracks:
        if not arguments.metadata:
            raise UsageError("--tracks FILE needs --metadata FILE, the video's row of metadata as JSON.")
        with progress("predict", enabled=not arguments.json) as on_progress:
            one = predict_file.run(current, arguments.tracks, arguments.metadata, arguments.output, on_progress)
        report(arguments, one)
        return
    with progress("predict", enabled=not arguments.json) as on_progress:
        result = predict.run(
            current, arguments.split, ids(arguments.videos), arguments.output, on_progress=on_progress
        )
    report(arguments, result)


def _evaluate(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.pages.evaluation import write
    from etholake.stages.model import evaluate, out_of_fold, processing

    if not arguments.submission and not arguments.out_of_fold:
        raise UsageError("Say what to score: --submission FILE, --out-of-fold for the newest model, or both.")
    if arguments.as_job:
        if arguments.out_of_fold:
            raise UsageError("The processing job scores submissions: leave --out-of-fold or --as-job out.")
        report(arguments, processing.evaluate(current, arguments.submission, ids(arguments.videos)))
        return
    data, videos, pairs, said = data_folder(current, arguments), ids(arguments.videos), [], arguments.submission
    title = said.name if said else ""
    if arguments.out_of_fold:
        run = out_of_fold.run_of(current, arguments.out_of_fold)
        pairs = out_of_fold.read(current, run, videos)
        if not said:
            said, title = out_of_fold.post_processing(current, run), f"{run}, out of fold"
            videos = sorted({pair.video_id for pair in pairs}) if videos is None else videos
    if arguments.run_id:
        result = evaluate.run(
            current, data, said, arguments.run_id, videos=videos, pairs=pairs, page=arguments.html
        )
        found = result.details["evaluation"]
    else:
        evaluation = evaluate.judge(data, said, videos, pairs=pairs)
        found = evaluation.to_dict()
        if arguments.html:
            write(arguments.html, evaluation, title)
    logs.add_fields(**evaluate.logged_scores(found), message=f"official score {found['score']:.4f}")
    print(json.dumps(found) if arguments.json else "\n".join(evaluate.lines(found)))


def _report(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import run_report as stage

    report(arguments, stage.run(current, arguments.run_name, arguments.out))


def _pipeline(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import pipeline
    from etholake.stages.pipeline import machine, view

    if arguments.stop:
        report(arguments, pipeline.stop(current))
        return
    with view.watching(enabled=not arguments.json) as watch:
        if arguments.status:
            result = pipeline.status(current, watch)
        else:
            holdout = tuple(ids(arguments.holdout) or ())
            tuning = ({"jobs": arguments.jobs} if arguments.jobs else {}) if arguments.tune else None
            given = machine.input_of(current, arguments.config or "", holdout, arguments.max_quarantined, tuning)
            result = pipeline.run(current, given, again=arguments.again, watch=watch)
    report(arguments, result)
