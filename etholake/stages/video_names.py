"""Resolve what a person types for a video: its number, its own name, or `lab/name`.

Tables, files and requests go by the number; the name stands beside it in the metadata (`video_name`). Whoever
takes a video from a person calls `resolve` (of the lake) or `resolve_in` (of a data folder).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from etholake.contract import SPLITS, plain_name, whole_number
from etholake.csv_rows import open_rows
from etholake.errors import DataError, UsageError, raise_collected, suggestion
from etholake.settings import Settings
from etholake.stages.state import open_lake

__all__ = [
    "NamedVideo",
    "find_videos",
    "resolve",
    "resolve_in",
    "split_list",
    "videos_of_folder",
    "videos_of_lake",
]


@dataclass(frozen=True)
class NamedVideo:
    """A row of the metadata: where the video is, its number, and its own name ("" without one)."""

    split: str
    lab_id: str
    video_id: int
    name: str = ""


def resolve(settings: Settings, texts: Iterable[str]) -> list[int]:
    """Return the numbers of videos of the lake, in the order of `texts`, each once.

    Raises
    ------
    UsageError
        A text names no video (the nearest name is suggested), or several (they are listed).
    """
    texts = list(texts)
    return find_videos(texts, videos_of_lake(settings), "The lake") if texts else []


def resolve_in(folder: Path, texts: Iterable[str]) -> list[int]:
    """Return the numbers of videos of a data folder. Raises as `resolve`."""
    texts = list(texts)
    return find_videos(texts, videos_of_folder(folder), str(folder)) if texts else []


def split_list(text: str | None) -> tuple[str, ...]:
    """Return the items of a list like ``12,cage 4,"a,b"``: a name with a comma stands in double quotes."""
    rows = csv.reader([text or ""], skipinitialspace=True)
    return tuple(item.strip() for row in rows for item in row if item.strip())


def find_videos(texts: Sequence[str], videos: Sequence[NamedVideo], where: str) -> list[int]:
    """Return the number of each text; `where` names the place that was searched in errors. Errors as `resolve`.

    A number wins over a name that looks the same; ``lab/name`` tells two videos of one name apart.
    """
    numbers = {video.video_id for video in videos}
    by_name: dict[str, set[tuple[str, int]]] = {}
    for video in videos:
        for name in {video.name, f"{video.lab_id}/{video.name}", f"{video.lab_id}/{video.video_id}"}:
            if video.name or name == f"{video.lab_id}/{video.video_id}":
                by_name.setdefault(plain_name(name), set()).add((video.lab_id, video.video_id))
    chosen: dict[int, None] = {}
    problems = []
    for text in map(plain_name, texts):
        number = whole_number(text)
        hits = (
            by_name.get(text) or by_name.get(text.rpartition(".")[0]) or set()
        )  # a file's name may be given, too
        if number in numbers and text == str(number):  # "0014" is a name
            chosen[int(text)] = None
        elif len({video_id for _, video_id in hits}) == 1:
            chosen[next(iter(hits))[1]] = None
        elif hits:
            several = ", ".join(f"{lab}/{text} (number {video_id})" for lab, video_id in sorted(hits))
            problems.append(f"several videos are called '{text}': write {several}")
        else:
            problems.append(f"there is no video '{text}'. {_nearest(text, videos, by_name)}")
    raise_collected(UsageError, f"{where} does not hold these videos", problems)
    return list(chosen)


def _nearest(text: str, videos: Sequence[NamedVideo], names: Iterable[str]) -> str:
    """Return the nearest name, else how many videos there are and where to see them."""
    if not videos:
        return "It holds no videos."
    plain = [str(video.video_id) for video in videos] + [name for name in names if "/" in text or "/" not in name]
    sentence = suggestion(text, plain)
    if sentence.startswith("Did"):
        return sentence
    shown = ", ".join(f"{v.name} ({v.video_id})" if v.name else str(v.video_id) for v in videos[:5])
    return f"It holds {len(videos)}: {shown}{', …' if len(videos) > 5 else ''}."


def videos_of_lake(settings: Settings) -> list[NamedVideo]:
    """Return the videos of the curated metadata, by lab and number. Raises DataError if there are none yet."""
    lake = open_lake(settings)
    columns = ("lab_id", "video_id", "video_name")
    # In a lake of an earlier version the names are null: its videos go by their numbers until the next etl.
    videos = [
        NamedVideo(split, row["lab_id"], row["video_id"], row["video_name"] or "")
        for split in SPLITS
        for row in lake.read(f"metadata_{split}", None, columns).to_pylist()
    ]
    if not videos:
        raise DataError("The lake holds no metadata of videos yet: run `make ingest etl` first.")
    return sorted(videos, key=lambda video: (video.lab_id, video.video_id, video.split))


def videos_of_folder(folder: Path) -> list[NamedVideo]:
    """Return the videos of a data folder's csvs, by lab and number; rows without a number are left out.

    Raises DataError if a csv cannot be read.
    """
    videos = []
    for split in SPLITS:
        path = folder / f"{split}.csv"
        if not path.is_file():
            continue
        with open_rows(path, "metadata", ("lab_id", "video_id")) as rows:
            for row in rows:
                number = whole_number(row["video_id"])
                if number is not None:
                    name = row.get("video_name", "").strip()
                    videos.append(NamedVideo(split, row["lab_id"].strip(), number, name))
    return sorted(videos, key=lambda video: (video.lab_id, video.video_id, video.split))
