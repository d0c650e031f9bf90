"""Job bookmarks: which objects of a source a job has read, by the source's `transformation_ctx`.

The server gives a run the bookmark of its job in `run.json` and takes the new one from `bookmark.json`, which
`Job.commit` writes. An object counts as read if its time of modification has not changed since.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "OPTIONS", "Bookmarks", "S3Object", "current", "open_bookmarks"]

FOLDER = "LOCAL_MOCK_GLUE_RUN"  # environment variable with the folder of the run
ENABLE, PAUSE, DISABLE = OPTIONS = ("job-bookmark-enable", "job-bookmark-pause", "job-bookmark-disable")


@dataclass(frozen=True)
class S3Object:
    """One object, and when it was modified (ISO 8601)."""

    uri: str
    modified: str


class Bookmarks:
    """The bookmark of one run."""

    def __init__(self, option: str, state: Mapping[str, Mapping[str, str]], path: Path) -> None:
        self._option, self._path = option, path
        self._before = {context: dict(read) for context, read in state.items()}
        self._after = {context: dict(read) for context, read in state.items()}

    def pending(self, context: str, objects: Sequence[S3Object]) -> list[S3Object]:
        """Return the objects that a source has not read, and note them as read; all if it keeps no bookmark."""
        if self._option == DISABLE or not context:
            return list(objects)
        before = self._before.get(context, {})
        new = [item for item in objects if before.get(item.uri) != item.modified]
        self._after.setdefault(context, {}).update({item.uri: item.modified for item in new})
        return new

    def commit(self) -> None:
        """Keep the bookmark for the next run, unless it is paused or disabled."""
        if self._option == ENABLE:
            whole = self._path.with_suffix(".new")  # a run may be stopped while it writes
            whole.write_text(json.dumps(self._after), encoding="utf-8")
            whole.replace(self._path)


_current: Bookmarks | None = None


def open_bookmarks(arguments: Mapping[str, Any]) -> Bookmarks:
    """Open the bookmark of this run (`Job.init`)."""
    global _current  # noqa: PLW0603
    folder = Path(os.environ[FOLDER])
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    option = arguments.get("job_bookmark_option") or run.get("bookmark_option") or DISABLE
    _current = Bookmarks(option, run.get("bookmark") or {}, folder / "bookmark.json")
    return _current


def current() -> Bookmarks | None:
    """Return the bookmark of this run, None before `Job.init`."""
    return _current
