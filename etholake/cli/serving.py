"""Verbs of serving: put a model on an endpoint, keep its versions, predict events, score them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from etholake import logs
from etholake.cli.common import AddVerb, data_folder, exclusive, report, requires, say, video_numbers, whole
from etholake.cli.options import add_videos
from etholake.errors import UsageError
from etholake.evaluation.protocols.unsplit import UNSPLIT, why_not
from etholake.progress import progress
from etholake.settings import Settings
from etholake.stages.model.model_names import NAMES

__all__ = ["add"]

_CHECKPOINT = (
    "another checkpoint of the newest training than that of the best score: highest_accuracy, lowest_loss"
)


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    sub = verb("serve", _serve, "Deploy the newest model (or the approved one) to the endpoint.")
    sub.add_argument(
        "--kind", choices=("realtime", "serverless", "async"), default="realtime", help="kind of endpoint"
    )
    sub.add_argument("--approved", action="store_true", help="serve the approved version of the model registry")
    sub.add_argument("--checkpoint", metavar="NAME", help=_CHECKPOINT)
    sub = verb(
        "registry", _registry, "Versions of the model; register the newest, approve one, or back to an older."
    )
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--register", action="store_true", help="make the newest trained model a version")
    what.add_argument("--approve", type=whole, metavar="VERSION", help="approve a version")
    what.add_argument("--rollback", type=whole, metavar="VERSION", help="approve it, reject newer ones, serve it")
    sub = verb("predict", _predict, "Predict events by batch transform, into a submission and the lake.")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--split", choices=("train", "test"))
    what.add_argument("--tracks", type=Path, metavar="FILE", help="Parquet of one video, raw or curated")
    what.add_argument("--video", type=Path, metavar="FILE", help="a video, by a model of pixels, on this machine")
    sub.add_argument(
        "--metadata", type=Path, metavar="FILE", help="with --tracks or --video: the video's metadata as JSON"
    )
    sub.add_argument("--checkpoint", metavar="NAME", help=f"with --split: {_CHECKPOINT}")
    sub.add_argument("--model", help=f"with --video: {NAMES} (default: the lake's newest)")
    sub.add_argument(
        "--points", type=Path, metavar="FILE", help="with --video: Parquet of its tracks, for boxes and identities"
    )
    sub.add_argument("--boxes", help="with --video: where the animals are, as in `etholake clips`")
    sub.add_argument(
        "--timeline", type=Path, metavar="CSV", help="with --video: the probability of every frame and behavior"
    )
    sub.add_argument(
        "--metrics",
        type=Path,
        metavar="FOLDER",
        help="with --video: tables of distance, speed and time, Parquet and xlsx",
    )
    sub.add_argument("--sheet", type=Path, metavar="PNG", help="with --video: a picture of every predicted bout")
    add_videos(sub, "default: all of test, the held-out ones of train")
    sub.add_argument(
        "--output", type=Path, required=True, help="submission CSV to write (with --tracks: .jsonl or .parquet)"
    )
    sub = verb("evaluate", _evaluate, "The official score of a submission, and further figures.", data=True)
    sub.add_argument("--submission", type=Path, help="CSV to score (default: the events of --out-of-fold)")
    sub.add_argument(
        "--out-of-fold", nargs="?", const="current", metavar="RUN",
        help="judge the probabilities of a cross-validated training job, too (RUN: its name; default: the newest)",
    )  # fmt: skip
    add_videos(sub, "score these only; default: all")
    sub.add_argument("--html", type=Path, metavar="PAGE", help="write a page with ethograms to look at")
    sub.add_argument(
        "--model", metavar="MODEL",
        help=f"with --html: show where this model looked, and its tasks: {NAMES}",
    )  # fmt: skip
    sub.add_argument("--run-id", metavar="RUN", help="also write the tables score… of the lake, as this run")
    sub.add_argument(
        "--held-out", action="store_true",
        help="score only the frames that the newest model held out of its training (a lone video is cut in time)",
    )  # fmt: skip
    sub.add_argument(
        "--as-official", action="store_true",
        help="score exactly as the challenge does: rows that its scorer ignores are left out, counted and named",
    )  # fmt: skip
    sub.add_argument("--as-job", action="store_true", help="as a SageMaker processing job on the lake's raw zone")

    sub = verb("benchmark", _benchmark, "Run a published benchmark by its own protocol; our figure beside theirs.")
    sub.add_argument(
        "benchmark",
        choices=("calms21", "mabe22", *UNSPLIT),
        help="calms21: mouse pairs, tasks 1 to 3; mabe22: mouse triplets; the others say why there is none",
    )
    sub.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with its official files")
    sub.add_argument("--task", type=whole, action="append", metavar="N", help="a task of calms21; several times")
    sub.add_argument("--rounds", type=whole, metavar="N", help="trees a class of calms21 (default: 200)")


def _benchmark(_: Settings, arguments: argparse.Namespace) -> None:
    from etholake.evaluation.protocols import calms21, mabe22

    if arguments.benchmark in UNSPLIT:
        raise UsageError(why_not(arguments.benchmark))
    if arguments.benchmark == "mabe22":
        if arguments.task or arguments.rounds:
            raise UsageError("--task and --rounds belong to calms21: mabe22 runs all tasks of its label file.")
        result = mabe22.run(arguments.data)
        tasks = {name: asdict(score) for name, score in result.tasks.items()}
        say(arguments, {"benchmark": "mabe22", "tasks": tasks}, "\n".join(mabe22.lines_of(result)))
        return
    rounds = arguments.rounds or 200
    results = [calms21.run_task(arguments.data, task, rounds=rounds) for task in arguments.task or calms21.TASKS]
    summary = {str(r.task): {"f1": r.f1, "ap": r.ap, "groups": list(r.groups)} for r in results}
    say(
        arguments,
        {"benchmark": "calms21", "tasks": summary},
        "\n".join(line for r in results for line in calms21.lines_of(r)),
    )


def _serve(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.serving import serve

    if arguments.approved and arguments.checkpoint:
        raise UsageError("--approved serves the approved version as it is: leave --checkpoint out.")
    report(
        arguments,
        serve.run(current, arguments.kind, approved=arguments.approved, checkpoint=arguments.checkpoint or ""),
    )


def _registry(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import model_packages
    from etholake.stages.serving import registry, serve

    group = model_packages.group_name(current)
    if arguments.register:
        result = registry.register(current)
    elif arguments.rollback is not None:
        result = serve.roll_back(current, group, arguments.rollback)
    else:
        if arguments.approve is not None:
            registry.approve(current, arguments.approve)
        result = registry.show(current, group)
    report(arguments, result)


def _predict(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.serving import predict, predict_file

    exclusive(arguments, "--tracks", "--videos")
    exclusive(arguments, "--video", "--videos")
    for option in ("--model", "--points", "--boxes", "--timeline", "--sheet", "--metrics"):
        requires(arguments, option, "--video")
    requires(arguments, "--checkpoint", "--split")
    if not arguments.video:
        requires(arguments, "--metadata", "--tracks")
    if arguments.video:
        if not arguments.metadata:
            raise UsageError("--video FILE needs --metadata FILE, with lab_id, video_id and behaviors_labeled.")
        from etholake.stages.serving import predict_video

        with progress("predict", enabled=not arguments.json) as on_progress:
            film = predict_video.run(
                current, arguments.video, arguments.metadata, arguments.output, model=arguments.model or "current",
                tracks=arguments.points, boxes=arguments.boxes or "", timeline=arguments.timeline,
                sheet=arguments.sheet, metrics=arguments.metrics, on_progress=on_progress,
            )  # fmt: skip
        report(arguments, film)
        return
    if arguments.tracks:
        if not arguments.metadata:
            raise UsageError("--tracks FILE needs --metadata FILE, the video's row of metadata as JSON.")
        with progress("predict", enabled=not arguments.json) as on_progress:
            one = predict_file.run(current, arguments.tracks, arguments.metadata, arguments.output, on_progress)
        report(arguments, one)
        return
    with progress("predict", enabled=not arguments.json) as on_progress:
        videos = video_numbers(current, arguments.videos)
        result = predict.run(
            current, arguments.split, videos, arguments.output, on_progress, arguments.checkpoint or ""
        )
    report(arguments, result)


def _evaluate(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.events.submission import read_as_official
    from etholake.stages import video_names
    from etholake.stages.model import evaluate, out_of_fold, processing
    from etholake.stages.model.training_result import newest_held_out_spans

    if not arguments.submission and not arguments.out_of_fold:
        raise UsageError("Say what to score: --submission FILE, --out-of-fold for the newest model, or both.")
    if arguments.as_job and arguments.out_of_fold:
        raise UsageError("The processing job scores submissions: leave --out-of-fold or --as-job out.")
    exclusive(arguments, "--held-out", "--out-of-fold", "--videos")
    exclusive(arguments, "--as-job", "--as-official", "--held-out", "--html", "--run-id", "--data")
    requires(arguments, "--as-official", "--submission")
    requires(arguments, "--model", "--html")
    if arguments.as_job:
        chosen = video_numbers(current, arguments.videos)
        report(arguments, processing.evaluate(current, arguments.submission, chosen))
        return
    data, pairs = data_folder(current, arguments), []
    videos = video_names.resolve_in(data, video_names.split_list(arguments.videos)) if arguments.videos else None
    predictions, title = arguments.submission, arguments.submission.name if arguments.submission else ""
    ignored: dict[str, int] = {}
    spans = newest_held_out_spans(current) if arguments.held_out else None
    if arguments.as_official:
        predictions, ignored = read_as_official(arguments.submission)
        ignored |= evaluate.ignored_by_official(data, predictions, videos)
    if arguments.out_of_fold:
        run = out_of_fold.run_of(current, arguments.out_of_fold)
        pairs = out_of_fold.read(current, run, videos)
        if not arguments.submission:
            predictions, title = out_of_fold.post_processing(current, run), f"{run}, out of fold"
            videos = sorted({pair.video_id for pair in pairs}) if videos is None else videos
    if arguments.run_id:
        result = evaluate.run(
            current,
            data,
            predictions,
            arguments.run_id,
            videos=videos,
            spans=spans,
            pairs=pairs,
            page=arguments.html,
            model=arguments.model or "",
        )
        scores = result.details["evaluation"]
    else:
        evaluation = evaluate.judge(data, predictions, videos, spans, pairs)
        scores = evaluation.to_dict()
        if arguments.html:
            evaluate.write_page(current, arguments.html, evaluation, data, title, arguments.model or "")
    if arguments.as_official:
        scores["ignored"] = ignored
    logs.add_fields(**evaluate.logged_scores(scores), message=f"official score {scores['score']:.4f}")
    print(json.dumps(scores) if arguments.json else "\n".join(evaluate.lines(scores)))
