"""Write Bento's `.annot`: frames from 1, both ends inclusive; agent and target stand in the action's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etholake.formats.base import LabelRecording
from etholake.formats.export.base import Exporter, file_for, length_of, name_columns

__all__ = ["EXPORTER"]


class AnnotExporter(Exporter):
    """Bento annotation."""

    name = "annot"
    title = "Caltech .annot (Bento)"

    def write(self, recordings: Sequence[LabelRecording], folder: Path) -> list[Path]:
        """Write one file a recording."""
        paths = []
        for recording in recordings:
            columns = name_columns(recording)
            lines = ["Bento annotation file", f"Movie file(s): {recording.name}.mp4", "", "Stimulus name:",
                     "Annotation start frame: 1", f"Annotation stop frame: {length_of(recording)}"]  # fmt: skip
            lines += [f"Annotation framerate: {recording.fps!r}"] if recording.fps else []
            lines += ["", "List of channels:", "Ch1", "", "List of annotations:", *columns, "", "Ch1----------"]
            for name, bouts in columns.items():
                lines += [f">{name}", "Start\tStop\tDuration"]
                lines += [f"{b.start + 1:.0f}\t{b.stop:.0f}\t{b.stop - b.start:.0f}" for b in bouts]
                lines.append("")
            path = file_for(recording, folder, ".annot")
            path.write_text("\n".join([*lines, ""]), encoding="utf-8")
            paths.append(path)
        return paths


EXPORTER = AnnotExporter()
