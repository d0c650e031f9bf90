"""Vega-Lite offline: the JavaScript runtime for interactive pages, and charts as inline SVG for reports.

Both come from `vl-convert-python`, which holds Vega-Lite, Vega and Vega-Embed and needs no network. Colours of
the SVG are CSS variables of the page's style, so one chart serves the light and the dark theme.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["PALETTE", "javascript_runtime", "svg"]

Spec = dict[str, Any]
# Okabe and Ito's colours: told apart with every common colour vision deficiency.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A68A6", "#B8A300")
_THEME: Spec = {
    "background": None,
    "font": "system-ui, 'Segoe UI', sans-serif",
    "aria": False,  # the whole chart has one description; a page with thousands of described marks is unreadable
    "view": {"stroke": "var(--line)"},
    "axis": {
        "labelColor": "var(--soft)", "titleColor": "var(--soft)", "domainColor": "var(--line)",
        "tickColor": "var(--line)", "gridColor": "var(--line)", "labelFontSize": 11, "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": "var(--soft)", "titleColor": "var(--soft)", "labelLimit": 400},
}  # fmt: skip
# The one name that the page uses; it holds Vega-Lite and Vega.
_SNIPPET = "window.vegaEmbed = vegaEmbed;"
_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")


def svg(spec: Mapping[str, Any], description: str) -> Markup:
    """Return a Vega-Lite chart as inline SVG that fills the width of its place.

    Parameters
    ----------
    spec
        The specification with its data; colours may be CSS variables (``var(--ink)``).
    description
        Text that a screen reader says instead of the picture.
    """
    import vl_convert
    from markupsafe import Markup, escape

    config = {**_THEME, **spec.get("config", {})}
    drawn: str = vl_convert.vegalite_to_svg({**spec, "config": config})
    drawn = _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), drawn)
    head = f'<svg role="img" aria-label="{escape(description)}"'
    # An image is one thing to a screen reader: its marks are none of their own.
    drawn = drawn.replace("<svg", head, 1).replace("<g", '<g aria-hidden="true"', 1)
    return Markup(drawn)  # noqa: S704 Vega escapes the texts of the data


@cache
def javascript_runtime() -> str:
    """Return the script (0.9 MB) that defines ``vegaEmbed``, with Vega and Vega-Lite in it.

    Bundling takes 4 to 7 s, so the result is kept in the user's cache folder under the library's version.
    """
    from importlib.metadata import version

    import vl_convert

    file = _cache_folder() / f"vega-{version('vl-convert-python')}.js"
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8")
    text = f"(() => {{\n{vl_convert.javascript_bundle(_SNIPPET)}\n}})();\n"  # its own names stay out of the page's
    with contextlib.suppress(OSError):  # without a writable folder the next process bundles again
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as partial:
            partial.write(text)
        Path(partial.name).replace(file)
    return text


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "etholake"
