"""The command line: ``etholake <verb>``. Parses, calls one stage, prints; no logic of its own.

Exit codes: 0 done, 1 failed (a sentence on stderr says why), 2 wrong usage. `--json` prints one JSON object
on stdout; everything for people who watch (progress, notes) goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from etholake import __version__, aws, settings
from etholake.errors import EtholakeError, UsageError
from etholake.progress import progress
from etholake.settings import Settings
from etholake.stages import StageResult

__all__ = ["main", "run_and_exit"]

DONE, FAILED, WRONG_USAGE = 0, 1, 2
Verb = Callable[[Settings, argparse.Namespace], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    arguments = _parser().parse_args(argv)
    logging.getLogger("pyathena").setLevel(logging.CRITICAL)  # it logs a traceback for what we say in a sentence
    try:
        current = settings.load(target=arguments.target, port=arguments.port)
        aws.export(current)
        arguments.run(current, arguments)
    except UsageError as err:
        return _fail(str(err), WRONG_USAGE)
    except EtholakeError as err:
        return _fail(str(err), FAILED)
    except KeyboardInterrupt:
        return _fail("stopped by you; run the same command again to go on where it stopped", 130)
    except Exception as err:
        if explained := _explain(err, current):
            return _fail(explained, FAILED)
        raise
    return DONE


def run_and_exit() -> NoReturn:
    """The console script: `main`, then leave without tearing the interpreter down.

    Arrow's threads, torn down by static destructors, now and then abort a process that has done its work
    ("terminate called without an active exception"): a finished verb must not exit with 134.
    """
    code = main()
    with contextlib.suppress(BrokenPipeError):  # `etholake query … | head`
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fail(message: str, code: int) -> int:
    print(f"etholake: {message}", file=sys.stderr)
    return code


def _explain(err: Exception, current: Settings) -> str | None:
    """A sentence for what AWS clients raise and a user can mend; None for a defect of ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(err, BotoCoreError) and "EndpointConnection" in type(err).__name__:
        remedy = "Start it with `make up`, or set TARGET and PORT."
        return f"Nothing answers on target '{current.target}' ({err}). {remedy}"
    if isinstance(err, ClientError):
        code = err.response.get("Error", {}).get("Code", "")
        hint = " Run `make deploy` first." if code in {"NoSuchBucket", "EntityNotFoundException"} else ""
        return f"{err}.{hint}"
    return f"AWS client: {err}" if isinstance(err, BotoCoreError) else None


# --- verbs ------------------------------------------------------------------------------------------------
def _up(current: Settings, arguments: argparse.Namespace) -> None:
    from local_mock import lifecycle

    running = lifecycle.up(current)
    at = settings.replace_port(current, running.port)
    variables = aws.environment(at)
    if arguments.json:
        print(json.dumps({"url": running.url, "pid": running.pid, "started": running.started, "env": variables}))
        return
    state = "started" if running.started else "already running"
    print(
        f"etholake: {state} at {running.url} (process {running.pid}); logs in {current.state_dir}", file=sys.stderr
    )
    print("\n".join(f"export {name}={value}" for name, value in variables.items()))


def _down(current: Settings, arguments: argparse.Namespace) -> None:
    from local_mock import lifecycle

    stopped = lifecycle.down(current)
    _say(arguments, {"stopped": stopped}, "stopped" if stopped else "nothing was running")


def _config(current: Settings, arguments: argparse.Namespace) -> None:
    rows = settings.sources(target=arguments.target, port=arguments.port)
    if arguments.json:
        print(json.dumps({name: {"value": value, "source": source} for name, value, source, _ in rows}))
        return
    for name, value, source, text in rows:
        print(f"{name:<16} {value!s:<24} {source:<34} {text}")
    print("\n".join(f"{name:<16} {value}" for name, value in aws.environment(current).items()))


def _deploy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import deploy

    _report(arguments, deploy.run(current, _confirmation(current, arguments)))


def _destroy(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import deploy

    _report(arguments, deploy.destroy(current, arguments.bucket, _confirmation(current, arguments)))


def _cost(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import cost

    found, hours = cost.lines(current), cost.video_hours(current)
    _say(arguments, {"hours": hours, "lines": [vars(line) for line in found]}, cost.render(found, hours))


def _ingest(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import ingest

    with progress("ingest", enabled=not arguments.json) as on_progress:
        result = ingest.run(current, _data_folder(current, arguments), on_progress)
    _report(arguments, result)


def _etl(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import etl

    with progress("etl", enabled=not arguments.json) as on_progress:
        result = etl.run(current, on_progress)
    _report(arguments, result)


def _compact(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import compact

    with progress("compact", enabled=not arguments.json) as on_progress:
        result = compact.run(current, on_progress)
    _report(arguments, result)


def _vacuum(current: Settings, arguments: argparse.Namespace) -> None:
    import datetime as dt

    from etholake.stages import vacuum

    _report(arguments, vacuum.run(current, dt.timedelta(hours=arguments.older_than)))


def _query(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import query

    if arguments.list:
        for name, purpose in query.list_reports():
            print(f"{name:<28} {purpose}")
        return
    if arguments.name:
        result = query.run_report(current, arguments.name, _named_parameters(arguments.param))
    elif arguments.sql or arguments.file:
        sql = arguments.sql or _read_text(arguments.file)
        result = query.run_sql(current, sql, arguments.param)
    else:
        raise UsageError("query needs --sql TEXT, --file FILE or --name REPORT (see --list).")
    print(query.format_rows(result, "json" if arguments.json else arguments.format))
    cost = f"{len(result.rows)} rows, {result.scanned_bytes:,} bytes scanned, {result.seconds:.2f} s"
    print(f"etholake: {cost}, query {result.query_id}", file=sys.stderr)


def _dashboards(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import dashboards

    if arguments.serve is not None:
        dashboards.serve(current, arguments.serve)
    elif arguments.template:
        _report(arguments, dashboards.write_template(arguments.template))
    elif arguments.publish:
        _report(arguments, dashboards.publish(current, arguments.publish, arguments.theme or ""))
    else:
        with progress("dashboards", enabled=not arguments.json) as on_progress:
            result = dashboards.run(current, arguments.out, on_progress)
        _report(arguments, result)


def _video(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import video

    if arguments.serve is not None:
        video.serve(current, arguments.video, arguments.run_id, arguments.serve)
        return
    out = arguments.out or Path("dist") / f"video-{arguments.video}.html"
    with progress("video", enabled=not arguments.json) as on_progress:
        result = video.run(current, arguments.video, out, arguments.run_id, on_progress)
    _report(arguments, result)


def _train(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import etl, ingest, train

    if arguments.base and arguments.config:
        raise UsageError("--from trains by the model's own configuration: leave --config out.")
    config = "its own" if arguments.base else arguments.config or current.config
    wish = train.Wish(
        arguments.folds, arguments.seeds, arguments.space, arguments.base or "",
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
            ingest.run(current, arguments.data, on_progress)
            etl.run(current, on_progress)
        result = train.run(current, config, _ids(arguments.holdout) or (), on_progress, wish)
    _report(arguments, result)


def _tune(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import tune

    with progress("tune", enabled=not arguments.json) as on_progress:
        result = tune.run(
            current, arguments.config or current.config, _ids(arguments.holdout) or (), on_progress,
            strategy=arguments.strategy, jobs=arguments.jobs, parallel=arguments.parallel,
        )  # fmt: skip
    _report(arguments, result)


def _explain_model(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import explain

    found = explain.run(current, arguments.model)
    print(json.dumps(found) if arguments.json else "\n".join(explain.lines(found)))


def _serve(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import serve

    _report(arguments, serve.run(current, arguments.kind, approved=arguments.approved))


def _registry(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import registry

    group = registry.group_name(current)
    if arguments.register:
        result = registry.register(current)
    elif arguments.rollback is not None:
        result = registry.go_back(current, group, arguments.rollback)
    else:
        if arguments.approve is not None:
            registry.approve(current, arguments.approve)
        result = registry.show(current, group)
    _report(arguments, result)


def _curves(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import curves

    _report(arguments, curves.run(current, arguments.out, arguments.job))


def _drift(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import drift

    _report(arguments, drift.run(current, arguments.out, arguments.endpoint))


def _predict(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import predict, predict_file

    if arguments.tracks:
        if not arguments.metadata:
            raise UsageError("--tracks FILE needs --metadata FILE, the video's row of metadata as JSON.")
        with progress("predict", enabled=not arguments.json) as on_progress:
            one = predict_file.run(current, arguments.tracks, arguments.metadata, arguments.output, on_progress)
        _report(arguments, one)
        return
    with progress("predict", enabled=not arguments.json) as on_progress:
        result = predict.run(
            current, arguments.split, _ids(arguments.videos), arguments.output, on_progress=on_progress
        )
    _report(arguments, result)


def _evaluate(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import evaluate, processing

    if arguments.as_job:
        _report(arguments, processing.evaluate(current, arguments.submission, _ids(arguments.videos)))
        return
    data, videos = _data_folder(current, arguments), _ids(arguments.videos)
    if arguments.run_id:
        result = evaluate.run(
            current, data, arguments.submission, arguments.run_id, videos=videos, page=arguments.html
        )
        found = result.details["evaluation"]
    else:
        from etholake.evaluation.page import write

        evaluation = evaluate.judge(data, arguments.submission, videos)
        found = evaluation.to_dict()
        if arguments.html:
            write(arguments.html, evaluation, arguments.submission.name)
    print(json.dumps(found) if arguments.json else "\n".join(score_lines(found)))


def score_lines(scores: dict[str, Any]) -> list[str]:
    """The official score as text: one line a lab, one line an action; with `details`, what stands beside it."""
    details = scores.get("details", {})
    lines = [f"official score {scores['score']:.4f}{_between(scores.get('interval'))}"]
    for lab, entry in sorted(scores["labs"].items()):
        lines.append(f"  {lab:<28} {entry['score']:.4f}{_between(details.get(lab, {}).get('interval'))}")
        for action, f in sorted(entry["actions"].items()):
            line = f"    {action:<26} {f:.4f}"
            if details:
                more = details[lab]["actions"][action]
                line += f"{_between(more['interval']):<18} bouts {more['bouts']['f_score']:.3f}"
                line += _boundaries(more["bouts"]["start_error_sec"], more["bouts"]["stop_error_sec"])
            lines.append(line)
    return lines


def _between(interval: list[float] | None) -> str:
    return f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def _boundaries(start: float | None, stop: float | None) -> str:
    return f", off by {start:.2f} and {stop:.2f} s" if start is not None and stop is not None else ""


def _pipeline(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages import pipeline
    from etholake.stages.pipeline import machine, view

    if arguments.stop:
        _report(arguments, pipeline.stop(current))
        return
    with view.watching(enabled=not arguments.json) as watch:
        if arguments.status:
            result = pipeline.status(current, watch)
        else:
            holdout = tuple(_ids(arguments.holdout) or ())
            given = machine.input_of(current, arguments.config or "", holdout, arguments.max_quarantined)
            result = pipeline.run(current, given, again=arguments.again, watch=watch)
    _report(arguments, result)


def _package(_current: Settings, arguments: argparse.Namespace) -> None:
    from etholake import packaging

    packages = packaging.build(arguments.out)
    made = {
        "etholake_zip": str(packages.etholake_zip),
        "sourcedir": str(packages.sourcedir),
        "digest": packages.digest,
    }
    _say(arguments, made, f"{packages.etholake_zip} and {packages.sourcedir}, digest {packages.digest}")


def _simulate(_current: Settings, arguments: argparse.Namespace) -> None:
    from etholake import simulate

    labs: int | list[str] = int(arguments.labs) if arguments.labs.isdigit() else arguments.labs.split(",")
    with progress("simulate", enabled=not arguments.json) as on_progress:
        if arguments.add_to:
            report = simulate.add_tracking(
                arguments.add_to,
                arguments.out,
                videos=arguments.videos,
                labs=None if isinstance(labs, int) else labs,
                seed=arguments.seed,
                dirt=arguments.dirt,
                on_progress=on_progress,
            )
        else:
            report = simulate.simulate(
                arguments.out,
                labs=labs,
                videos=arguments.videos,
                seconds=arguments.seconds,
                seed=arguments.seed,
                dirt=arguments.dirt,
                on_progress=on_progress,
            )
    _say(arguments, vars(report) if hasattr(report, "__dict__") else {"report": str(report)}, str(report))


def _demo(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake import demo

    demo.run(current, data=arguments.data, keep_running=arguments.keep)


# --- small helpers ----------------------------------------------------------------------------------------
def _report(arguments: argparse.Namespace, result: StageResult) -> None:
    if arguments.json:
        print(json.dumps({"status": result.status, "summary": result.summary, **result.details}, default=str))
    else:
        print(f"{result.stage}: {result.status}: {result.summary}")


def _confirmation(current: Settings, arguments: argparse.Namespace) -> Callable[[str], bool]:
    """Shows a plan; where it costs money, asks once (`--yes` answers)."""

    def confirm(plan: str) -> bool:
        if not arguments.json:
            print(plan, file=sys.stderr)
        if arguments.yes or not aws.costs_money(current):
            return True
        if not sys.stdin.isatty():
            raise UsageError("Nobody is there to confirm the plan: give --yes (ARGS=--yes with make).")
        print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    return confirm


def _say(arguments: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    print(json.dumps(data, default=str) if arguments.json else text)


def _data_folder(current: Settings, arguments: argparse.Namespace) -> Path:
    folder = arguments.data or current.data
    if not folder:
        raise UsageError("Say where the data is: --data DIR, DATA=… with make, or the variable MABE_DATA_DIR.")
    return Path(folder)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as err:
        raise UsageError(f"Cannot read {path}: {err}.") from err


def _ids(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(item) for item in text.split(",") if item.strip()]
    except ValueError as err:
        raise UsageError(f"Expected video ids like 12,34,56, but got '{text}'.") from err


def _named_parameters(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise UsageError(f"A report's parameter is written --param name=value, but got {wrong}.")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--target", choices=settings.TARGETS, help="what answers (default: mock)")
    common.add_argument("--port", type=int, help="loopback port of the mock (default: 4566)")
    common.add_argument("--json", action="store_true", help="print one JSON object, no progress")
    parser = argparse.ArgumentParser(
        prog="etholake", description="Pose tracks of many labs: a lakehouse, and a behaviour recogniser fed by it."
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Verb, text: str, *, data: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, parents=[common])
        sub.set_defaults(run=run)
        if data:
            sub.add_argument("--data", type=Path, help="folder in the MABe layout (else DATA / MABE_DATA_DIR)")
        return sub

    _lake_verbs(verb)
    _model_verbs(verb)
    _answer_verbs(verb)
    _laptop_verbs(verb)
    return parser


def _lake_verbs(verb: Callable[..., argparse.ArgumentParser]) -> None:
    verb("config", _config, "Print every setting and where it comes from.")
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


def _model_verbs(verb: Callable[..., argparse.ArgumentParser]) -> None:
    sub = verb("train", _train, "Train the recogniser as a SageMaker training job.")
    sub.add_argument(
        "--config", help="named configuration: tiny (default), small, base, w64 … w512; or several, a,b"
    )
    sub.add_argument("--folds", type=int, default=0, help="an ensemble, cross-validated by video in so many folds")
    sub.add_argument("--seeds", type=int, default=1, help="of an ensemble: seeds of every fold and configuration")
    sub.add_argument("--space", choices=("probability", "logit"), default="probability", help="averaged in it")
    sub.add_argument("--holdout", help="video ids to hold out for the score, 12,34 (default: chosen per lab)")
    sub.add_argument(
        "--from", dest="base", metavar="MODEL",
        help="fine-tune this model: a folder, a model.tar.gz, an s3:// URI of one, or `current`",
    )  # fmt: skip
    sub.add_argument("--data", type=Path, help="ingest and curate this folder first (a lake mirrors one folder)")
    sub.add_argument("--labs", help="train on these labs only, a,b (default: all of the lake)")
    sub = verb("explain", _explain_model, "What a model knows: labs, actions, parts, clock, scores, fingerprint.")
    sub.add_argument(
        "model", metavar="MODEL", nargs="?", default="current",
        help="a folder, a model.tar.gz, an s3:// URI of one, or `current` (default: the lake's newest)",
    )  # fmt: skip
    sub = verb("tune", _tune, "Search hyper-parameters as a SageMaker tuning job (ranges: sagemaker/jobs.json).")
    sub.add_argument("--config", help="named configuration whose fields are tuned: tiny (default) or base")
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


def _answer_verbs(verb: Callable[..., argparse.ArgumentParser]) -> None:
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
    sub.add_argument("--submission", type=Path, required=True)
    sub.add_argument("--videos", help="score these video ids only, 12,34")
    sub.add_argument("--html", type=Path, metavar="PAGE", help="write a page with ethograms to look at")
    sub.add_argument("--run-id", metavar="RUN", help="also write the tables score… of the lake, as this run")
    sub.add_argument("--as-job", action="store_true", help="as a SageMaker processing job on the lake's raw zone")
    sub = verb("pipeline", _pipeline, "Raw zone to served model by the state machine, states shown as they run.")
    sub.add_argument("--config", help="named configuration: tiny (default) or base")
    sub.add_argument("--holdout", help="video ids to hold out for the score, 12,34 (default: chosen per lab)")
    sub.add_argument(
        "--max-quarantined", type=float, default=0.5, metavar="SHARE",
        help="the quality gate closes if more of a lab's rows were quarantined (default: 0.5)",
    )  # fmt: skip
    sub.add_argument("--again", action="store_true", help="run although the same has succeeded already")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show how the newest execution stands")
    what.add_argument("--stop", action="store_true", help="stop what runs, with its jobs")
    sub = verb("package", _package, "Build what is shipped to Glue and SageMaker.")
    sub.add_argument("--out", type=Path, default=Path("dist"))


def _laptop_verbs(verb: Callable[..., argparse.ArgumentParser]) -> None:
    verb("up", _up, "Start the mock on loopback and print the variables to export.")
    verb("down", _down, "Stop the mock and everything it started.")
    sub = verb("simulate", _simulate, "Write a simulated data set in the MABe layout.")
    sub.add_argument("--out", type=Path, required=True)
    sub.add_argument("--labs", default="4", help="how many labs, or their names, a,b (default: 4)")
    sub.add_argument("--videos", type=int, default=6, help="videos per lab (with --add-to: in all)")
    sub.add_argument("--seconds", type=float, default=75.0, help="length of a video")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--dirt", type=float, default=0.1, help="rate of real-world dirt, 0..1")
    sub.add_argument("--add-to", type=Path, help="add tracking to the annotations of this folder instead")
    sub = verb("demo", _demo, "Everything, end to end, on this machine.", data=True)
    sub.add_argument("--keep", action="store_true", help="leave the mock running at the end")


if __name__ == "__main__":
    run_and_exit()
