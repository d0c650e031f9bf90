"""The request for a figure: its kind, whose data it shows, and its file. The command line imports it at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etholake.errors import UsageError, suggestion

__all__ = ["FORMATS", "GROUPS", "KINDS", "ONE_VIDEO", "FigureKind", "FigureRequest"]

FORMATS = (".pdf", ".png", ".svg")
GROUPS: Mapping[str, str] = {  # --group -> column of the metadata without its mouse
    "condition": "condition", "treatment": "condition", "strain": "strain", "sex": "sex", "age": "age",
    "lab": "lab_id",
}  # fmt: skip

ONE_VIDEO = ("ethogram", "trajectory")  # kinds that show a single video


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: what its title says, and a line for help."""

    title: str
    summary: str


KINDS: Mapping[str, FigureKind] = {
    "ethogram": FigureKind("Ethogram", "events of one video in lanes, annotated above predicted"),
    "raster": FigureKind("Events", "events of many animals, a row each"),
    "budget": FigureKind("Time budget", "share of the time by action"),
    "transitions": FigureKind("Transitions", "how often each action follows each other"),
    "trajectory": FigureKind("Paths", "the path of every animal of one video"),
    "heatmap": FigureKind("Occupancy", "where animals were"),
    "speed": FigureKind("Speed", "mean speed by minute"),
    "comparison": FigureKind("Difference of groups", "groups tested action by action, with effect and interval"),
}


@dataclass(frozen=True)
class FigureRequest:
    """The content of a figure.

    Attributes
    ----------
    kind
        One of `KINDS`.
    out
        The file to write; its ending decides the format (`FORMATS`).
    videos, lab
        Whose data; without either all annotated or predicted videos.
    run_id
        The run whose predictions are drawn; empty for annotations. An ethogram shows both.
    actions
        The actions that are drawn; empty for all.
    group
        One of `GROUPS`; empty for one group of all.
    bodypart
        The part that stands for the animal in figures of places and speeds; empty for the best that is tracked.
    """

    kind: str
    out: Path
    videos: tuple[int, ...] = ()
    lab: str = ""
    run_id: str = ""
    actions: tuple[str, ...] = ()
    group: str = ""
    bodypart: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"There is no figure '{self.kind}'. {suggestion(self.kind, KINDS)}")
        if self.group and self.group not in GROUPS:
            raise UsageError(f"There is no group '{self.group}'. {suggestion(self.group, GROUPS)}")
        if self.out.suffix not in FORMATS:
            raise UsageError(f"A figure is written as {', '.join(FORMATS)}, but --out is {self.out}.")
        if self.kind == "comparison" and not self.group:
            raise UsageError(f"A comparison needs --group: {', '.join(GROUPS)}.")
        if self.kind in ONE_VIDEO and len(self.videos) != 1:
            raise UsageError(f"A figure of the kind {self.kind} shows one video: give --videos with one id.")
        if self.group and self.kind in ONE_VIDEO:
            raise UsageError(f"A figure of the kind {self.kind} shows one video: it has no --group.")

    @property
    def title(self) -> str:
        """The figure's title: its kind, whose data it shows, and their source."""
        whose = self.lab or "all labs"
        if self.videos:
            whose = f"video {self.videos[0]}" if len(self.videos) == 1 else f"{len(self.videos)} videos"
        source = f"predicted by {self.run_id}" if self.run_id else "annotated"
        if self.kind == "ethogram" and self.run_id:
            source = f"annotated, and {source}"
        of_places = self.kind in ("trajectory", "heatmap", "speed")
        return f"{KINDS[self.kind].title}, {whose}" + ("" if of_places else f", {source}")
