r"""Intrinsic functions of the States Language: ``States.Format('it\'s {}', $.a)`` parsed and evaluated.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html. moto's own parser cuts
texts at an escaped quote, and its Base64 is of ASCII. Nothing here knows moto: `local_mock.stepfunctions.repairs`
ties it in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "IntrinsicError", "evaluate", "parse"]

_NAME = re.compile(r"States\.([A-Za-z0-9]+)\(")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_DEPTH = 10  # https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html: nesting of ten
_LARGEST = 10_000  # characters of a text to encode or hash, by the same page
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class IntrinsicError(ValueError):
    """A call is malformed, or its arguments are not what the function takes."""


@dataclass(frozen=True)
class Path:
    """A JSONPath argument (``$.a``, ``$$.Execution.Id``, ``$variable``)."""

    text: str


@dataclass(frozen=True)
class Text:
    """A text between quotes: `pieces` are what stands around its ``{}``."""

    pieces: tuple[str, ...]

    @property
    def value(self) -> str:
        """The text itself."""
        return "{}".join(self.pieces)


@dataclass(frozen=True)
class Call:
    """A call; arguments are calls, paths, texts, or values (numbers, truth values, null)."""

    name: str
    arguments: tuple[Any, ...]


def parse(text: str) -> Call:
    """Return the call that a text is.

    Raises
    ------
    IntrinsicError : it is no call of a function that there is, with the right number of arguments.
    """
    call, end = _call(text, 0, 1)
    if text[end:].strip():
        raise IntrinsicError(f"'{text[end:].strip()}' stands after the call.")
    return call


def _call(text: str, at: int, depth: int) -> tuple[Call, int]:
    match = _NAME.match(text, at)
    if match is None or match[1] not in _FUNCTIONS:
        raise IntrinsicError(f"'{text[at : at + 60]}' is no call of an intrinsic function.")
    if depth > _DEPTH:
        raise IntrinsicError(f"Calls are nested deeper than {_DEPTH} levels.")
    name, at = match[1], match.end()
    arguments: list[Any] = []
    while True:
        at = _blanks(text, at)
        if text[at : at + 1] == ")" and not arguments:
            break
        argument, at = _argument(text, at, depth)
        arguments.append(argument)
        at = _blanks(text, at)
        if text[at : at + 1] == ")":
            break
        if text[at : at + 1] != ",":
            raise IntrinsicError(f"Expected ',' or ')' at '{text[at : at + 20]}'.")
        at += 1
    _, least, most = _FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise IntrinsicError(f"States.{name} takes {least} to {most} arguments, but got {len(arguments)}.")
    return Call(name, tuple(arguments)), at + 1


def _argument(text: str, at: int, depth: int) -> tuple[Any, int]:
    if text[at : at + 1] == "'":
        return _text(text, at + 1)
    if text.startswith("States.", at):
        return _call(text, at, depth + 1)
    if text[at : at + 1] == "$":
        end = _end_of_path(text, at)
        return Path(text[at:end].strip()), end
    for word, value in (("true", True), ("false", False), ("null", None)):
        if text.startswith(word, at):
            return value, at + len(word)
    if match := _NUMBER.match(text, at):
        return (float(match[0]) if match[1] or match[2] else int(match[0])), match.end()
    raise IntrinsicError(f"'{text[at : at + 20]}' is no text in quotes, number, path or call.")


def _text(text: str, at: int) -> tuple[Text, int]:
    """Return the text that begins after a quote, and where it ends. A backslash makes a mark a plain character."""
    pieces: list[str] = []
    piece = ""
    while at < len(text):
        character = text[at]
        if character == "\\":
            if text[at + 1 : at + 2] not in ("'", "{", "}", "\\"):
                raise IntrinsicError("A backslash stands before ', {, } or another backslash only.")
            piece += text[at + 1]
            at += 2
        elif character == "'":
            return Text((*pieces, piece)), at + 1
        elif text.startswith("{}", at):
            pieces.append(piece)
            piece = ""
            at += 2
        else:
            piece += character
            at += 1
    raise IntrinsicError("A text has no closing quote.")


def _end_of_path(text: str, at: int) -> int:
    """Return where a path ends: at the comma or bracket that is outside its own brackets and quotes."""
    level, quote = 0, ""
    while at < len(text):
        character = text[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and level:
            quote = character
        elif character in "([":
            level += 1
        elif character in ")]" and level:
            level -= 1
        elif character in ",)":
            return at
        at += 1
    raise IntrinsicError("A call has no closing bracket.")


def _blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def evaluate(call: Call, look_up: Callable[[str], Any]) -> Any:
    """Return the value of a call; `look_up` gives the value of a path.

    Raises
    ------
    IntrinsicError : an argument is not what the function takes.
    """
    values = []
    for argument in call.arguments:
        if isinstance(argument, Call):
            values.append(evaluate(argument, look_up))
        elif isinstance(argument, Path):
            values.append(look_up(argument.text))
        else:
            values.append(argument if call.name == "Format" and not values else _plain(argument))
    try:
        return _FUNCTIONS[call.name][0](*values)
    except IntrinsicError as err:
        raise IntrinsicError(f"States.{call.name}: {err}") from err


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Text) else value


def _need(value: Any, kind: type | tuple[type, ...], name: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise IntrinsicError(f"expected {name}, but got {json.dumps(value, ensure_ascii=False)[:100]}.")
    return value


def _whole(value: Any) -> int:
    """Return a number, rounded to the nearest whole one as Java does (halves up)."""
    number = _need(value, (int, float), "a number")
    return number if isinstance(number, int) else math.floor(number + 0.5)


def _bounded(value: Any) -> str:
    text: str = _need(value, str, "a text")
    if len(text) > _LARGEST:
        raise IntrinsicError(f"the text has {len(text):,} characters; {_LARGEST:,} is the limit.")
    return text


def _format(template: Any, *values: Any) -> str:
    pieces = template.pieces if isinstance(template, Text) else _need(template, str, "a text").split("{}")
    if len(pieces) != len(values) + 1:
        raise IntrinsicError(f"the text has {len(pieces) - 1} '{{}}' for {len(values)} values.")
    texts = [value if isinstance(value, str) else _to_text(value) for value in values]
    return str(pieces[0]) + "".join(text + piece for text, piece in zip(texts, pieces[1:], strict=True))


def _to_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _to_json(text: Any) -> Any:
    try:
        return json.loads(_need(text, str, "a text"))
    except (ValueError, RecursionError) as err:
        raise IntrinsicError(f"the text is no JSON: {err}.") from err


def _partition(array: Any, size: Any) -> list[Any]:
    items, step = _need(array, list, "an array"), _whole(size)
    if step < 1:
        raise IntrinsicError(f"the size of a part must be at least 1, but is {step}.")
    return [items[n : n + step] for n in range(0, len(items), step)]


def _range(first: Any, last: Any, step: Any) -> list[int]:
    start, end, by = _whole(first), _whole(last), _whole(step)
    if by == 0:
        raise IntrinsicError("the step must not be 0.")
    numbers = range(start, end + (1 if by > 0 else -1), by)
    if len(numbers) > 1000:
        raise IntrinsicError(f"the range has {len(numbers):,} elements; 1,000 is the limit.")
    return list(numbers)


def _item(array: Any, index: Any) -> Any:
    items, n = _need(array, list, "an array"), _whole(index)
    if not 0 <= n < len(items):
        raise IntrinsicError(f"the index {n} is outside an array of {len(items)}.")
    return items[n]


def _unique(array: Any) -> list[Any]:
    items: dict[str, Any] = {}
    for item in _need(array, list, "an array"):
        items.setdefault(json.dumps(item, sort_keys=True), item)
    return list(items.values())


def _contains(array: Any, value: Any) -> bool:
    wanted = json.dumps(value, sort_keys=True)
    return any(json.dumps(item, sort_keys=True) == wanted for item in _need(array, list, "an array"))


def _decode(text: Any) -> str:
    try:
        return base64.b64decode(_bounded(text), validate=True).decode()
    except (binascii.Error, ValueError) as err:
        raise IntrinsicError(f"the text is no Base64 of UTF-8: {err}.") from err


def _hash(data: Any, algorithm: Any) -> str:
    if algorithm not in _ALGORITHMS:
        raise IntrinsicError(f"the algorithm must be one of {', '.join(_ALGORITHMS)}.")
    text = _bounded(data if isinstance(data, str) else _to_text(data))
    return hashlib.new(_ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _merge(first: Any, second: Any, deep: Any) -> dict[str, Any]:
    if deep is not False:
        raise IntrinsicError("only the shallow merge (false) is supported, as on AWS.")
    merged: dict[str, Any] = _need(first, dict, "an object") | _need(second, dict, "an object")
    return merged


def _random(first: Any, last: Any, seed: Any = None) -> int:
    start, end = _whole(first), _whole(last)
    if end <= start:
        raise IntrinsicError(f"the end {end} must be above the start {start}.")
    return random.Random(None if seed is None else _whole(seed)).randrange(start, end)  # noqa: S311


def _split(text: Any, separators: Any) -> list[str]:
    marks = _need(separators, str, "a text")
    whole: str = _need(text, str, "a text")
    return [part for part in re.split("[" + re.escape(marks) + "]", whole) if part] if marks else [whole]


_ANY = 1000
# Name -> (function, least and most arguments)
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "Array": (lambda *values: list(values), 0, _ANY),
    "ArrayContains": (_contains, 2, 2),
    "ArrayGetItem": (_item, 2, 2),
    "ArrayLength": (lambda array: len(_need(array, list, "an array")), 1, 1),
    "ArrayPartition": (_partition, 2, 2),
    "ArrayRange": (_range, 3, 3),
    "ArrayUnique": (_unique, 1, 1),
    "Base64Decode": (_decode, 1, 1),
    "Base64Encode": (lambda text: base64.b64encode(_bounded(text).encode()).decode(), 1, 1),
    "Format": (_format, 1, _ANY),
    "Hash": (_hash, 2, 2),
    "JsonMerge": (_merge, 3, 3),
    "JsonToString": (_to_text, 1, 1),
    "MathAdd": (lambda a, b: _whole(a) + _whole(b), 2, 2),
    "MathRandom": (_random, 2, 3),
    "StringSplit": (_split, 2, 2),
    "StringToJson": (_to_json, 1, 1),
    "UUID": (lambda: str(uuid.uuid4()), 0, 0),
}
