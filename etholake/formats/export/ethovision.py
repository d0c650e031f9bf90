"""Write text like EthoVision's raw data: UTF-16, its header, one sample a frame, behaviours as 0 and 1.

EthoVision itself cannot import behaviours; other tools that read its exports read these. Times have six decimals,
where EthoVision writes three, since milliseconds do not tell a fractional frame rate.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from etholake.errors import UsageError
from etholake.formats.base import LabelRecording
from etholake.formats.export.base import FilePerRecording, length_of, name_columns, rate_of, spans_of
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.onehot import UNLABELLED

__all__ = ["EXPORTER"]

_TIMES = ("Trial time", "Recording time")
_CELLS = {0: "0", 1: "1", UNLABELLED: "-"}


class EthoVisionLike(FilePerRecording):
    """Text like EthoVision's raw data."""

    name = "ethovision-like"
    title = "text like EthoVision's raw data"

    ending = ".txt"

    def write_one(self, recording: LabelRecording, path: Path) -> None:
        """Write a raw data export in UTF-16 with one 0/1 column an action."""
        text = "\r\n".join(";".join(f'"{cell}"' for cell in row) for row in _rows(recording))
        path.write_text(text + "\r\n", encoding="utf-16", newline="")


def _rows(recording: LabelRecording) -> list[list[str]]:
    fps, length = rate_of(recording, "EthoVision"), length_of(recording)
    columns = name_columns(recording)
    if length < 2 or not columns:
        raise UsageError(
            f"EthoVision's raw data need two samples and a behaviour, which '{recording.name}' lacks."
        )
    if any('"' in name for name in (recording.name, *columns)):
        raise UsageError(f"EthoVision's raw data cannot hold a name with quotes ('{recording.name}'): rename it.")
    states_TC = np.full((length, len(columns)), UNLABELLED, dtype=np.int8)
    for c, (name, bouts) in enumerate(columns.items()):
        action, agent, _ = split_name(name)
        for start, stop in spans_of(recording, action, agent):
            states_TC[start:stop, c] = 0
        for bout in bouts:
            states_TC[int(bout.start) : int(bout.stop), c] = 1
    facts = [["Experiment", "etholake export"], ["Video file", f"{recording.name}.mp4"], [""]]
    names, units = [*_TIMES, *columns], ["s", "s", *[""] * len(columns)]
    body = [
        [f"{t / fps:.6f}", f"{t / fps:.6f}", *(_CELLS[state] for state in states)]
        for t, states in enumerate(states_TC.tolist())
    ]
    return [["Number of header lines:", str(len(facts) + 3)], *facts, names, units, *body]


EXPORTER = EthoVisionLike()
