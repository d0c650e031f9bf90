"""The ethogram of one video: who does what to whom over time, truth above prediction, as text or as a picture.

A row is one (agent, target, action); time runs in seconds of the video's own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.contract import SELF
from etholake.events.types import Event

__all__ = ["Ethogram"]

TRUTH, PREDICTED = "#0072B2", "#D55E00"  # Okabe and Ito: distinct for colour-blind eyes and in grey
_SHADES = " ▁▂▃▄▅▆▇█"  # fraction of a cell's time
_LABEL = 30


@dataclass(frozen=True)
class Ethogram:
    """Events of one video in ``start_frame <= f < stop_frame``, at `fps` frames/s."""

    title: str
    fps: float
    start_frame: int
    stop_frame: int
    truth: Sequence[Event]
    predicted: Sequence[Event]

    @property
    def rows(self) -> list[tuple[int, int, str]]:
        """Return every (agent, target, action) of the shown part, sorted."""
        shown = (e for e in (*self.truth, *self.predicted) if e.stop_frame > self.start_frame)
        return sorted({(e.agent_id, e.target_id, e.action) for e in shown if e.start_frame < self.stop_frame})

    def text(self, width: int = 100) -> str:
        """Return the text for a terminal of `width` columns; a cell's height is the fraction of its time."""
        cells = max(20, width - _LABEL - 3)
        lines = [f"{self.title}: truth (t) above prediction (p)"]
        for row in self.rows:
            for mark, events in (("t", self.truth), ("p", self.predicted)):
                name = _name(row) if mark == "t" else ""
                filled = "".join(_SHADES[round(s * (len(_SHADES) - 1))] for s in self._shares(events, row, cells))
                lines.append(f"{name:<{_LABEL}.{_LABEL}} {mark} {filled}".rstrip())
        lines.append(" " * (_LABEL + 3) + self._axis(cells))
        return "\n".join(lines)

    def save_png(self, path: Path) -> None:
        """Draw it with matplotlib; the folder is made."""
        import matplotlib as mpl

        mpl.use("Agg")
        import matplotlib.pyplot as plt

        rows = self.rows
        figure, axes = plt.subplots(figsize=(12, 1.3 + 0.55 * max(1, len(rows))), layout="constrained")
        for y, row in enumerate(rows):
            for offset, colour, events in ((-0.37, TRUTH, self.truth), (0.03, PREDICTED, self.predicted)):
                axes.broken_barh(self._seconds(events, row), (y + offset, 0.34), color=colour)
        axes.set_yticks(range(len(rows)), [_name(row) for row in rows])
        axes.set_ylim(-0.6, max(1, len(rows)) - 0.4)
        axes.invert_yaxis()
        self._decorate(axes)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
        plt.close(figure)

    def _decorate(self, axes: Any) -> None:
        from matplotlib.patches import Patch

        axes.set_xlim(self.start_frame / self.fps, self.stop_frame / self.fps)
        axes.set_xlabel("time (s)")
        axes.set_title(self.title, loc="left")
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        handles = [Patch(color=TRUTH, label="annotated"), Patch(color=PREDICTED, label="predicted")]
        axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)

    def _seconds(self, events: Sequence[Event], row: tuple[int, int, str]) -> list[tuple[float, float]]:
        """Return (start, duration) in seconds of the events of a row, within the shown part."""
        clipped = [
            (max(e.start_frame, self.start_frame), min(e.stop_frame, self.stop_frame))
            for e in events
            if (e.agent_id, e.target_id, e.action) == row
        ]
        return [(a / self.fps, (b - a) / self.fps) for a, b in clipped if b > a]

    def _shares(self, events: Sequence[Event], row: tuple[int, int, str], cells: int) -> npt.NDArray[np.float64]:
        """Return the fraction (0..1) of each cell's time that the row's events take; a short event still shows."""
        edges = np.linspace(self.start_frame, self.stop_frame, cells + 1) / self.fps
        shares = np.zeros(cells)
        for start, length in self._seconds(events, row):
            inside = np.minimum(edges[1:], start + length) - np.maximum(edges[:-1], start)
            shares += np.maximum(inside, 0) / np.diff(edges)
        return np.where(shares > 0, np.clip(shares, 1 / (len(_SHADES) - 1), 1), 0)

    def _axis(self, cells: int) -> str:
        first, last = self.start_frame / self.fps, self.stop_frame / self.fps
        axis = [" "] * (cells + 8)
        for part in range(5):
            text, at = f"{first + part / 4 * (last - first):.0f}", round(part / 4 * (cells - 1))
            axis[at : at + len(text)] = text
        return "".join(axis).rstrip() + " s"


def _name(row: tuple[int, int, str]) -> str:
    agent, target, action = row
    return f"mouse{agent} {action} {SELF if agent == target else f'mouse{target}'}"
