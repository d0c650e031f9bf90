"""Write one 0/1 column an action and one row a frame, as SimBA appends them to its tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from etholake.errors import UsageError
from etholake.formats.base import LabelRecording
from etholake.formats.export.base import FilePerRecording, length_of, name_columns
from etholake.formats.labels.deepethogram import BACKGROUND
from etholake.formats.labels.simba import PROBABILITY

__all__ = ["EXPORTER"]

_POSE = ("_x", "_y", "_p")


class SimbaExporter(FilePerRecording):
    """SimBA targets, without pose and features."""

    name = "simba"
    title = "SimBA one-hot csv"

    ending = ".csv"

    def write_one(self, recording: LabelRecording, path: Path) -> None:
        """Write one row a frame and one 0/1 column an action."""
        columns = name_columns(recording)
        length = length_of(recording)
        bad = [name for name in columns if name.endswith(_POSE) or name == BACKGROUND]
        bad += [name for name in columns if name.lower().startswith(PROBABILITY)]
        if bad or not columns or not length:
            what = f"columns called {bad}" if bad else "a recording without actions or frames"
            raise UsageError(f"SimBA cannot hold {what} ('{recording.name}'): rename the action, or leave it out.")
        states_TC = np.zeros((length, len(columns)), dtype=np.int8)
        for c, bouts in enumerate(columns.values()):
            for bout in bouts:
                states_TC[int(bout.start) : int(bout.stop), c] = 1
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["", *columns])
            writer.writerows([t, *states] for t, states in enumerate(states_TC.tolist()))


EXPORTER = SimbaExporter()
