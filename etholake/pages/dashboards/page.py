"""The definitions as one static web page: data of every data set, packed, with the scripts of `web/`. No AWS call.

The page translates the definitions into Vega-Lite (`web/specs.js`) and draws them with the runtime of
`etholake.pages.vega`; it has no specification of its own, loads nothing, and says that it is not QuickSight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from etholake.pages import vega
from etholake.pages.dashboards.definitions import Definitions, Json, columns
from etholake.pages.templating import render as render_template

__all__ = ["MAX_ROWS", "pack", "pack_error", "render"]

MAX_ROWS = 200_000  # of a data set in a page: beyond it, a browser is the wrong place


def pack(data_set: Json, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Json:
    """Return the rows of a data set by column; text as a list of words and an index into it."""
    kinds = columns(data_set)
    if len(rows) > MAX_ROWS:
        return pack_error(
            data_set,
            f"its SQL gave {len(rows):,} rows, and a page holds {MAX_ROWS:,}. "
            "Use make dashboards SERVE=1 and a filter, or a view with fewer rows.",
        )
    packed = {name: _column(kinds.get(name, "STRING"), [row[at] for row in rows]) for at, name in enumerate(names)}
    return {"columns": packed, "rows": len(rows)}


def pack_error(data_set: Json, reason: str) -> Json:
    """Return what stands for a data set that could not be read; its visuals show `reason`."""
    return {
        "columns": {name: _column(kind, []) for name, kind in columns(data_set).items()},
        "rows": 0,
        "error": reason,
    }


def _column(kind: str, values: list[Any]) -> Json:
    if kind == "STRING":
        words = list(dict.fromkeys(str(v) for v in values if v is not None))
        at = {word: number for number, word in enumerate(words)}
        return {"type": kind, "words": words, "index": [-1 if v is None else at[str(v)] for v in values]}
    return {"type": kind, "values": [_number(v) for v in values]}


def _number(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    number = float(Decimal(value) if isinstance(value, Decimal) else value)
    return float(f"{number:.7g}") if math.isfinite(number) else None  # JSON has no other numbers


def render(
    definitions: Definitions,
    data: Mapping[str, Json] | None,
    *,
    facts: str,
    read: str,
    live: bool = False,
    videos: Mapping[str, str] | None = None,
) -> str:
    """Return the whole page. `facts` names the lake, `read` the time of its queries; a `live` page holds no data.

    `videos` are the addresses, from this page, of the pages of videos by id.
    """
    from markupsafe import Markup

    content = {
        "dashboards": list(definitions.dashboards.values()),
        "theme": definitions.theme,
        "data": dict(data or {}),
        "facts": facts,
        "read": read,
        "live": live,
        "videos": dict(videos or {}),
    }
    runtime = Markup(vega.javascript_runtime())  # noqa: S704 a library's own script
    return render_template("dashboards.html", content=content, runtime=runtime)
