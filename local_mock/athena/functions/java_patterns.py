r"""Patterns in the syntax of Java, as Joni reads them, written for Python's `regex`.

`\w`, `\d` and `\s` stand for ASCII; `[a-z&&[^b]]` is an intersection, `\Q…\E` a literal, and an option such as
`(?i)` holds from where it stands. What `regex` would read as its own syntax (fuzzy matching, recursion, `\m`) is
refused or taken literally. Source: https://trino.io/docs/current/functions/regexp.html, Joni's `Syntax.Java`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["PatternError", "to_python"]

_ASCII = {"w": "A-Za-z0-9_", "d": "0-9", "s": r" \t\n\x0b\f\r"}
_CONTROLS = {"a": 7, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_ANCHORS = frozenset("bBAzG")
_UNSURE = frozenset("hHRXKNCMYyg")  # Java, Joni and `regex` read them in three ways
_INTERVAL = re.compile(r"\{\d+(?:,\d*)?\}")
_GROUP = re.compile(r"\(\?(?:[:=!>]|<[=!]|<[A-Za-z_]\w*>|#[^)]*\)|[imsx]*(?:-[imsx]+)?[:)])")
_NAME = re.compile(r"<\w+>")
_PROPERTY = re.compile(r"\{\^?[\w -]+\}|[A-Z]")
_POSIX = re.compile(r"\[:\^?[a-z]+:\]", re.IGNORECASE)
_NUMBERS = (
    (re.compile(r"x\{([0-9A-Fa-f]{1,6})\}"), 16),
    (re.compile(r"x([0-9A-Fa-f]{1,2})"), 16),
    (re.compile(r"u([0-9A-Fa-f]{4})"), 16),
    (re.compile(r"0([0-7]{0,2})"), 8),  # two digits at most, unlike in Java
)


class PatternError(ValueError):
    """A pattern that is none, or that can't be read with certainty (`unsure`)."""

    def __init__(self, message: str, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.unsure = unsure


def to_python(pattern: str) -> str:
    """Return a pattern of Joni in the syntax of `regex` (version 1, without full case-folding).

    Raises
    ------
    PatternError : no pattern of Java, or a part that is not supported.
    """
    return _Reader(pattern).whole()


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def matches(self, start: str) -> bool:
        return self.text.startswith(start, self.at)

    def take(self, expression: re.Pattern[str]) -> str | None:
        """Return what an expression matches here, and go past it."""
        match = expression.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def next(self) -> str:
        if self.at == len(self.text):
            raise PatternError("the pattern ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def whole(self) -> str:
        out = []
        while self.at < len(self.text):
            if self.matches(r"\Q"):
                end = self.text.find(r"\E", self.at + 2)
                end = len(self.text) if end < 0 else end
                out.append("".join(map(_literal, self.text[self.at + 2 : end])))
                self.at = end + 2
            elif self.matches("(?"):
                group = self.take(_GROUP)
                if group is None:
                    raise PatternError("undefined group option")
                out.append("" if group.startswith("(?#") else group)
            elif self.matches("{"):
                out.append(self.take(_INTERVAL) or _literal(self.next()))
            else:
                char = self.next()
                out.append(self.escape() if char == "\\" else self.set() if char == "[" else char)
        return "".join(out)

    def escape(self) -> str:
        letter = self.next()
        if letter.lower() in _ASCII:
            negated = "^" if letter.isupper() else ""
            return f"[{negated}{_ASCII[letter.lower()]}]"
        if "1" <= letter <= "9" and self.text[self.at : self.at + 1].isdigit():
            raise PatternError(
                f"\\{letter} before a digit in a pattern", unsure=True
            )  # a group, or an octal number
        if letter in _ANCHORS or "1" <= letter <= "9":
            return f"\\{letter}"
        if letter == "Z":  # also before a line feed that ends the text, unlike in `regex`
            return r"(?=\n?\Z)"
        if letter == "k":
            return "\\g" + (self.take(_NAME) or _fail("invalid backref"))
        return self.escaped_char(letter)

    def escaped_char(self, letter: str) -> str:
        r"""Return what `\` and a letter stand for inside and outside a set."""
        if letter in "pP":
            name = self.take(_PROPERTY)
            return f"\\{letter}{name or _fail('invalid character property name')}"
        if letter in _UNSURE:
            raise PatternError(f"\\{letter} in a pattern", unsure=True)
        if letter == "c":
            return _literal(chr(ord(self.next()) ^ 64))
        self.at -= 1
        for expression, base in _NUMBERS:
            match = expression.match(self.text, self.at)
            if match:
                self.at = match.end()
                code = int(match.group(1) or "0", base)
                if code > 127 and match.group()[0] == "x" and match.group()[1] != "{":
                    raise PatternError(f"\\{match.group()}, a byte in a pattern,", unsure=True)
                return _literal(chr(code)) if code <= 0x10FFFF else _fail("too big wide-char value")
        self.at += 1
        if letter in "xu":
            raise PatternError("too short escape sequence")
        return _literal(chr(_CONTROLS[letter]) if letter in _CONTROLS else letter)

    def set(self) -> str:
        """Return a character class, the opening bracket of which is behind."""
        out = "["
        if self.matches("^"):
            out += self.next()
        first = True
        while True:
            if self.matches("]") and not first:
                self.at += 1
                return out + "]"
            first = False
            posix = self.take(_POSIX)
            if posix is not None:
                out += posix
            elif self.matches("&&"):
                self.at += 2
                out += "&&"
            else:
                out += self.set_item(self.next())

    def set_item(self, char: str) -> str:
        if char == "[":
            return self.set()
        if char == "\\":
            letter = self.next()
            if letter.lower() in _ASCII:
                inner = _ASCII[letter.lower()]
                return f"[^{inner}]" if letter.isupper() else inner
            start = "\\x08" if letter == "b" else self.escaped_char(letter)
            if start.startswith(("\\p", "\\P")):
                return start
        else:
            start = _literal(char)
        is_range = self.matches("-") and self.text[self.at + 1 : self.at + 2] not in ("]", "[", "")
        return self.range_from(start) if is_range and not self.matches("-&&") else start

    def range_from(self, start: str) -> str:
        """Return a range of characters, before the hyphen of which the reader stands."""
        self.at += 1
        end = self.next()
        if end != "\\":
            return f"{start}-{_literal(end)}"
        letter = self.next()
        if letter.lower() in _ASCII or letter in "pP":
            self.at -= 2  # `[a-\d]`: the hyphen stands for itself
            return f"{start}\\-"
        return f"{start}-{self.escaped_char(letter)}"


def _fail(message: str) -> str:
    raise PatternError(message)


_literal: Callable[[str], str] = re.escape
