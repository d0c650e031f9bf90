"""Write what an import leaves in the data folder beside tracks and labels: metadata, state, mapping and report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etholake.contract import RAW_METADATA_COLUMNS, RAW_METADATA_OPTIONAL_COLUMNS, SPLITS, whole_number
from etholake.errors import DataError
from etholake.formats import layout

__all__ = ["ImportState", "merge_metadata", "other_numbers", "remove_videos"]

Owned = tuple[str, str, int]  # split, lab, video number


@dataclass
class ImportState:
    """State that the last run of an import left: facts of files, outcome by video, and the keys it had seen."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    videos: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, code: str) -> ImportState:
        """Return the state; facts of files are forgotten if the code that read them has changed."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            state = cls(dict(content["files"]), dict(content["videos"]), list(content["seen"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()  # none yet, or not ours: everything is read again
        if content.get("code") != code:
            state.files = {}
        return state

    def write(self, path: Path, code: str) -> None:
        """Write the state."""
        content = {"code": code, "files": self.files, "videos": self.videos, "seen": self.seen}
        layout.write_text(path, json.dumps(content, sort_keys=True, default=str) + "\n")

    @property
    def owned(self) -> set[Owned]:
        """Return (split, lab, number) of every video that this import has written."""
        return {(v["split"], v["lab"], int(v["video_id"])) for v in self.videos.values()}


def other_numbers(out: Path, owned: Iterable[Owned]) -> set[int]:
    """Return the video numbers in the metadata of the data folder that are not of this import."""
    own = set(owned)
    return {
        number
        for split in SPLITS
        for row in _read(out / f"{split}.csv")[1]
        if (number := whole_number(row["video_id"])) is not None and (split, row["lab_id"], number) not in own
    }


def merge_metadata(out: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]], before: Iterable[Owned]) -> None:
    """Write `train.csv` and `test.csv`: rows of other imports as they are, then this one's.

    Parameters
    ----------
    rows
        Rows by split.
    before
        The videos that the last run of this import wrote: their rows go.
    """
    gone = set(before) | {(s, str(r["lab_id"]), int(r["video_id"])) for s, rs in rows.items() for r in rs}
    for split in SPLITS:
        path = out / f"{split}.csv"
        columns, others = _read(path)
        kept = [row for row in others if (split, row["lab_id"], whole_number(row["video_id"])) not in gone]
        own = sorted(rows.get(split, ()), key=lambda row: (str(row["lab_id"]), int(row["video_id"])))
        if not kept and not own:
            path.unlink(missing_ok=True)
            continue
        names = dict.fromkeys([*RAW_METADATA_COLUMNS, *RAW_METADATA_OPTIONAL_COLUMNS, *columns])
        names |= dict.fromkeys(name for row in own for name in row)  # animals beyond those of the layout
        layout.write_csv(path, [*kept, *own], tuple(names))


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return columns and rows of a metadata csv; empty if there is none. Raises DataError if it cannot be read."""
    if not path.exists():
        return [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [dict(row) for row in reader]
            columns = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"{path} cannot be read ({err}): mend it, or name another folder with --out.") from err
    if not {"lab_id", "video_id"} <= set(columns) or any(None in row for row in rows):
        raise DataError(f"{path} is no metadata of the data layout: name another folder with --out.")
    return columns, [{name: value or "" for name, value in row.items()} for row in rows]


def remove_videos(out: Path, videos: Iterable[Owned]) -> int:
    """Remove tracks and labels of videos; returns how many files went."""
    removed = 0
    for split, lab, number in videos:
        for path in (
            layout.tracking_path(out, split, lab, number),
            layout.annotation_path(out, split, lab, number),
        ):
            if path.is_file():
                path.unlink()
                removed += 1
    return removed
