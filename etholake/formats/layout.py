"""Write the raw layout: CSV rows and Parquet files, deterministic to the byte, each file atomically.

This is the only writer of the layout that `docs/data-layout.md` describes; the importer and the simulator use it.
Reading it back is the work of `etholake.curate`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from etholake.contract import RAW_METADATA_COLUMNS, SELF

__all__ = [
    "annotation_path",
    "as_json",
    "items",
    "tracking_path",
    "triplet_item",
    "write_annotation",
    "write_csv",
    "write_table",
    "write_text",
]


def tracking_path(folder: Path, split: str, lab: str, video: int | str) -> Path:
    """Return where the tracks of a video lie in a data folder."""
    return folder / f"{split}_tracking" / lab / f"{video}.parquet"


def annotation_path(folder: Path, split: str, lab: str, video: int | str) -> Path:
    """Return where the labels of a video lie in a data folder."""
    return folder / f"{split}_annotation" / lab / f"{video}.parquet"


def write_table(path: Path, table: pa.Table) -> None:
    """Write raw rows as one Parquet file; another writer or a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    # Coordinates hardly repeat, so a dictionary of them would only cost time; without Arrow's own schema in the
    # file, dictionary-encoded names are read back as the plain strings of the layout.
    repeated = ["video_frame", "bodypart", "action", "mouse_id"]
    pq.write_table(table, partial, compression="snappy", use_dictionary=repeated, store_schema=False)
    partial.replace(path)


def write_annotation(path: Path, rows: Iterable[tuple[int, int, str, int, int]]) -> None:
    """Write the labelled intervals of one video.

    `rows` are (agent, target, action, start_frame, stop_frame): animals count from 1, the target of an action
    towards oneself is the agent, and the stop frame is exclusive.
    """
    columns = list(zip(*rows, strict=True)) or [()] * 5
    names = ("agent_id", "target_id", "action", "start_frame", "stop_frame")
    types = (pa.int8(), pa.int8(), pa.string(), pa.int32(), pa.int32())
    arrays = {name: pa.array(values, type_) for name, values, type_ in zip(names, columns, types, strict=True)}
    write_table(path, pa.table(arrays))


def write_csv(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = RAW_METADATA_COLUMNS
) -> None:
    """Write `train.csv` or `test.csv` with all `columns`; a missing value is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="raise")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; do nothing if it holds this text already."""
    if path.is_file() and path.read_bytes() == text.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(text.encode())
    partial.replace(path)


def triplet_item(agent: int, target: int, action: str) -> str:
    """Return how `behaviors_labeled` writes an action: ``mouse1,mouse2,attack`` or ``mouse1,self,rear``."""
    return f"mouse{agent},{SELF if agent == target else f'mouse{target}'},{action}"


def items(animals: int, actions: Sequence[str], self_actions: Sequence[str]) -> list[str]:
    """Return the items of all agents and targets of the actions, sorted."""
    numbers = range(1, animals + 1)
    return sorted(
        triplet_item(agent, target, action)
        for action in actions
        for agent in numbers
        for target in numbers
        if (agent == target) == (action in self_actions)
    )


def as_json(values: Sequence[str]) -> str:
    """Return a JSON list in a string, as the CSV has it."""
    return json.dumps(list(values))
