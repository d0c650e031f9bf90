"""Write NWB files with the behaviours as a `TimeIntervals` table (needs the extra `nwb`)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from etholake.errors import UsageError
from etholake.formats.base import LabelRecording
from etholake.formats.export.base import FilePerRecording, rate_of

__all__ = ["EXPORTER"]

_UNKNOWN = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # NWB demands a time; an export does not know it


class NwbExporter(FilePerRecording):
    """NWB behaviour intervals."""

    name = "nwb"
    title = "NWB with behaviour intervals"

    ending = ".nwb"

    def write_one(self, recording: LabelRecording, path: Path) -> None:
        """Write one table of intervals; times are seconds from the video's start."""
        try:
            from pynwb import NWBHDF5IO, NWBFile
            from pynwb.epoch import TimeIntervals
        except ImportError as err:
            raise UsageError("Export to NWB needs pynwb: pip install 'etholake[nwb]'.") from err
        fps = rate_of(recording, "NWB")
        description = f"Behaviours of video {recording.name}; its date is not known and stands as 1970-01-01."
        file = NWBFile(description, recording.name, _UNKNOWN)
        table = TimeIntervals("behavior_intervals", f"Behaviours at {fps!r} frames/s, stop exclusive.")
        for name, text in (("label", "action"), ("agent", "who acts"), ("target", "towards whom")):
            table.add_column(name, text)
        for b in recording.bouts:
            table.add_row(start_time=b.start / fps, stop_time=b.stop / fps, label=b.action, agent=b.agent,
                          target=b.target or "")  # fmt: skip
        file.create_processing_module("behavior", "labels").add(table)
        with NWBHDF5IO(str(path), "w") as out:
            out.write(file)


EXPORTER = NwbExporter()
