"""Write annotations as MABe 2025 has them: a Parquet file a video, animals by number."""

from __future__ import annotations

import re
from pathlib import Path

from etholake.errors import UsageError, raise_collected
from etholake.formats.base import LabelRecording
from etholake.formats.export.base import FilePerRecording
from etholake.formats.layout import write_annotation

__all__ = ["EXPORTER"]

_NUMBERED = re.compile(r"(?:mouse)?([1-9][0-9]{0,2})")
_MAX_ANIMAL = 127  # the contract's tinyint


class MabeExporter(FilePerRecording):
    """MABe 2025 annotations."""

    name = "mabe"
    title = "MABe 2025 annotation (Parquet)"

    ending = ".parquet"

    def write_one(self, recording: LabelRecording, path: Path) -> None:
        """Write the labels as they lie in a data folder."""
        rows, problems = [], []
        for b in recording.bouts:
            agent, target = _number(b.agent), _number(b.target)
            if agent is None or target is None:
                problems.append(f"'{b.action}' of '{b.agent}' towards '{b.target}'")
            else:
                rows.append((agent, target, b.action, int(b.start), int(b.stop)))
        what = f"MABe numbers its animals (mouse1 or 1, up to {_MAX_ANIMAL}), which '{recording.name}' does not"
        raise_collected(UsageError, what, list(dict.fromkeys(problems)))
        write_annotation(path, rows)


def _number(name: str | None) -> int | None:
    match = _NUMBERED.fullmatch(name or "")
    return int(match[1]) if match and int(match[1]) <= _MAX_ANIMAL else None


EXPORTER = MabeExporter()
