"""The path language of SQL's JSON functions, parsed: `lax $.a[*] ? (@.b > 1).c` becomes a tree of tuples.

`json_path_values` evaluates the tree. The first item of a tuple is its kind.
Source: https://trino.io/docs/current/functions/json.html#json-path-language, Trino's JsonPath.g4.
"""

# ruff: noqa: PLR0911 - one line a pattern; one branch a kind
from __future__ import annotations

import decimal
import re
from functools import lru_cache
from typing import Any

from local_mock.athena.functions import regexps
from local_mock.athena.functions.moments import Failure

__all__ = ["Node", "PathSyntaxError", "parse", "variables"]

Node = tuple[Any, ...]


class PathSyntaxError(ValueError):
    """The text is no path."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|"(?P<string>(?:[^"]|"")*)"|\$(?P<variable>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<symbol><=|>=|==|<>|!=|&&|\|\||[$@.\[\](){}?*/%+\-<>!,]))"""
)
_COMPARISONS = ("==", "<>", "!=", "<", "<=", ">", ">=")
_AFTER_PREDICATE = ("&&", "||", ")", "is", "")  # what follows a predicate in parentheses, and no path in them
_METHODS = ("type", "size", "double", "ceiling", "floor", "abs", "keyvalue")


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise PathSyntaxError(f"mismatched input at '{text[position : position + 20]}'")
            self.tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            position = match.end()
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, kind: str, *values: str) -> str | None:
        token = self.peek()
        if token[0] == kind and token[1] in values:
            self.at += 1
            return token[1]
        return None

    def expect(self, value: str) -> None:
        if not (self.accept("symbol", value) or self.accept("word", value)):
            raise PathSyntaxError(f"'{value}' expected, but got '{self.peek()[1] or 'the end'}'")

    def path(self) -> tuple[bool, Node]:
        mode = self.accept("word", "lax", "strict")
        if mode is None:
            raise PathSyntaxError("a path begins with lax or strict")
        node = self.sum()
        if self.peek()[0] != "end":
            raise PathSyntaxError(f"mismatched input '{self.peek()[1]}'")
        return mode == "lax", node

    def sum(self) -> Node:
        node = self.product()
        while symbol := self.accept("symbol", "+", "-"):
            node = ("binary", symbol, node, self.product())
        return node

    def product(self) -> Node:
        node = self.signed()
        while symbol := self.accept("symbol", "*", "/", "%"):
            node = ("binary", symbol, node, self.signed())
        return node

    def signed(self) -> Node:
        if symbol := self.accept("symbol", "+", "-"):
            return ("sign", symbol, self.signed())
        return self.accessor()

    def accessor(self) -> Node:
        node = self.primary()
        while True:
            if self.accept("symbol", "."):
                node = self.member(node)
            elif self.accept("symbol", "["):
                node = self.subscript(node)
            elif self.accept("symbol", "?"):
                self.expect("(")
                node = ("filter", node, self.disjunction())
                self.expect(")")
            else:
                return node

    def member(self, node: Node) -> Node:
        if self.accept("symbol", "*"):
            return ("members", node)
        kind, value = self.take()
        if kind == "word" and self.accept("symbol", "("):
            self.expect(")")
            if value not in _METHODS:
                raise PathSyntaxError(f"the method {value}() is not supported by local_mock")
            return ("method", value, node)
        if kind not in ("word", "string"):
            raise PathSyntaxError(f"a name expected, but got '{value}'")
        return ("member", value.replace('""', '"') if kind == "string" else value, node)

    def subscript(self, node: Node) -> Node:
        if self.accept("symbol", "*"):
            self.expect("]")
            return ("elements", node)
        ranges = []
        while True:
            low = self.sum()
            ranges.append((low, self.sum() if self.accept("word", "to") else None))
            if not self.accept("symbol", ","):
                self.expect("]")
                return ("subscript", node, ranges)

    def primary(self) -> Node:
        kind, value = self.take()
        if kind == "number":
            if value.isdigit():
                return ("literal", int(value))
            return ("literal", float(value) if "e" in value.lower() else decimal.Decimal(value))
        if kind == "string":
            return ("literal", value.replace('""', '"'))
        if kind == "variable":
            return ("variable", value)
        if kind == "word" and value in ("true", "false", "null"):
            return ("literal", {"true": True, "false": False, "null": None}[value])
        if kind == "word" and value == "last":
            return ("last",)
        if kind == "symbol" and value in ("$", "@"):
            return ("root",) if value == "$" else ("current",)
        if kind == "symbol" and value == "(":
            node = self.sum()
            self.expect(")")
            return node
        raise PathSyntaxError(f"mismatched input '{value or 'the end'}'")

    # --- predicates
    def disjunction(self) -> Node:
        node = self.conjunction()
        while self.accept("symbol", "||"):
            node = ("or", node, self.conjunction())
        return node

    def conjunction(self) -> Node:
        node = self.negation()
        while self.accept("symbol", "&&"):
            node = ("and", node, self.negation())
        return node

    def negation(self) -> Node:
        if self.accept("symbol", "!"):
            return ("not", self.negation())
        if self.accept("word", "exists"):
            self.expect("(")
            inner = self.sum()
            self.expect(")")
            return ("exists", inner)
        if self.peek() == ("symbol", "(") and self.after_parentheses() in _AFTER_PREDICATE:
            self.expect("(")
            inner = self.disjunction()
            self.expect(")")
            if self.accept("word", "is"):
                self.expect("unknown")
                return ("unknown", inner)
            return inner
        left = self.sum()
        if symbol := self.accept("symbol", *_COMPARISONS):
            return ("compare", left, self.sum(), symbol)
        if self.accept("word", "starts"):
            self.expect("with")
            return ("starts", left, self.sum())
        if self.accept("word", "like_regex"):
            kind, pattern = self.take()
            if kind != "string":
                raise PathSyntaxError("like_regex takes a text")
            try:
                return ("regex", left, regexps.compile_pattern(pattern.replace('""', '"')))
            except Failure as err:
                raise PathSyntaxError(err.message) from err
        raise PathSyntaxError(f"a predicate expected, but got '{self.peek()[1] or 'the end'}'")

    def after_parentheses(self) -> str:
        """Return the token after the parenthesis that closes the one which comes next."""
        depth = 0
        for index in range(self.at, len(self.tokens)):
            depth += {("symbol", "("): 1, ("symbol", ")"): -1}.get(self.tokens[index], 0)
            if depth == 0:
                return self.peek(index + 1 - self.at)[1]
        raise PathSyntaxError("')' expected, but got 'the end'")


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[bool, Any]:
    """Return (whether lax, the tree) of a path. Raises PathSyntaxError."""
    return _Parser(text).path()


def variables(node: Any) -> set[str]:
    """Return the names of the variables in a tree."""
    if isinstance(node, tuple) and node[:1] == ("variable",):
        return {node[1]}
    return set().union(*map(variables, node)) if isinstance(node, tuple | list) else set()
