"""Write annotations as MABe 2025 has them: a Parquet file a video, animals by number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from etholake.contract import RAW_ANNOTATION_COLUMNS
from etholake.errors import UsageError, raise_collected
from etholake.formats.base import LabelRecording
from etholake.formats.export.base import Exporter, file_for

__all__ = ["EXPORTER"]

_NUMBERED = re.compile(r"(?:mouse)?([1-9]\d{0,2})")
_MAX_ANIMAL = 127  # the contract's tinyint


class MabeExporter(Exporter):
    """MABe 2025 annotations."""

    name = "mabe"
    title = "MABe 2025 annotation (Parquet)"

    def write(self, recordings: Sequence[LabelRecording], folder: Path) -> list[Path]:
        """Write one file a recording."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        paths = []
        types = {"agent_id": pa.int8(), "target_id": pa.int8(), "action": pa.string(), "start_frame": pa.int32(),
                 "stop_frame": pa.int32()}  # fmt: skip
        schema = pa.schema([(name, types[name]) for name in RAW_ANNOTATION_COLUMNS])
        for recording in recordings:
            problems = []
            rows = []
            for b in recording.bouts:
                agent, target = _number(b.agent), _number(b.target)
                if agent is None or target is None:
                    problems.append(f"'{b.action}' of '{b.agent}' towards '{b.target}'")
                rows.append([agent, target, b.action, int(b.start), int(b.stop)])
            what = (
                f"MABe numbers its animals (mouse1 or 1, up to {_MAX_ANIMAL}), which '{recording.name}' does not"
            )
            raise_collected(UsageError, what, list(dict.fromkeys(problems)))
            path = file_for(recording, folder, ".parquet")
            items = [dict(zip(RAW_ANNOTATION_COLUMNS, row, strict=True)) for row in rows]
            pq.write_table(pa.Table.from_pylist(items, schema=schema), path)
            paths.append(path)
        return paths


def _number(name: str | None) -> int | None:
    match = _NUMBERED.fullmatch(name or "")
    return int(match[1]) if match and int(match[1]) <= _MAX_ANIMAL else None


EXPORTER = MabeExporter()
