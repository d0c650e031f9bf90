"""Regular expressions in the syntax of Java, which Trino's Joni reads.

Source: https://trino.io/docs/current/functions/regexp.html, Trino's JoniRegexpFunctions.
"""

from __future__ import annotations

from functools import lru_cache

import regex  # type: ignore[import-untyped]

from local_mock.athena.functions.define import plain
from local_mock.athena.functions.java_patterns import PatternError, to_python
from local_mock.athena.functions.moments import Failure

__all__ = ["FUNCTIONS", "compile_pattern"]


def _bad(message: str) -> Failure:
    return Failure("INVALID_FUNCTION_ARGUMENT", message)


@lru_cache(maxsize=1000)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """Return a pattern of Joni, compiled. Raises Failure if it is none."""
    try:
        return regex.compile(f"(?-f){to_python(pattern)}", regex.VERSION1)
    except PatternError as err:
        if err.unsure:
            raise Failure("NOT_SUPPORTED", f"{err} is not supported by local_mock") from err
        raise _bad(f"Invalid regular expression: {pattern}: {err}") from err
    except regex.error as err:
        raise _bad(f"Invalid regular expression: {pattern}: {err}") from err


def _group(pattern: regex.Pattern[str], group: int) -> None:
    if group < 0:
        raise _bad("Group cannot be negative")
    if group > pattern.groups:
        raise _bad(f"Pattern has {pattern.groups} groups. Cannot access group {group}")


def _like(text: str, pattern: str) -> bool:
    return compile_pattern(pattern).search(text) is not None


def _extract(text: str, pattern: str, group: int = 0) -> str | None:
    compiled = compile_pattern(pattern)
    _group(compiled, group)
    match = compiled.search(text)
    return match.group(group) if match else None


def _extract_all(text: str, pattern: str, group: int = 0) -> list[str | None]:
    compiled = compile_pattern(pattern)
    _group(compiled, group)
    return [match.group(group) for match in compiled.finditer(text)]


def _count(text: str, pattern: str) -> int:
    return sum(1 for _ in compile_pattern(pattern).finditer(text))


def _position(text: str, pattern: str, start: int = 1, occurrence: int = 1) -> int:
    if start < 1:
        raise _bad("start position cannot be smaller than 1")
    if occurrence < 1:
        raise _bad("occurrence cannot be smaller than 1")
    if start > len(text):
        return -1
    for i, match in enumerate(compile_pattern(pattern).finditer(text, start - 1), 1):
        if i == occurrence:
            return int(match.start()) + 1
    return -1


def _split(text: str, pattern: str) -> list[str]:
    parts, last = [], 0
    for match in compile_pattern(pattern).finditer(text):
        parts.append(text[last : match.start()])
        last = match.end()
    return [*parts, text[last:]]


@lru_cache(maxsize=1000)
def _replacement(pattern: str, replacement: str) -> tuple[str | int, ...]:
    r"""Return the texts and groups of a replacement in Java's syntax: `$1`, `${name}`, `\$`."""
    compiled = compile_pattern(pattern)
    out: list[str | int] = []
    i = 0
    while i < len(replacement):
        char = replacement[i]
        if char == "\\":
            if i + 1 == len(replacement):
                raise _bad(f"Illegal replacement sequence: {replacement}")
            out.append(replacement[i + 1])
            i += 2
        elif char == "$":
            named = regex.compile(r"\$\{(\w+)\}").match(replacement, i)
            if named:
                if named.group(1) not in compiled.groupindex:
                    raise _bad(f"Illegal replacement sequence: unknown group {{ {named.group(1)} }}")
                out.append(compiled.groupindex[named.group(1)])
                i = named.end()
                continue
            if i + 1 == len(replacement) or not "0" <= replacement[i + 1] <= "9":
                raise _bad(f"Illegal replacement sequence: {replacement}")
            group, i = int(replacement[i + 1]), i + 2
            if group > compiled.groups:
                raise _bad(f"Illegal replacement sequence: unknown group {group}")
            while i < len(replacement) and "0" <= replacement[i] <= "9":
                if group * 10 + int(replacement[i]) > compiled.groups:
                    break
                group, i = group * 10 + int(replacement[i]), i + 1
            out.append(group)
        else:
            out.append(char)
            i += 1
    return tuple(out)


def _replace(text: str, pattern: str, replacement: str = "") -> str:
    items = _replacement(pattern, replacement)
    out, last = [], 0
    for match in compile_pattern(pattern).finditer(text):
        out.append(text[last : match.start()])
        out.extend(item if isinstance(item, str) else match.group(item) or "" for item in items)
        last = match.end()
    return "".join((*out, text[last:]))


def _pieces(text: str, pattern: str) -> list[tuple[str, list[str | None]]]:
    """Return the text before each match with its groups (for a lambda); the last piece has no groups."""
    out: list[tuple[str, list[str | None]]] = []
    last = 0
    compiled = compile_pattern(pattern)
    for match in compiled.finditer(text):
        out.append((text[last : match.start()], [match.group(i) for i in range(1, compiled.groups + 1)]))
        last = match.end()
    return [*out, (text[last:], [])]


FUNCTIONS = {
    "regexp_like": plain(_like), "regexp_extract": plain(_extract), "regexp_extract_all": plain(_extract_all),
    "regexp_count": plain(_count), "regexp_position": plain(_position), "regexp_split": plain(_split),
    "regexp_replace": plain(_replace), "regexp_pieces": plain(_pieces),
}  # fmt: skip
