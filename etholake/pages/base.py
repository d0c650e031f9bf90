"""The look of a page of one file: nothing is loaded, nothing needs JavaScript. The style stands in `page.html`.

What comes from data, which anyone may have written, goes through `text`; the page forbids any request.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib import resources
from typing import Any

__all__ = ["figures", "left_out", "many", "page", "section", "text"]


def page(title: str, parts: Iterable[str], style: str = "") -> str:
    """The whole page; `style` is a ``<style>`` element of its own, whose content follows the common one."""
    shell = resources.files("etholake.pages").joinpath("base.html").read_text(encoding="utf-8")
    head = shell.replace("<!-- TITLE -->", text(title), 1).replace(
        "<!-- STYLE -->", style.strip().removeprefix("<style>").removesuffix("</style>").strip(), 1
    )
    return head.replace("<!-- BODY -->", "\n".join(parts), 1)


def section(title: str, said: str, content: str) -> str:
    """A part with its heading; `said` and `content` are markup."""
    lead = f"<p>{said}</p>" if said else ""
    return f"<section><h2>{title}</h2>{lead}{content}</section>"


def figures(found: Iterable[tuple[str, str, str, str]]) -> str:
    """Tiles of (figure, what it is, a note, class: good, bad or nothing), all markup."""
    tiles = "".join(
        f'<li><b class="{kind}">{value}</b>{label}<i>{note}</i></li>' for value, label, note, kind in found
    )
    return f'<ul class="figures">{tiles}</ul>'


def text(value: Any, longest: int = 80) -> str:
    """Text of the data as markup: what cannot be seen is written as an escape, what is long loses its middle."""
    told = str(value)
    if len(told) > longest:
        told = f"{told[: longest // 2]}…{told[-longest // 2 :]}"
    return html.escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in told))


def left_out(there: int, shown: int, what: str, where: str = "not shown") -> str:
    """A line if not everything is shown."""
    return f'<p class="more">{there - shown:,} more {what} are {where}.</p>' if there > shown else ""


def many(number: int, what: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
