"""Write Bento's `.annot`: frames from 1, both ends inclusive; agent and target stand in the action's name."""

from __future__ import annotations

from pathlib import Path

from etholake.formats.base import LabelRecording
from etholake.formats.export.base import FilePerRecording, length_of, name_columns

__all__ = ["EXPORTER"]


class AnnotExporter(FilePerRecording):
    """Bento annotation."""

    name = "annot"
    title = "Caltech .annot (Bento)"

    ending = ".annot"

    def write_one(self, recording: LabelRecording, path: Path) -> None:
        """Write the channel `Ch1` with one list of bouts an action."""
        columns = name_columns(recording)
        lines = ["Bento annotation file", f"Movie file(s): {recording.name}.mp4", "", "Stimulus name:",
                 "Annotation start frame: 1", f"Annotation stop frame: {length_of(recording)}"]  # fmt: skip
        lines += [f"Annotation framerate: {recording.fps!r}"] if recording.fps else []
        lines += ["", "List of channels:", "Ch1", "", "List of annotations:", *columns, "", "Ch1----------"]
        for name, bouts in columns.items():
            lines += [f">{name}", "Start\tStop\tDuration"]
            lines += [f"{b.start + 1:.0f}\t{b.stop:.0f}\t{b.stop - b.start:.0f}" for b in bouts]
            lines.append("")
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")


EXPORTER = AnnotExporter()
