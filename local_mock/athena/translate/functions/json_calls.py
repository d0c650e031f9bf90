"""SQL's JSON functions with their clauses: the grammar of a call, and its translation.

`parse` reads a call after its opening parenthesis with sqlglot's parser and leaves the clauses in `meta["json"]`.
Source: https://trino.io/docs/current/functions/json.html, Trino's SqlBase.g4.
"""

from __future__ import annotations

import json
from typing import Any

from sqlglot import exp
from sqlglot.tokens import TokenType

from local_mock.athena.errors import QueryError, at
from local_mock.athena.functions.json_paths import PathSyntaxError, variables
from local_mock.athena.functions.json_paths import parse as parse_path
from local_mock.athena.sqltypes import BOOLEAN, UNKNOWN, VARCHAR, Type, parse_type
from local_mock.athena.translate.casts import cast, castable, widen
from local_mock.athena.translate.python import python
from local_mock.athena.translate.relations import Scope, Typed, text

__all__ = ["SPECIAL", "parse"]

_MAKERS = ("json_object", "json_array", "json_query")  # what they give is JSON when it stands in another
_ON = {
    "json_exists": ("TRUE", "FALSE", "UNKNOWN", "ERROR"),
    "json_value": ("NULL", "ERROR", "DEFAULT"),
    "json_query": ("NULL", "ERROR", "EMPTY ARRAY", "EMPTY OBJECT"),
}


# --- grammar ----------------------------------------------------------------------------------------------
def parse(parser: Any, name: str) -> exp.Expression:
    """Return the call as `Anonymous`; its expressions are the values that the clauses speak of."""
    clauses: dict[str, Any] = {}
    if name in ("json_object", "json_array"):
        values = _parse_maker(parser, name, clauses)
    else:
        values = _parse_query(parser, name, clauses)
    node = exp.Anonymous(this=name, expressions=values)
    node.meta["json"] = clauses
    return node


def _words(parser: Any, *words: str) -> bool:
    return bool(parser._match_text_seq(*words))


def _format_json(parser: Any) -> bool:
    """Read FORMAT JSON; an encoding is for binary values, which are refused."""
    if not _words(parser, "FORMAT", "JSON"):
        return False
    if _words(parser, "ENCODING"):
        parser.raise_error("FORMAT JSON ENCODING is not supported by local_mock")
    return True


def _returning(parser: Any, clauses: dict[str, Any]) -> None:
    if _words(parser, "RETURNING"):
        clauses["returning"] = parser._parse_types().sql(dialect=parser.dialect)
        _format_json(parser)


def _parse_maker(parser: Any, name: str, clauses: dict[str, Any]) -> list[exp.Expression]:
    values: list[exp.Expression] = []
    formats: list[bool] = []
    while parser._curr is not None and parser._curr.token_type != TokenType.R_PAREN:
        if _ends_list(parser):
            break
        if name == "json_object":
            has_key = _words(parser, "KEY")
            values.append(parser._parse_bitwise())
            if not _words(parser, "VALUE") and (has_key or not parser._match(TokenType.COLON)):
                parser.raise_error("VALUE or : expected in json_object")
        values.append(parser._parse_assignment())
        formats.append(_format_json(parser) or _makes_json(values[-1]))
        if not parser._match(TokenType.COMMA):
            break
    clauses["json"], clauses["nulls"], clauses["unique"] = formats, name == "json_object", False
    if _words(parser, "NULL", "ON", "NULL"):
        clauses["nulls"] = True
    elif _words(parser, "ABSENT", "ON", "NULL"):
        clauses["nulls"] = False
    if name == "json_object" and (_words(parser, "WITH", "UNIQUE") or _words(parser, "WITHOUT", "UNIQUE")):
        clauses["unique"] = parser._tokens[parser._index - 2].text.upper() == "WITH"
        _words(parser, "KEYS")
    _returning(parser, clauses)
    return values


def _ends_list(parser: Any) -> bool:
    """Return whether the clauses of a call without values begin."""
    following = parser._next.text.upper() if parser._next else ""
    return (parser._curr.text.upper(), following) in (("NULL", "ON"), ("ABSENT", "ON")) or (
        parser._curr.text.upper() == "RETURNING"
    )


def _makes_json(node: exp.Expression) -> bool:
    while isinstance(node, exp.Paren):
        node = node.this
    return isinstance(node, exp.Anonymous) and "json" in node.meta and str(node.this) in _MAKERS


def _parse_query(parser: Any, name: str, clauses: dict[str, Any]) -> list[exp.Expression]:
    values = [parser._parse_assignment()]
    _format_json(parser)
    if not parser._match(TokenType.COMMA):
        parser.raise_error("a comma expected before the path of a JSON function")
    path = parser._parse_string()
    if path is None:
        parser.raise_error("the path of a JSON function is a text in quotes")
    clauses["path"], clauses["passing"] = str(path.this), []
    if _words(parser, "PASSING"):
        values += _passing(parser, clauses["passing"])
    if name != "json_exists":
        _returning(parser, clauses)
    if name == "json_query":
        _wrapper(parser, clauses)
    clauses["empty"] = clauses["error"] = "FALSE" if name == "json_exists" else "NULL"
    defaults: dict[str, exp.Expression] = {}
    while behaviour := next((b for b in _ON[name] if _words(parser, *b.split())), None):
        default = parser._parse_bitwise() if behaviour == "DEFAULT" else None
        event = _event(parser, name)
        clauses[event] = behaviour
        if default is not None:
            defaults[event] = default
    if name == "json_value":
        values += [defaults.get(event) or exp.Null() for event in ("empty", "error")]
    return values


def _passing(parser: Any, named: list[list[Any]]) -> list[exp.Expression]:
    """Return the values of PASSING; `named` gets their names, and whether each is JSON."""
    values = []
    while True:
        values.append(parser._parse_assignment())
        is_json = _format_json(parser) or _makes_json(values[-1])
        if not _words(parser, "AS"):
            parser.raise_error("AS expected after a value of PASSING")
        alias = parser._parse_id_var()
        named.append([alias.name if alias.args.get("quoted") else alias.name.upper(), is_json])
        if not parser._match(TokenType.COMMA):
            return values


def _event(parser: Any, name: str) -> str:
    """Read ON EMPTY or ON ERROR; json_exists has the latter only."""
    if _words(parser, "ON"):
        if _words(parser, "ERROR"):
            return "error"
        if name != "json_exists" and _words(parser, "EMPTY"):
            return "empty"
    parser.raise_error("ON EMPTY or ON ERROR expected")
    return "error"


def _wrapper(parser: Any, clauses: dict[str, Any]) -> None:
    clauses["wrapper"], clauses["omit_quotes"] = "WITHOUT", False
    has_wrapper = _words(parser, "WITH")
    if has_wrapper or _words(parser, "WITHOUT"):
        if has_wrapper and _words(parser, "CONDITIONAL"):
            clauses["wrapper"] = "CONDITIONAL"
        elif has_wrapper:
            _words(parser, "UNCONDITIONAL")
            clauses["wrapper"] = "UNCONDITIONAL"
        _words(parser, "ARRAY")
        if not _words(parser, "WRAPPER"):
            parser.raise_error("WRAPPER expected")
    if _words(parser, "OMIT", "QUOTES") or _words(parser, "KEEP", "QUOTES"):
        clauses["omit_quotes"] = parser._tokens[parser._index - 2].text.upper() == "OMIT"
        _words(parser, "ON", "SCALAR", "STRING")


# --- translation ------------------------------------------------------------------------------------------
def _refused(c: Any, node: exp.Expression, name: str, code: str, message: str) -> QueryError:
    return QueryError(code, f"{at(c.place(node, name))}{message}")


def _text_type(c: Any, node: exp.Expression, name: str, kind: Type) -> Type:
    """Return the type after RETURNING of a call whose value is JSON. Raises QueryError unless it is a text."""
    if not kind.is_text:
        raise _refused(c, node, name, "TYPE_MISMATCH", f"Cannot output JSON value as {kind} using formatting JSON")
    return kind


def _source(c: Any, node: exp.Expression, name: str, value: Typed) -> Typed:
    """Return an input as text. Raises QueryError for what is none."""
    if not (value.type.is_text or value.type == UNKNOWN):
        message = f"Cannot read input of type {value.type} as JSON using formatting JSON"
        raise _refused(c, node, name, "TYPE_MISMATCH", message)
    return Typed(widen(value.sql, value.type, VARCHAR), VARCHAR)


def _item(c: Any, node: exp.Expression, name: str, value: Typed, is_json: bool) -> Typed:
    if is_json:
        return _source(c, node, name, value)
    if value.type.args or value.type.base in ("varbinary", "json"):
        message = f"Unsupported type of a value of {name}: {value.type}"
        raise _refused(c, node, name, "NOT_SUPPORTED", message)
    return Typed(widen(value.sql, value.type, VARCHAR), VARCHAR) if value.type == UNKNOWN else value


def _clauses(c: Any, node: exp.Expression, name: str) -> dict[str, Any]:
    clauses: dict[str, Any] = dict(node.meta.get("json") or {})
    if not clauses:
        raise _refused(c, node, name, "SYNTAX_ERROR", f"{name} takes no OVER and no FILTER")
    if "path" in clauses:
        try:
            _, tree = parse_path(clauses["path"])
        except PathSyntaxError as err:
            code = "NOT_SUPPORTED" if "local_mock" in str(err) else "INVALID_PATH"
            raise _refused(c, node, name, code, f"invalid JSON path: {err}") from err
        missing = variables(tree) - {given for given, _ in clauses["passing"]}
        if missing:
            raise _refused(c, node, name, "INVALID_PATH", f"no value passed for parameter {min(missing)}")
    return clauses


def _queried(name: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        clauses = _clauses(c, node, name)
        kind: Type = parse_type(clauses.pop("returning", None) or "varchar")
        values = [c.compile(a, scope) for a in arguments]
        given = [_source(c, node, name, values[0])]
        passing = clauses["passing"]
        for value, (_, is_json) in zip(values[1:], passing, strict=False):
            given.append(_item(c, node, name, value, is_json))
        result = BOOLEAN if name == "json_exists" else VARCHAR
        if name == "json_value":
            if not castable(VARCHAR, kind):
                message = f"Invalid return type of function 'json_value': {kind}"
                raise _refused(c, node, name, "TYPE_MISMATCH", message)
            given += [Typed(cast(v.sql, v.type, kind), kind) for v in values[1 + len(passing) :]]
            result = kind
        elif name == "json_query":
            kind = _text_type(c, node, name, kind)
        options = Typed(text(json.dumps(clauses)), VARCHAR)
        made = python(f"sql_{name}", [options, *given], result)
        return made if name != "json_query" else Typed(cast(made.sql, VARCHAR, kind), kind)

    return handler


def _made(name: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        clauses = _clauses(c, node, name)
        kind = _text_type(c, node, name, parse_type(clauses.pop("returning", None) or "varchar"))
        values = [c.compile(a, scope) for a in arguments]
        step = 2 if name == "json_object" else 1
        given = []
        for i, value in enumerate(values):
            is_key = step == 2 and i % 2 == 0
            given.append(
                _source(c, node, name, value)
                if is_key
                else _item(c, node, name, value, clauses["json"][i // step])
            )
        options = Typed(text(json.dumps(clauses)), VARCHAR)
        made = python(f"sql_{name}", [options, *given], VARCHAR)
        return Typed(cast(made.sql, VARCHAR, kind), kind)

    return handler


SPECIAL: dict[str, Any] = {
    **{name: _queried(name) for name in ("json_exists", "json_value", "json_query")},
    **{name: _made(name) for name in ("json_object", "json_array")},
}
