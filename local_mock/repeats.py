"""Requests that a client sends again with the same idempotency token: answered once more, not done once more.

An SDK repeats a request whose connection broke. Where an API promises it (`ClientRequestToken`, `ClientToken`),
the first answer is given again, and another request under the same token is refused. The last answers are kept in
memory. Athena's StartQueryExecution is not here: its executions hold their tokens themselves, also over a restart.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from local_mock import faults
from local_mock.http import WsgiApp

__all__ = ["Repeats"]

_TOKENS = ("ClientRequestToken", "ClientToken", "clientToken", "clientRequestToken")
_OWN = frozenset({"StartQueryExecution"})
_KEPT_ANSWERS = 2_000
_LARGEST_ANSWER = 64 << 10  # bytes; a larger one is not kept
_CODES = {"cloudformation": "TokenAlreadyExistsException", "athena": "InvalidRequestException"}
_MESSAGE = "Idempotent parameters do not match: another request was made with the token {token}."


@dataclass
class _Answer:
    digest: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class Repeats:
    """WSGI middleware in front of moto. A body must have been read and bounded (`payloads.checked`)."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, ...], _Answer] = OrderedDict()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        service = faults.service_of(environ)
        if service in {None, "s3", "sagemaker-runtime"} or environ["REQUEST_METHOD"] != "POST":
            return self._app(environ, start_response)
        operation = faults.action_of(environ, faults.peek_form(environ))
        body = faults.peek_body(environ)
        token = _token(body)
        if not token or operation is None or operation in _OWN:
            return self._app(environ, start_response)
        key = (service or "", operation, token, *faults.signer_of(environ))
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            answer = self._answers.setdefault(key, _Answer(digest))
            self._answers.move_to_end(key)
            while len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)
        if answer.digest != digest:
            code = _CODES.get(service or "", "ValidationException")
            status, headers, refusal = faults.answer(service, 400, code, _MESSAGE.format(token=token))
            start_response(status, headers)
            return [refusal]
        with answer.lock:  # a repetition that overtakes the first waits for it
            if not answer.status:
                self._ask(answer, key, environ)
        start_response(answer.status, list(answer.headers))
        return [answer.body]

    def _ask(self, answer: _Answer, key: tuple[str, ...], environ: dict[str, Any]) -> None:
        """Let moto answer. Only a success that is small is kept: a failed request may be tried again."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        blocks = self._app(environ, lambda status, headers, *_: started.append((status, headers)))
        try:
            answer.body = b"".join(blocks)
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()
        answer.status, answer.headers = started[-1]
        if not answer.status.startswith("2") or len(answer.body) > _LARGEST_ANSWER:
            with self._lock:
                self._answers.pop(key, None)


def _token(body: bytes) -> str:
    """Return the idempotency token of a JSON or form body, "" if it has none."""
    if not any(name.encode() in body for name in _TOKENS):
        return ""
    try:
        fields: Any = json.loads(body)
    except ValueError:
        fields = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    if not isinstance(fields, dict):
        return ""
    return next((str(fields[name]) for name in _TOKENS if isinstance(fields.get(name), str)), "")
