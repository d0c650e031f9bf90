"""The definitions as one static web page: data of every data set, packed, with the scripts of `web/`. No AWS call.

The page draws what the definitions say; it has no specification of its own, loads nothing from anywhere, and
says that it is not QuickSight.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from etholake.pages.dashboards.definitions import Definitions, Json, columns

__all__ = ["MAX_ROWS", "pack", "pack_error", "render"]

WEB = Path(__file__).resolve().parents[1] / "web"
SCRIPTS = ("ui.js", "data.js", "definition.js", "charts.js", "app.js")
MAX_ROWS = 200_000  # of a data set in a page: beyond it, a browser is the wrong place


def pack(data_set: Json, found: Sequence[str], rows: Sequence[Sequence[Any]]) -> Json:
    """The rows of a data set by column; text as a list of words and an index. Columns are those that came."""
    kinds = columns(data_set)
    if len(rows) > MAX_ROWS:
        return pack_error(
            data_set,
            f"its SQL gave {len(rows):,} rows, and a page holds {MAX_ROWS:,}. "
            "Use make dashboards SERVE=1 and a filter, or a view with fewer rows.",
        )
    packed = {name: _column(kinds.get(name, "STRING"), [row[at] for row in rows]) for at, name in enumerate(found)}
    return {"columns": packed, "rows": len(rows)}


def pack_error(data_set: Json, reason: str) -> Json:
    """In the place of a data set that could not be read: its visuals will say why."""
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
    """The whole page. `facts` names the lake, `read` says when it was asked; `live` pages bring no data along.

    `videos` are the addresses, from this page, of the pages of videos by id.
    """
    content = {
        "dashboards": list(definitions.dashboards.values()),
        "theme": definitions.theme,
        "data": dict(data or {}),
        "facts": facts,
        "read": read,
        "live": live,
        "videos": dict(videos or {}),
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    scripts = "\n".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)
    page = (WEB / "page.html").read_text(encoding="utf-8")
    page = page.replace("/*STYLE*/", (WEB / "style.css").read_text(encoding="utf-8"))
    page = page.replace("/*SCRIPT*/", scripts)
    return page.replace("/*PAGE*/", text.replace("<", "\\u003c"))  # last: data are never looked into
