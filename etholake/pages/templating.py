"""Jinja2 templates of the HTML pages. A page is one file: it loads nothing, and its own policy forbids requests.

Whatever comes from data may have been written by anyone: templates escape every value (autoescape), an undefined
name is an error, and `visible` makes control characters and over-long text readable.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["counted", "environment", "fraction_width", "render", "visible"]

LONGEST = 80  # characters of a name in a page


def render(template: str, **data: Any) -> str:
    """Return the page that `template` (a file of ``templates/``) makes of `data`."""
    return environment().get_template(template).render(**data)


@cache
def environment() -> Environment:
    """Return the environment of all pages: autoescape on, undefined names refused."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("etholake.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(visible=visible, counted=counted, json_script=_json_script, fraction_width=fraction_width)
    made.globals.update(asset=_asset, asset_digest=_asset_digest)
    return made


def visible(value: Any, longest: int = LONGEST) -> str:
    """Return `value` as text: control characters as escapes, the middle of a long text replaced by an ellipsis."""
    text = str(value)
    if len(text) > longest:
        text = f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 file`` or ``2,000 files``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def fraction_width(fraction: float) -> str:
    """Return the CSS width of a bar for a fraction of 0..1; its root, so that small fractions are seen, too."""
    return f"{100 * max(0.0, min(1.0, fraction)) ** 0.5:.2f}%"


def _json_script(document: Mapping[str, Any]) -> Markup:
    """Return JSON for a ``<script type="application/json">``; no text of it can end the element."""
    from markupsafe import Markup

    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 no "<" is left


def _asset_digest(name: str) -> str:
    """Return the SHA-256 of a script of ``web/`` in base64: a page's policy lets this script run and no other."""
    return base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()


def _asset(name: str) -> Markup:
    """Return a script or style sheet of ``web/``, which is our own text, as it stands."""
    from markupsafe import Markup

    return Markup(resources.files("etholake.pages").joinpath("web", name).read_text(encoding="utf-8"))  # noqa: S704
