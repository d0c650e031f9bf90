"""Write JABS annotations: blocks with inclusive ends, present or not; what is in no block is unlabelled.

JABS knows identities by number and no target, so agent and target stand in the behaviour's name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etholake.formats.base import Bout, LabelRecording
from etholake.formats.export.base import FilePerRecording, length_of, name_columns, spans_of
from etholake.formats.labels.directed import split_name

__all__ = ["EXPORTER"]


class JabsExporter(FilePerRecording):
    """JABS annotations."""

    name = "jabs"
    title = "JABS annotations (json)"

    ending = ".json"

    def write_one(self, recording: LabelRecording, path: Path) -> None:
        """Write one recording; identities are numbered in the order of the agents' names."""
        agents = sorted(
            {bout.agent for bout in recording.bouts} | set(recording.animals), key=lambda n: (len(n), n)
        )
        labels: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for name, bouts in name_columns(recording).items():
            action, agent, _ = split_name(name)
            identity = str(agents.index(agent)) if agent in agents else "0"
            labels.setdefault(identity, {})[name] = _blocks(bouts, spans_of(recording, action, agent))
        content = {
            "version": 1, "file": f"{recording.name}.mp4", "num_frames": length_of(recording), "labels": labels,
            "unfragmented_labels": labels, "metadata": {"project": {}, "video": {}},
        }  # fmt: skip
        path.write_text(json.dumps(content), encoding="utf-8")


def _blocks(bouts: Sequence[Bout], spans: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return the bouts as present, and the rest of the spans as absent."""
    blocks = []
    for start, stop in spans:
        at = start
        for bout in bouts:
            first, end = int(bout.start), int(bout.stop)
            if start <= first and end <= stop:
                if at < first:
                    blocks.append({"start": at, "end": first - 1, "present": False})
                blocks.append({"start": first, "end": end - 1, "present": True})
                at = end
        if at < stop:
            blocks.append({"start": at, "end": stop - 1, "present": False})
    return blocks


EXPORTER = JabsExporter()
