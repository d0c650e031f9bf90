"""Write the MABe layout: CSV rows and Parquet files, deterministic to the byte, each file atomically."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from etholake.contract import RAW_METADATA_COLUMNS, SELF
from etholake.simulate.motion import SimulatedEvent

__all__ = ["MARK", "items", "mark_text", "write_annotation", "write_csv", "write_tracking"]

MARK = "SIMULATED.txt"


def mark_text(what: str) -> str:
    """Return the text of the mark of a folder; `what` names what was simulated, from which arguments."""
    return (
        "The tracking in this folder was made by `etholake simulate`. It is simulated: no animal moved like\n"
        f"this, and no scientific claim may rest on it.\n{what}\n"
    )


def write_tracking(
    path: Path, xy_TMP2: npt.NDArray[np.float32], detected_TMP: npt.NDArray[np.bool_], parts: Sequence[str]
) -> int:
    """Write the raw rows of one video: `xy_TMP2` in px; only detected points. Returns the number of rows."""
    _, M, P = detected_TMP.shape
    keep = np.flatnonzero(detected_TMP.ravel())
    frame, mouse, part = keep // (M * P), keep // P % M + 1, keep % P
    xy = xy_TMP2.reshape(-1, 2)[keep]
    names = pa.DictionaryArray.from_arrays(pa.array(part.astype(np.int8)), pa.array(list(parts), pa.string()))
    table = pa.table(
        {
            "video_frame": frame.astype(np.int32),
            "mouse_id": mouse.astype(np.int8),
            "bodypart": names,
            "x": np.ascontiguousarray(xy[:, 0]),
            "y": np.ascontiguousarray(xy[:, 1]),
        }
    )
    _write(path, table)
    return int(keep.size)


def write_annotation(path: Path, events: Sequence[SimulatedEvent]) -> None:
    """Write the annotated intervals of one video."""
    table = pa.table(
        {
            "agent_id": pa.array([b.agent + 1 for b in events], pa.int8()),
            "target_id": pa.array([b.target + 1 for b in events], pa.int8()),
            "action": pa.array([b.action for b in events], pa.string()),
            "start_frame": pa.array([b.start for b in events], pa.int32()),
            "stop_frame": pa.array([b.stop for b in events], pa.int32()),
        }
    )
    _write(path, table)


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    # Coordinates hardly repeat, so a dictionary of them would only cost time; without Arrow's own schema in the
    # file, dictionary-encoded names are read back as the plain strings of the layout.
    repeated = ["video_frame", "bodypart", "action", "mouse_id"]
    pq.write_table(table, partial, compression="snappy", use_dictionary=repeated, store_schema=False)
    partial.replace(path)


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write `train.csv` or `test.csv` with all 38 columns; a missing value is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, RAW_METADATA_COLUMNS, restval="", extrasaction="raise")
        writer.writeheader()
        writer.writerows(rows)


def items(mice: int, actions: Sequence[str], self_actions: Sequence[str]) -> list[str]:
    """Return all ``mouse1,mouse2,attack`` and ``mouse1,self,rear`` of the actions, sorted."""
    labeled = []
    for action in actions:
        for agent in range(1, mice + 1):
            targets = [SELF] if action in self_actions else [f"mouse{t}" for t in range(1, mice + 1) if t != agent]
            labeled += [f"mouse{agent},{target},{action}" for target in targets]
    return sorted(labeled)


def as_json(values: Sequence[str]) -> str:
    """Return a JSON list in a string, as the CSV has it."""
    return json.dumps(list(values))
