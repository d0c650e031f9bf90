"""Refuse by the tokens what sqlglot's parser takes and Athena's does not; and read numbers that it lacks.

Source: https://trino.io/docs/current/language/reserved.html, Trino's grammar (SqlBase.g4).
"""

# ruff: noqa: E501 - one line a message
from __future__ import annotations

import re
from typing import Any

from local_mock.athena.errors import QueryError, not_supported

__all__ = ["JSON_CALLS", "MAX_QUERY_BYTES", "check_tokens", "plain_numbers"]

MAX_QUERY_BYTES = 262_144  # https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
_PIECES = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|[^'\"/-]+|.", re.DOTALL)
_NUMBER = re.compile(
    r"(?<![\w.$@])(?:0[xX][0-9A-Fa-f]+(?:_[0-9A-Fa-f]+)*|0[bB][01]+(?:_[01]+)*|0[oO][0-7]+(?:_[0-7]+)*|\d+(?:_\d+)+)(?![\w.])"
)
_SCIENTIFIC = re.compile(r"(?<![\w.$@])(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+(?=[+-])")
# Type names of other dialects (and of Athena's DDL) that sqlglot renames.
_FOREIGN_TYPES = frozenset({
    "STRING", "TEXT", "FLOAT", "BOOL", "INT2", "INT4", "INT8", "NUMBER", "DATETIME", "BYTES", "BLOB", "BINARY", "FLOAT4", "FLOAT8",
    "INT64", "FLOAT64", "TIMESTAMPTZ", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "LONG", "SHORT", "BYTE", "MEDIUMINT", "UINT8", "HUGEINT",
    "NVARCHAR", "NCHAR", "BPCHAR", "JSONB", "SERIAL", "STRUCT", "LIST", "VARIANT", "OBJECT", "NUMERIC4",
})  # fmt: skip
# The SQL standard's JSON functions have a grammar of their own (`translate/functions/json_calls.py`).
JSON_CALLS = ("json_exists", "json_value", "json_query", "json_object", "json_array")
_UNITS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")


def plain_numbers(sql: str) -> str:
    """Return `sql` with numbers as sqlglot reads them, and no blanks in `X'00 ff'`.

    `1_000`, `0x1F`, `0b101` and `0o17` become decimal; `1e0+1` gets a blank before the sign, which sqlglot would
    take for that of an exponent.
    """
    out: list[str] = []
    code = ""
    for piece in [*_PIECES.findall(sql), "''"]:
        if piece[0] not in "'\"" and not piece.startswith(("--", "/*")):
            code += piece
            continue
        out.append(_SCIENTIFIC.sub(r"\g<0> ", _NUMBER.sub(_in_decimal, code)))
        hexadecimal = piece[0] == "'" and re.search(r"(?<!\w)[xX]$", code)
        out.append(re.sub(r"\s+", "", piece) if hexadecimal else piece)
        code = ""
    return "".join(out[:-1])


def _in_decimal(number: re.Match[str]) -> str:
    written = number.group()
    return str(int(written.replace("_", ""), 0 if written[:2].lower() in ("0x", "0b", "0o") else 10))


def _place(token: Any) -> str:
    return f"line {token.line}:{token.col - len(token.text) + 1}: "


def check_tokens(tokens: list[Any]) -> None:
    """Raise QueryError SYNTAX_ERROR (or TYPE_NOT_FOUND) for what the parser would take for something else."""
    words = [
        token.text.upper() if token.token_type.name not in ("STRING", "IDENTIFIER") else "" for token in tokens
    ]
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        if (
            token.token_type.name == "NUMBER"
            and following is not None
            and following.start == token.end + 1
            and (following.text[:1].isalpha() or following.text[:1] == "_")
        ):
            raise QueryError(
                "SYNTAX_ERROR",
                f"{_place(token)}identifiers must not start with a digit; surround the identifier with double quotes",
            )
        if words[i] == "[" and _opens_value(tokens, words, i):
            raise QueryError("SYNTAX_ERROR", f"{_place(token)}mismatched input '['. Expecting: an expression")
        if (
            words[i] == "AS"
            and i + 2 < len(words)
            and words[i + 1] in _FOREIGN_TYPES
            and words[i + 2] in (")", "(")
            and _in_cast(words, i)
        ):
            raise QueryError(
                "TYPE_NOT_FOUND", f"{_place(tokens[i + 1])}Unknown type: {tokens[i + 1].text.lower()}"
            )
        if words[i] == "FROM" and (i == 0 or words[i - 1] == "("):
            raise QueryError("SYNTAX_ERROR", f"{_place(token)}mismatched input 'FROM'. Expecting: a query")
        if words[i] == "INTERVAL" and following is not None:
            _check_interval(tokens, words, i)
        if words[i] == "LIMIT":
            _check_limit(tokens, words, i)
        if words[i] == "JSON_TABLE" and i + 1 < len(words) and words[i + 1] == "(":
            raise not_supported("json_table()", (token.line, token.col - len(token.text) + 1))
        if words[i] == "MATCH_RECOGNIZE":
            raise not_supported("MATCH_RECOGNIZE", (token.line, token.col - len(token.text) + 1))
        if words[i] in ("::", "??"):
            raise QueryError("SYNTAX_ERROR", f"{_place(token)}mismatched input '{token.text}'")


def _opens_value(tokens: list[Any], words: list[str], i: int) -> bool:
    if i == 0:
        return False
    before = tokens[i - 1]
    if before.token_type.name in ("STRING", "IDENTIFIER", "VAR", "NUMBER") or words[i - 1] in (")", "]", "ARRAY"):
        return False
    return words[i - 1] in (
        "(",
        ",",
        "=",
        "<",
        ">",
        "+",
        "-",
        "*",
        "/",
        "||",
        "SELECT",
        "IN",
        "[",
        "AND",
        "OR",
        "NOT",
        "WHEN",
        "THEN",
        "ELSE",
        "VALUES",
        "ON",
        "WHERE",
    )


def _in_cast(words: list[str], i: int) -> bool:
    """Return whether the AS at `i` belongs to a CAST."""
    depth = 0
    for j in range(i - 1, -1, -1):
        depth += (words[j] == ")") - (words[j] == "(")
        if depth < 0:
            return j > 0 and words[j - 1] in ("CAST", "TRY_CAST")
    return False


def _check_interval(tokens: list[Any], words: list[str], i: int) -> None:
    j = i + 1
    if j < len(tokens) and words[j] in ("+", "-"):
        j += 1
    if (
        j < len(tokens)
        and tokens[j].token_type.name == "STRING"
        and (j + 1 >= len(words) or words[j + 1] not in _UNITS)
    ):
        raise QueryError(
            "SYNTAX_ERROR",
            f"{_place(tokens[i])}an interval needs a unit: YEAR, MONTH, DAY, HOUR, MINUTE or SECOND",
        )


def _check_limit(tokens: list[Any], words: list[str], i: int) -> None:
    after = words[i + 2 : i + 3]
    if after == [","]:
        raise QueryError("SYNTAX_ERROR", f"{_place(tokens[i])}mismatched input ','. Expecting: <EOF>")
    if after == ["OFFSET"]:
        raise QueryError(
            "SYNTAX_ERROR",
            f"{_place(tokens[i + 2])}mismatched input 'OFFSET'. Expecting: <EOF>. OFFSET comes before LIMIT",
        )
    if after in (["PERCENT"], ["%"]):
        raise not_supported("LIMIT … PERCENT", (tokens[i].line, tokens[i].col))
