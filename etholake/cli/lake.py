"""Verbs of the lake: bring data in, curate it, maintain the tables, query them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from etholake.cli.common import (
    AddVerb,
    data_folder,
    exclusive,
    named_parameters,
    not_negative,
    positive,
    read_text,
    report,
    share,
    words,
)
from etholake.cli.options import add_videos
from etholake.errors import DataError, UsageError, raise_collected, suggestion
from etholake.progress import progress
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    sub = verb("import", _import, "Turn any lab's folder of tracks, labels and videos into a data folder.")
    sub.add_argument("folder", type=Path, help="the lab's folder; it is only read")
    sub.add_argument("--out", type=Path, default=Path("data"), help="data folder to write to (default: data)")
    sub.add_argument("--lab", help="name of the lab in the lake (default: the folder's name)")
    sub.add_argument("--name", help="name of this import: imports/NAME in the data folder (default: the folder's)")
    sub.add_argument("--fps", type=positive, help="frames per second of all videos (default: as the files say)")
    sub.add_argument("--min-likelihood", type=share, metavar="P", help="points below it are taken for missing")
    sub.add_argument(
        "--unpaired",
        choices=("error", "drop", "until-end"),
        help="what becomes of a labelled event without a start or an end (default: error)",
    )
    sub.add_argument(
        "--point-events",
        choices=("leave-out", "one-frame"),
        help="what becomes of a labelled event without a duration (default: leave-out)",
    )
    sub.add_argument(
        "--unpickle", action="store_true", help="read formats that need pickle (MABe22), with a restricted reader"
    )
    sub.add_argument("--dry-run", action="store_true", help="say what would be imported; write nothing")
    sub = verb("ingest", _ingest, "Upload a folder in the MABe layout to the raw zone.", data=True)
    sub.add_argument(
        "--replace", action="store_true", help="remove the files of another folder that was ingested before"
    )
    verb("etl", _etl, "Run the Glue jobs: raw zone to curated tables, and refresh the catalog.")
    verb("compact", _compact, "Merge small files of tracks into large ones; readers are not disturbed.")
    vacuum = verb("vacuum", _vacuum, "Remove states of tables that nothing references any more.")
    vacuum.add_argument(
        "--older-than",
        type=not_negative,
        default=24.0,
        metavar="HOURS",
        help="longer than your longest query or job (default: 24)",
    )
    sub = verb("export", _export, "Write annotations or predictions into other tools' files.")
    target = sub.add_argument(
        "--to",
        required=True,
        metavar="TOOL",
        help="the tool: annot, boris, csv, ethovision-like, jabs, mabe, nwb, simba",
    )
    target.completer = _export_targets  # type: ignore[attr-defined]
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the files")
    sub.add_argument(
        "--run", dest="run_id", metavar="RUN_IDS",
        help="predictions of these runs, a,b: a folder each (default: annotations, with merged corrections)",
    )  # fmt: skip
    add_videos(sub, "default: all")
    sub.add_argument(
        "--corrected", action="store_true", help="reviewers' labels, also those that etl has not seen"
    )
    sub.add_argument("--labs", metavar="LABS", help="separated by commas (default: all)")
    sub.add_argument("--actions", metavar="ACTIONS", help="separated by commas (default: all)")
    sub = verb("query", _query, "Ask Athena.")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--sql", help="a statement; values for its ? come from --param, in order")
    what.add_argument("--file", type=Path, help="a file with one statement")
    name = what.add_argument("--name", help="a report, by its name (see --list)")
    name.completer = _report_names  # type: ignore[attr-defined]
    what.add_argument("--list", action="store_true", help="list the reports")
    sub.add_argument("--param", action="append", default=[], help="name=value for a report, value for a ?")
    sub.add_argument("--format", choices=("table", "csv", "json"), help="form of the rows (default: table)")


def _import(_: Settings, arguments: argparse.Namespace) -> None:
    from etholake.formats.report import overview
    from etholake.stages.lake import import_folder

    options = import_folder.ImportOptions(
        arguments.lab, arguments.name, arguments.fps, arguments.min_likelihood, arguments.unpaired,
        arguments.point_events, arguments.unpickle, arguments.dry_run,
    )  # fmt: skip
    with progress("import", enabled=not arguments.json) as on_progress:
        result = import_folder.run(arguments.folder, arguments.out, options, on_progress)
    if not arguments.json:
        print(overview(result.details))
    report(arguments, result)
    raise_collected(DataError, "Some files could not be imported; everything else was", result.details["errors"])


def _ingest(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import ingest

    with progress("ingest", enabled=not arguments.json) as on_progress:
        result = ingest.run(current, data_folder(current, arguments), on_progress, lambda _: arguments.replace)
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


def _export_targets(**_: object) -> list[str]:
    """Return the names of the tools, for shell completion."""
    from etholake.formats.export.registry import EXPORTERS

    return list(EXPORTERS.names())


def _export(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.formats.export.registry import EXPORTERS
    from etholake.stages.lake import export
    from etholake.stages.video_names import split_list

    if arguments.to not in EXPORTERS.names():
        raise UsageError(f"There is no tool '{arguments.to}'. {suggestion(arguments.to, EXPORTERS.names())}")
    exclusive(arguments, "--corrected", "--run")
    choice = export.ExportChoice(
        words(arguments.run_id),
        arguments.corrected,
        split_list(arguments.videos),
        words(arguments.labs),
        words(arguments.actions),
    )
    report(arguments, export.run(current, arguments.to, arguments.out, choice))


def _report_names(**_: object) -> list[str]:
    """Return the names of the reports, for shell completion."""
    from etholake.stages.lake import query

    return [name for name, _ in query.list_reports()]


def _query(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.lake import query

    exclusive(arguments, "--list", "--param", "--format")
    exclusive(arguments, "--json", "--format")
    if arguments.list:
        reports = query.list_reports()
        if arguments.json:
            print(json.dumps([{"name": name, "purpose": purpose} for name, purpose in reports]))
        else:
            print("\n".join(f"{name:<28} {purpose}" for name, purpose in reports))
        return
    if arguments.name:
        result = query.run_report(current, arguments.name, named_parameters(arguments.param))
    elif arguments.sql or arguments.file:
        sql = arguments.sql or read_text(arguments.file)
        result = query.run_sql(current, sql, arguments.param)
    else:
        raise UsageError("query needs --sql TEXT, --file FILE or --name REPORT (see --list).")
    print(query.format_rows(result, "json" if arguments.json else arguments.format or "table"))
    cost = f"{len(result.rows)} rows, {result.scanned_bytes:,} bytes scanned, {result.seconds:.2f} s"
    print(f"etholake: {cost}, query {result.query_id}", file=sys.stderr)
