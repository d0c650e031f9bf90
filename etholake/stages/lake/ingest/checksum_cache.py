"""Remember checksum and problems of each file, so that a file is read once until it changes.

The cache is kept in the state folder, per size, time of modification and time of change (which no tool can set
back). Losing it costs reading the files again, nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake.digest import fingerprint
from etholake.stages.lake.ingest.folder import KINDS, RawFile

__all__ = ["ChecksumCache", "FileState"]

# A file system's clock ticks in up to 2 s (FAT): what changed so shortly before it was read may have changed
# again within the same tick, and is read again next time.
_TICK_NS = 2_000_000_000
_SAVE_EVERY_S = 30.0


@dataclass(frozen=True)
class FileState:
    """A file's size in bytes, its times, its hex SHA-256, and its problems as texts to put after its path."""

    size: int
    modified_ns: int
    changed_ns: int
    sha256: str
    problems: tuple[str, ...]
    settled: bool
    """Read so long after its last change that its times tell whether it changed since."""

    @staticmethod
    def at(
        size: int, modified_ns: int, changed_ns: int, sha256: str, problems: tuple[str, ...], read_ns: int
    ) -> FileState:
        """Return the state of a file whose times were taken before it was read, at `read_ns` since 1970."""
        settled = all(abs(read_ns - then) > _TICK_NS for then in (modified_ns, changed_ns))
        return FileState(size, modified_ns, changed_ns, sha256, problems, settled)

    def is_unchanged(self, size: int, modified_ns: int, changed_ns: int) -> bool:
        """Return whether a file of this size and these times is the one that was read."""
        return self.settled and (self.size, self.modified_ns, self.changed_ns) == (size, modified_ns, changed_ns)


class ChecksumCache:
    """The cache of one folder."""

    def __init__(self, data: Path, cache: Path) -> None:
        self._cache, self._saved = cache, time.monotonic()
        self._head = {"checks": fingerprint(KINDS, 1), "folder": str(data.resolve())}
        self._files: dict[str, list[Any]] = {}
        self._changed = True
        try:
            content = json.loads(cache.read_text(encoding="utf-8"))
            if {name: content.get(name) for name in self._head} == self._head:
                self._files = dict(content["files"])
                self._changed = False
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            pass  # none yet, or of another shape: written anew

    def find(self, file: RawFile) -> FileState | None:
        """Return the remembered state of a file if size and times are unchanged, else None."""
        entry = self._files.get(file.key)
        if entry is None or entry[:3] != [file.size, file.modified_ns, file.changed_ns]:
            return None
        return FileState(file.size, file.modified_ns, file.changed_ns, entry[3], tuple(entry[4]), settled=True)

    def add(self, file: RawFile, seen: FileState) -> None:
        """Remember a checksum.

        The file is written at intervals, so that a run that was killed need not read everything again.
        """
        if seen.settled:
            entry = [seen.size, seen.modified_ns, seen.changed_ns, seen.sha256, list(seen.problems)]
            self._changed |= self._files.get(file.key) != entry
            self._files[file.key] = entry
        if time.monotonic() - self._saved > _SAVE_EVERY_S:
            self.save()

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget the files that the folder no longer has."""
        for key in self._files.keys() - set(keys):
            del self._files[key]
            self._changed = True

    def save(self) -> None:
        """Write the cache if it has changed."""
        self._saved = time.monotonic()
        if not self._changed:
            return
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        partial = self._cache.with_name(self._cache.name + ".partial")
        partial.write_text(json.dumps(self._head | {"files": self._files}), encoding="utf-8")
        partial.replace(self._cache)
        self._changed = False
