"""A job's checkpoints: restored from S3 at the start, uploaded while the job runs."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

from local_mock.data import DataAccess
from local_mock.errors import LocalMockError

__all__ = ["CheckpointSync"]

_log = logging.getLogger("local_mock.sagemaker")
PERIOD_S = 0.5  # AWS does not say how often it looks; what is renamed into place is never seen half-written


class CheckpointSync:
    """Uploads what changed in `folder` to `uri` from a thread, until `close`. Nothing is ever deleted from S3."""

    def __init__(self, folder: Path, uri: str, data: DataAccess, *, restore: bool = True) -> None:
        self._folder, self._uri, self._data = folder, uri.rstrip("/"), data
        self._seen: dict[Path, tuple[int, int]] = {}
        self._done = threading.Event()
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        if restore:
            data.download(self._uri + "/", folder)
        self._seen = self._states()  # what was restored is there already
        self._thread = threading.Thread(target=self._follow, name="checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Upload the rest and end."""
        self._done.set()
        self._thread.join()
        self._upload()

    def _follow(self) -> None:
        while not self._done.wait(PERIOD_S):
            try:
                self._upload()
            except (OSError, LocalMockError):
                _log.exception("checkpoints of %s", self._uri)

    def _upload(self) -> None:
        with self._lock:
            for path, state in self._states().items():
                if self._seen.get(path) == state:
                    continue
                with contextlib.suppress(FileNotFoundError):  # the job may remove old ones meanwhile
                    self._data.write(f"{self._uri}/{path.relative_to(self._folder).as_posix()}", path.read_bytes())
                    self._seen[path] = state

    def _states(self) -> dict[Path, tuple[int, int]]:
        """Return (modification time in ns, size) of every file."""
        versions = {}
        for path in sorted(self._folder.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink():
                    stat = path.stat()
                    versions[path] = (stat.st_mtime_ns, stat.st_size)
        return versions
