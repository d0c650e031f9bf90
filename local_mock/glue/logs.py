"""Lines of local log files as CloudWatch log events, while they are written."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moto.logs.exceptions import ResourceAlreadyExistsException
from moto.logs.models import logs_backends

from local_mock.context import ACCOUNT

__all__ = ["LogShipper", "put_lines"]

_BATCH = 1000
_PERIOD_S = 0.5
_MAX_LINE = 250_000  # an event holds 256 KB: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference
_lock = threading.Lock()  # moto's log streams are not safe for threads


def put_lines(region: str, group: str, stream: str, lines: list[str]) -> None:
    """Append `lines` to a log stream; group and stream are made if they are missing."""
    backend: Any = logs_backends[ACCOUNT][region]
    with _lock:
        with contextlib.suppress(ResourceAlreadyExistsException):
            backend.create_log_group(group, {})
        with contextlib.suppress(ResourceAlreadyExistsException):
            backend.create_log_stream(group, stream)
        now = int(time.time() * 1000)
        for start in range(0, len(lines), _BATCH):
            events = [{"timestamp": now, "message": line[:_MAX_LINE]} for line in lines[start : start + _BATCH]]
            backend.put_log_events(group, stream, events)


class LogShipper:
    """Follows files from a thread of its own until `close`, which ships what is left."""

    def __init__(self, region: str, stream: str, files: Mapping[str, Path]) -> None:
        """Follow `files`: log group -> file, which need not exist yet."""
        self._region, self._stream = region, stream
        self._files = dict(files)
        self._offsets = dict.fromkeys(files, 0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"logs-{stream[:12]}", daemon=True)
        for group in files:
            put_lines(region, group, stream, [])
        self._thread.start()

    def close(self) -> None:
        """Ship the rest, an unfinished last line too."""
        self._done.set()
        self._thread.join()
        self._ship(last=True)

    def _follow(self) -> None:
        while not self._done.wait(_PERIOD_S):
            self._ship(last=False)

    def _ship(self, *, last: bool) -> None:
        for group, path in self._files.items():
            try:
                with path.open("rb") as file:
                    file.seek(self._offsets[group])
                    data = file.read()
            except FileNotFoundError:
                continue
            end = len(data) if last else data.rfind(b"\n") + 1
            if end:
                self._offsets[group] += end
                lines = data[:end].decode("utf-8", "replace").splitlines()
                put_lines(self._region, group, self._stream, [line or " " for line in lines])
