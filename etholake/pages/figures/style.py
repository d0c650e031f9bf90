"""The look of all figures: sizes, fonts, and colours that every kind of colour vision tells apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["COLOURS", "OTHER", "WIDTH", "colours_of", "styled"]

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/) without black (text), and yellow, pale on white, last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
OTHER = "#9A9A9A"  # what has no colour of its own
WIDTH = 7.0  # inches: two columns of a journal

_RC: dict[str, Any] = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text in PDF and SVG, so that a journal can edit it
    "svg.fonttype": "none",
    "svg.hashsalt": "etholake",  # the same figure is the same file
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style within the block; nothing stays changed after it, and no window is opened."""
    import matplotlib

    with matplotlib.rc_context(_RC):
        yield


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name; names beyond the palette share grey. The order of `names` decides."""
    return {name: COLOURS[number] if number < len(COLOURS) else OTHER for number, name in enumerate(names)}
