"""Requests that moto cannot process: which exceptions are the request's fault, and the code that a service gives.

moto takes requests apart without checking them: a text that is no number, an ARN that is none, a name of what does
not exist end in Python's own exceptions, a 500, which the SDKs send again and again. AWS refuses such requests
with 400. An exception counts as the request's fault if Python raises it for values (`ValueError`, `KeyError`, …)
and moto's code raised it; one that the code of `local_mock` raised is our own fault and stays a 500. The caller
logs the traceback of both.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

__all__ = ["code_of", "is_fault_of_request", "sentence"]

_RAISED_FOR_VALUES = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, UnboundLocalError,
    re.error,
)  # fmt: skip
# moto's own exceptions for requests that it cannot read: they are no HTTP errors.
_OF_MOTO = frozenset({"RequestParserError", "UnknownParserError"})
_UNKNOWN_OPERATION = "OperationNotFoundError"
# The first of these that a service has is what it answers to a request that breaks its rules.
_CODES = (
    "ValidationException", "ValidationError", "InvalidRequestException", "InvalidParameterException",
    "InvalidParameterValueException", "InvalidInputException", "InvalidArgumentException", "BadRequestException",
)  # fmt: skip
_BY_PROTOCOL = {"query": "ValidationError", "ec2": "InvalidParameterValue", "rest-xml": "InvalidRequest"}


def is_fault_of_request(err: BaseException) -> bool:
    """Return whether an exception says that moto could not process the values of a request."""
    names = {kind.__name__ for kind in type(err).__mro__}
    of_values = isinstance(err, _RAISED_FOR_VALUES) or bool(names & (_OF_MOTO | {_UNKNOWN_OPERATION}))
    return of_values and _raised_in(err.__traceback__) == "moto"


def _raised_in(traceback: TracebackType | None) -> str:
    """Return which package raised: `moto` or `local_mock`, whichever has the innermost frame of a traceback."""
    package = ""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        package = name if name in ("moto", "local_mock") else package
        traceback = traceback.tb_next
    return package


def code_of(model: Any, err: BaseException) -> str:
    """Return the error code of a service (botocore's `model`, None if unknown) for such a request."""
    protocol = model.metadata.get("protocol", "json") if model is not None else "json"
    if type(err).__name__ == _UNKNOWN_OPERATION:
        return "UnknownOperationException" if protocol.endswith("json") else "InvalidAction"
    shapes = {shape.name: shape for shape in model.error_shapes} if model is not None else {}
    shape = next((shapes[name] for name in _CODES if name in shapes), None)
    if shape is None:
        return _BY_PROTOCOL.get(protocol, "ValidationException")
    return str(shape.metadata.get("error", {}).get("code", shape.name))


def sentence(operation: str, err: BaseException) -> str:
    """Return the message: what moto said, and how much that means."""
    if type(err).__name__ == _UNKNOWN_OPERATION:
        return f"There is no operation {str(err)[:100]!r} ({operation})."
    return (
        f"moto cannot process this request of {operation}: {type(err).__name__}: {str(err)[:300]}. Most often a "
        "value of it is malformed, or names what does not exist; the traceback is in local_mock's log."
    )
