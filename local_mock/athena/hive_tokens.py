"""The tokens of one statement of Hive: literals with their escapes, names, lists, columns.

Source of the escapes: Hive's `BaseSemanticAnalyzer.unescapeSQLString`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from local_mock.athena.errors import QueryError
from local_mock.athena.hive_statements import HiveColumn
from local_mock.athena.sqltypes import parse_type
from local_mock.athena.statements import unquote

__all__ = ["Tokens", "literal", "quoted"]

T = TypeVar("T")
_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
      | (?P<name>`[^`]+`|[A-Za-z_0-9$][\w$-]*)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([01][0-7]{2})|(.))", re.DOTALL)
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": r"\%", "_": r"\_"}


def literal(text: str) -> str:
    """Return the value of a quoted literal of Hive."""
    quote = text[0]
    inside = text[1:-1].replace(quote * 2, quote)

    def value(match: re.Match[str]) -> str:
        code, octal, char = match.groups()
        if code or octal:
            return chr(int(code, 16) if code else int(octal, 8))
        return _ESCAPED.get(char, str(char))

    return _ESCAPE.sub(value, inside)


def quoted(text: str) -> str:
    """Return a text as a literal of Hive."""
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    body = "".join(escapes.get(c, c if c >= " " else f"\\u{ord(c):04x}") for c in text)
    return f"'{body}'"


class Tokens:
    """The tokens of one statement, read from left to right."""

    def __init__(self, sql: str, *, is_iceberg: bool = False) -> None:
        self.sql, self.is_iceberg = sql, is_iceberg
        self.tokens = [m for m in _TOKEN.finditer(sql) if m.lastgroup != "blank"]
        self.index = 0

    def is_at_end(self) -> bool:
        return self.index >= len(self.tokens)

    def ahead(self, count: int) -> str:
        return " ".join(m.group() for m in self.tokens[self.index : self.index + count])

    def error(self, expected: str) -> QueryError:
        return _error(self.ahead(4) or "<EOF>", expected)

    def sees(self, words: str) -> bool:
        """Return whether these keywords or signs come next."""
        wanted = words.split()
        items = self.tokens[self.index : self.index + len(wanted)]
        return [m.group().upper() for m in items] == wanted

    def accept(self, words: str) -> bool:
        """Step over keywords if they come next."""
        seen = self.sees(words)
        self.index += len(words.split()) if seen else 0
        return seen

    def expect(self, words: str) -> None:
        if not self.accept(words):
            raise self.error(words)

    def then(self, words: str, read: Callable[[], T]) -> T:
        self.expect(words)
        return read()

    def end(self) -> None:
        if not self.is_at_end():
            raise self.error("the end of the statement")

    def _next(self, kind: str, expected: str) -> str:
        if self.is_at_end() or self.tokens[self.index].lastgroup != kind:
            raise self.error(expected)
        self.index += 1
        return self.tokens[self.index - 1].group()

    def word(self) -> str:
        return self._next("name", "a name")

    def string(self) -> str:
        return literal(self._next("string", "a literal in quotes"))

    def name(self) -> list[str]:
        """Return the parts of a dotted name, in lower case; Hive writes both parts in one pair of quotes, too."""
        parts = [self.word()]
        while self.accept("."):
            parts.append(self.word())
        return [name for part in parts for name in unquote(part)[0].split(".")]

    def separated(self, read: Callable[[], T]) -> list[T]:
        items = [read()]
        while self.accept(","):
            items.append(read())
        return items

    def listed(self, read: Callable[[], T]) -> list[T]:
        """Return what a list in brackets holds."""
        self.expect("(")
        items = self.separated(read)
        self.expect(")")
        return items

    def properties(self) -> dict[str, str]:
        """Return ``('k' = 'v', …)``."""

        def pair() -> tuple[str, str]:
            key = self.string()
            self.expect("=")
            return key, self.string()

        return dict(self.listed(pair))

    def partition(self) -> dict[str, str]:
        """Return ``(key = value, …)``; a value is a literal or a number."""

        def pair() -> tuple[str, str]:
            key = unquote(self.word())[0]
            self.expect("=")
            if not self.is_at_end() and self.tokens[self.index].lastgroup == "string":
                return key, self.string()
            sign = "-" if self.accept("-") else ""
            number = self.word()
            return key, sign + (f"{number}.{self.word()}" if self.accept(".") else number)

        return dict(self.listed(pair))

    def item(self) -> str:
        """Return the text up to the next comma or bracket of this level."""
        start, depth = self.index, 0
        while not self.is_at_end():
            sign = self.tokens[self.index].group()
            if depth == 0 and sign in (",", ")"):
                break
            depth += (sign == "(") - (sign == ")")
            self.index += 1
        if self.index == start:
            raise self.error("a column or a transform")
        return self.sql[self.tokens[start].start() : self.tokens[self.index - 1].end()]

    def column(self) -> HiveColumn:
        name, start, depth = unquote(self.word())[0], self.index, 0
        while not self.is_at_end():
            sign = self.tokens[self.index].group()
            if depth == 0 and (sign in (",", ")") or sign.upper() == "COMMENT"):
                break
            depth += (sign in "(<") - (sign in ")>")
            self.index += 1
        if self.index == start:
            raise self.error("a type")
        first, last = self.tokens[start], self.tokens[self.index - 1]
        written = self.sql[first.start() : last.end()]
        kind = parse_type(written.replace("`", ""))
        has_length = written.lower().startswith(("varchar(", "char("))
        if self.is_iceberg:  # which has types that Hive has not
            hive = kind.spelled
        else:
            hive = re.sub(r"\s+", "", written.lower()) if has_length else kind.hive
        return HiveColumn(name.lower(), hive, self.string() if self.accept("COMMENT") else "")


def _error(near: str, expected: str) -> QueryError:
    shown = " ".join(near.split()[:4])
    return QueryError(
        "", f"FAILED: ParseException line 1:1 cannot recognize input near '{shown}': expected {expected}"
    )
