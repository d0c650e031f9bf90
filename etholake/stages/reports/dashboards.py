"""Stage dashboards: the QuickSight definitions of `dashboards/`, rendered, served, or published.

`run` asks Athena for every data set and writes one static page; `serve` answers it live on loopback; `publish`
creates or updates the same definitions in QuickSight; `write_template` writes them as CloudFormation.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake import aws
from etholake.errors import AwsError, EtholakeError, UsageError
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.lake import query

if TYPE_CHECKING:
    from etholake.pages.dashboards.server import DashboardServer

__all__ = ["make_server", "publish", "run", "serve", "values", "write_template"]

_QUERIES_AT_ONCE = 4


def run(settings: Settings, out: Path, on_progress: OnProgress | None = None) -> StageResult:
    """Write the page with the data of the lake. A data set that cannot be read is named in its visuals.

    Videos whose pages (`video-<id>.html`, stage `video`) lie beside it are linked to them.

    Raises
    ------
    AwsError
        No data set could be read at all.
    """
    from etholake.pages.dashboards import definitions, page

    tick = on_progress or silent
    loaded = definitions.load()
    query.create_views(settings)
    packed: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}

    def read(name: str) -> tuple[str, query.QueryResult | EtholakeError]:
        try:
            return name, query.run_sql(settings, definitions.sql(loaded.data_sets[name], settings.database))
        except EtholakeError as err:
            return name, err

    with ThreadPoolExecutor(_QUERIES_AT_ONCE) as pool:
        for done, (name, answer) in enumerate(pool.map(read, loaded.data_sets), start=1):
            if isinstance(answer, EtholakeError):
                failed[name] = str(answer)
                packed[name] = page.pack_error(loaded.data_sets[name], str(answer))
            else:
                packed[name] = page.pack(loaded.data_sets[name], answer.columns, answer.rows)
            tick(done, len(loaded.data_sets), name)
    if len(failed) == len(packed):
        raise AwsError(f"No data set could be read. The first: {next(iter(failed.values()))}")
    read_at = f"Read {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC."
    out.parent.mkdir(parents=True, exist_ok=True)
    videos = {path.stem.removeprefix("video-"): path.name for path in sorted(out.parent.glob("video-*.html"))}
    text = page.render(loaded, packed, facts=_facts(settings), read=read_at, videos=videos)
    out.write_text(text, encoding="utf-8")
    sheets = sum(len(d["Definition"]["Sheets"]) for d in loaded.dashboards.values())
    rows = sum(body["rows"] for body in packed.values())
    trouble = f"; {len(failed)} data sets could not be read: {', '.join(failed)}" if failed else ""
    summary = f"{len(loaded.dashboards)} dashboards, {sheets} sheets, {rows:,} rows in {out}{trouble}"
    return StageResult("dashboards", "done", summary, {"page": str(out), "rows": rows, "failed": failed})


def _facts(settings: Settings) -> str:
    return f"Database '{settings.database}' on target {settings.target}, bucket {settings.bucket}."


def make_server(settings: Settings, port: int = 0) -> DashboardServer:
    """Return a server of the live page on loopback, not yet running."""
    from etholake.pages.dashboards import definitions
    from etholake.pages.dashboards.server import DashboardServer

    def ask(sql: str, parameters: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        answer = query.run_sql(settings, sql, parameters)
        return answer.columns, answer.rows

    query.create_views(settings)
    return DashboardServer(definitions.load(), settings.database, _facts(settings), ask, port)


def serve(settings: Settings, port: int = 0) -> None:
    """Serve the live page until stopped by Ctrl-C."""
    with make_server(settings, port) as server:
        print(server.url, flush=True)
        print("etholake: live dashboards; Ctrl-C stops them", file=sys.stderr, flush=True)
        server.serve_forever()


def values(settings: Settings, principal: str, theme_arn: str = "") -> dict[str, str]:
    """Return a value for every placeholder of the definitions. Pure, but for the account on AWS."""
    from etholake.pages.dashboards.publish import OWN_THEME

    filled = {
        "AccountId": aws.account_id(settings),
        "Partition": "aws-cn" if settings.region.startswith("cn-") else "aws",
        "Region": settings.region,
        "Prefix": settings.stack,
        "Database": settings.database,
        "WorkGroup": settings.workgroup,
        "Principal": principal,
    }
    own = OWN_THEME
    for name, value in filled.items():
        own = own.replace(f"${{{name}}}", value)
    return {**filled, "ThemeArn": theme_arn or own}


def publish(settings: Settings, principal: str, theme_arn: str = "") -> StageResult:
    """Create or update data source, data sets, theme and dashboards in QuickSight.

    Raises
    ------
    UsageError
        `principal` is not the ARN of a QuickSight user or group.
    """
    from etholake.pages.dashboards import definitions
    from etholake.pages.dashboards import publish as quicksight

    if ":quicksight:" not in principal:
        raise UsageError(
            "Publishing needs the ARN of a QuickSight user or group, "
            f"arn:aws:quicksight:<region>:<account>:user/default/<name>, but got '{principal}'."
        )
    query.create_views(settings)
    calls = quicksight.requests(
        definitions.load(), values(settings, principal, theme_arn), own_theme=not theme_arn
    )
    done = quicksight.publish(aws.client(settings, "quicksight"), calls)
    created = sum(state == "created" for _, state in done)
    summary = f"{created} created, {len(done) - created} updated in QuickSight: {', '.join(i for i, _ in done)}"
    return StageResult("dashboards", "done", summary, {"resources": dict(done)})


def write_template(out: Path) -> StageResult:
    """Write the CloudFormation template of the definitions."""
    from etholake.pages.dashboards import definitions
    from etholake.pages.dashboards import publish as quicksight

    template = quicksight.template(definitions.load())
    text = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    summary = f"{len(template['Resources'])} resources, {len(text):,} bytes in {out}"
    return StageResult("dashboards", "done", summary, {"template": str(out)})
