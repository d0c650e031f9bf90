"""Draw the small picture of a video for the library: its animals on one frame, or words without any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from etholake.pages.video.skeleton import edges

__all__ = ["HEIGHT", "WIDTH", "skeletons", "words"]

WIDTH, HEIGHT = 120, 72  # px, also of the picture that a browser takes of a film
_MARGIN = 8
_COLORS = ("#3b7dd8", "#d9822b", "#2e9e6b", "#a35bc4")  # seen on light and on dark
_FRAME = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#808080" fill-opacity="0.15"/>{{}}</svg>'
)


def skeletons(points: Iterable[Mapping[str, Any]]) -> str:
    """Return an SVG of the animals, as large as the picture allows.

    Parameters
    ----------
    points
        Rows of one frame with ``mouse_id``, ``bodypart``, ``x`` and ``y`` (cm or px, y downwards).
    """
    animals: dict[int, dict[str, tuple[float, float]]] = {}
    for row in points:
        animals.setdefault(int(row["mouse_id"]), {})[str(row["bodypart"])] = (float(row["x"]), float(row["y"]))
    xs, ys = zip(*(xy for parts in animals.values() for xy in parts.values()), strict=True)
    span = max((max(xs) - min(xs)) / (WIDTH - 2 * _MARGIN), (max(ys) - min(ys)) / (HEIGHT - 2 * _MARGIN), 1e-9)
    middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2

    def at(xy: tuple[float, float]) -> tuple[str, str]:
        return f"{WIDTH / 2 + (xy[0] - middle[0]) / span:.1f}", f"{HEIGHT / 2 + (xy[1] - middle[1]) / span:.1f}"

    shapes = []
    for number, animal in enumerate(sorted(animals)):
        parts = {part: at(xy) for part, xy in animals[animal].items()}
        color = _COLORS[number % len(_COLORS)]
        for a, b in edges(parts):
            (x1, y1), (x2, y2) = parts[a], parts[b]
            shapes.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="2"/>')
        shapes += [f'<circle cx="{x}" cy="{y}" r="1.8" fill="{color}"/>' for x, y in parts.values()]
    return _FRAME.format("".join(shapes))


def words(text: str) -> str:
    """Return a neutral SVG that says `text` (two or three words)."""
    label = f'<text x="{WIDTH / 2}" y="{HEIGHT / 2 + 4}" text-anchor="middle" font-size="11" fill="#808080">'
    return _FRAME.format(f"{label}{escape(text)}</text>")
