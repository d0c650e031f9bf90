"""Write one csv of all bouts: video, agent, target, action, frames (half-open) and seconds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from etholake.errors import UsageError
from etholake.formats.base import LabelRecording
from etholake.formats.export.base import Exporter

__all__ = ["EXPORTER"]

_COLUMNS = ("video", "agent", "target", "action", "start_frame", "stop_frame", "start_s", "stop_s", "fps")
_SELF = "self"


class IntervalTable(Exporter):
    """A table of intervals."""

    name = "csv"
    title = "one csv of intervals"

    def write(self, recordings: Sequence[LabelRecording], folder: Path) -> list[Path]:
        """Write `labels.csv` with the bouts of all recordings."""
        path = folder / "labels.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for recording in recordings:
                fps = recording.fps
                for b in recording.bouts:
                    if b.target == _SELF != b.agent:
                        raise UsageError(f"No animal but the agent may be called '{_SELF}' in a csv: rename it.")
                    target = _SELF if b.target is not None and b.target == b.agent else b.target or ""
                    seconds = [f"{b.start / fps:.6f}", f"{b.stop / fps:.6f}", repr(fps)] if fps else ["", "", ""]
                    writer.writerow(
                        [recording.name, b.agent, target, b.action, int(b.start), int(b.stop), *seconds]
                    )
        return [path]


EXPORTER = IntervalTable()
