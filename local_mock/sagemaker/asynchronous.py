"""Asynchronous inference: requests whose body lies in S3, answered one after the other into S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html. Topics of a NotificationConfig are not told.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from local_mock.context import Context
from local_mock.sagemaker.hosting import Host

__all__ = ["AsyncQueue"]

_log = logging.getLogger("local_mock.sagemaker")
DEFAULT_CONCURRENT = 4
DEFAULT_TIMEOUT_S = 900.0
MAX_BYTES = 1 << 30  # AWS's limit of an input
_Acquire = Callable[[], AbstractContextManager[tuple[Host, str] | None]]


class AsyncQueue:
    """The queue of one endpoint."""

    def __init__(self, config: Mapping[str, Any], acquire: _Acquire, context: Context) -> None:
        output = config["OutputConfig"]
        self._output = str(output.get("S3OutputPath", "")).rstrip("/")
        self._failure = str(output.get("S3FailurePath") or f"{self._output}-failures").rstrip("/")
        most = (config.get("ClientConfig") or {}).get("MaxConcurrentInvocationsPerInstance", DEFAULT_CONCURRENT)
        self._acquire, self._context = acquire, context
        self._pool = ThreadPoolExecutor(max_workers=most, thread_name_prefix="async")

    def put(self, location: str, content_type: str, accept: str, timeout_s: float | None) -> tuple[str, str]:
        """Queue a request. Returns (URI of the answer, URI of the error if there will be one)."""
        name = uuid.uuid4().hex
        answer, error = f"{self._output}/{name}.out", f"{self._failure}/{name}-error.out"
        self._pool.submit(
            self._answer, location, content_type, accept, timeout_s or DEFAULT_TIMEOUT_S, answer, error
        )
        return answer, error

    def close(self) -> None:
        """Forget what waits; what is asked already is answered."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answer(
        self, location: str, content_type: str, accept: str, timeout_s: float, answer: str, error: str
    ) -> None:
        data = self._context.data
        try:
            problem, body = self._ask(location, content_type, accept, timeout_s)
            data.write(error if problem else answer, problem.encode() if problem else body)
        except Exception:
            _log.exception("asynchronous request %s", location)

    def _ask(self, location: str, content_type: str, accept: str, timeout_s: float) -> tuple[str, bytes]:
        """Return (failure, body); the failure is '' where the container answered."""
        try:
            body = self._context.data.read(location)
        except OSError as err:
            return f"The input cannot be read: {err}", b""
        if len(body) > MAX_BYTES:
            return f"{location}: {len(body):,} bytes are more than an asynchronous request may have (1 GB).", b""
        with self._acquire() as host:
            if host is None:
                return "The endpoint is not in service.", b""
            try:
                answer = host[0].post(body, content_type, accept, timeout_s=timeout_s)
            except OSError as err:
                return (
                    f"The model's server could not be reached, or took longer than {timeout_s:.0f} s: {err}",
                    b"",
                )
        if answer.status != 200:
            return f"{answer.status}: {answer.body.decode('utf-8', 'replace')}", b""
        return "", answer.body
