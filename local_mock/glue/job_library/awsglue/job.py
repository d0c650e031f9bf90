"""`Job`: the beginning and the end of a job's bookmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import bookmarks

__all__ = ["Job"]


class Job:
    """A run of a job. Without `commit`, the next run reads the same objects again."""

    def __init__(self, glue_context: Any) -> None:
        self._bookmarks: bookmarks.Bookmarks | None = None

    def init(self, job_name: str, args: Mapping[str, Any] | None = None) -> None:
        """Begin the job: sources read from now on follow the bookmark, if --job-bookmark-option says so."""
        self._bookmarks = bookmarks.open_bookmarks(args or {})

    def isInitialized(self) -> bool:
        """Return whether `init` was called."""
        return self._bookmarks is not None

    def commit(self) -> None:
        """Keep what was read in the job's bookmark. Raises RuntimeError before `init`."""
        if self._bookmarks is None:
            raise RuntimeError("Job.init must be called before Job.commit.")
        self._bookmarks.commit()
