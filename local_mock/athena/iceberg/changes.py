"""DELETE, UPDATE and MERGE as one query each, whose rows `writing.apply_changes` commits.

The query gives the table's columns after the change, then the file, the number and the action of each row.
Source: https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-updating-iceberg-table-data.html, Trino's MERGE.
"""

# ruff: noqa: E501, S608 - one line a message; names are quoted, users' expressions are put in as parsed trees
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlglot import exp, parse
from sqlglot.errors import ParseError, TokenError

from local_mock.athena.dialect import AthenaGrammar, parse_query, position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.grammar import check_tokens, plain_numbers
from local_mock.athena.translate.consumed import check
from local_mock.athena.translate.relations import quote

__all__ = ["Change", "parse_change"]

_PATH, _ROW, _SOURCE, _ACTION = "local_mock path", "local_mock row", "local_mock source", "local_mock action"
_READ = {
    exp.Delete: {"this", "where"},
    exp.Update: {"this", "expressions", "where"},
    exp.Merge: {"this", "using", "on", "whens"},
    exp.When: {"matched", "condition", "then"},
    exp.Insert: {"this", "expression"},
    exp.Whens: {"expressions"},
}


@dataclass
class Change:
    """A parsed statement over one table."""

    node: exp.Expression

    @property
    def target(self) -> list[str]:
        """Return the table's name in parts."""
        table = self.node.this
        return [part for part in (table.db.lower(), table.name.lower()) if part]

    def query(self, columns: list[str]) -> tuple[exp.Expression, list[str]]:
        """Return the query over a table of `columns`, and the action of each number in its last column."""
        if isinstance(self.node, exp.Merge):
            return _merge(self.node, columns)
        return _simple(self.node, columns)


def parse_change(sql: str) -> Change:
    """Parse DELETE, UPDATE or MERGE. Raises QueryError SYNTAX_ERROR, or NOT_SUPPORTED for what is not carried out."""
    text = plain_numbers(sql)
    try:
        check_tokens(AthenaGrammar().tokenize(text))
        trees = [tree for tree in parse(text, read=AthenaGrammar) if tree is not None]
    except (ParseError, TokenError) as err:
        raise QueryError("SYNTAX_ERROR", f"line 1:1: {str(err).splitlines()[0]}") from err
    if len(trees) != 1 or not isinstance(trees[0], exp.Delete | exp.Update | exp.Merge):
        raise QueryError("SYNTAX_ERROR", "line 1:1: DELETE, UPDATE or MERGE expected")
    node = trees[0]
    for part in (node, *node.find_all(exp.When, exp.Whens)):
        _check_read(part)
        if isinstance(part, exp.When) and isinstance(part.args["then"], exp.Insert):
            _check_read(part.args["then"])
    if isinstance(node, exp.Merge) and not node.args.get("whens"):
        raise QueryError("SYNTAX_ERROR", "line 1:1: mismatched input '<EOF>'. Expecting: 'WHEN'")
    if not isinstance(node.this, exp.Table):
        raise not_supported(f"{type(node).__name__.upper()} of this target", position(node))
    return Change(node)


def _check_read(node: exp.Expression) -> None:
    for key, value in node.args.items():
        if value not in (None, False, []) and key not in _READ[type(node)]:
            raise not_supported(f"{key.strip('_').upper()} of {type(node).__name__.upper()}", position(node))


def _filled(sql: str, parts: dict[str, exp.Expression]) -> exp.Expression:
    """Return the parsed `sql` with each column `__name` replaced by a tree in brackets, and each table by its own."""
    tree = parse_query(sql, is_view=True)
    for column in list(tree.find_all(exp.Column)):
        if column.name in parts:
            column.replace(exp.Paren(this=parts[column.name].copy()))
    for table in list(tree.find_all(exp.Table)):
        if table.name in parts:
            table.replace(parts[table.name].copy())
    check(tree)
    return tree


def _target(node: exp.Expression, columns: list[str]) -> tuple[str, str]:
    """Return the alias of the target, and the subquery that numbers its rows."""
    table = node.this
    if table.args.get("version") or table.args.get("sample") or table.args.get("joins"):
        raise not_supported("a version, sample or join of the changed table", position(node))
    alias = quote(table.alias.lower() or table.name.lower())
    place = f"{quote(table.db.lower())}." if table.db else ""
    listed = ", ".join(quote(c) for c in columns)
    inner = f'SELECT {listed}, "$path" AS "{_PATH}", row_number() OVER () AS "{_ROW}" FROM {place}{quote(table.name.lower())}'
    return alias, f"({inner}) AS {alias}"


def _whole(select: str, columns: list[str]) -> str:
    """Return all rows of the files in which an action falls, and new rows."""
    listed = ", ".join(quote(c) for c in columns)
    touched = f'bool_or("{_ACTION}" IS NOT NULL) OVER (PARTITION BY "{_PATH}")'
    return (
        f'SELECT {listed}, "{_PATH}", "{_ROW}", "{_ACTION}" FROM '
        f'(SELECT {listed}, "{_PATH}", "{_ROW}", "{_ACTION}", {touched} AS "local_mock touched" FROM ({select}) AS r) AS f '
        'WHERE "local_mock touched"'
    )


def _simple(node: exp.Expression, columns: list[str]) -> tuple[exp.Expression, list[str]]:
    alias, target = _target(node, columns)
    where = node.args.get("where")
    parts: dict[str, exp.Expression] = {"__where": where.this if where else exp.Boolean(this=True)}
    acting = f'(SELECT {alias}.*, CASE WHEN __where THEN 0 END AS "{_ACTION}" FROM {target}) AS {alias}'
    cells = {c: f"{alias}.{quote(c)}" for c in columns}
    if isinstance(node, exp.Update):
        for name, value in _assignments(node, columns).items():
            parts[f"__{len(parts)}"] = value
            cells[name] = f'CASE WHEN "{_ACTION}" = 0 THEN __{len(parts) - 1} ELSE {cells[name]} END'
    shown = ", ".join(f"{sql} AS {quote(c)}" for c, sql in cells.items())
    select = f'SELECT {shown}, "{_PATH}", "{_ROW}", "{_ACTION}" FROM {acting}'
    return _filled(_whole(select, columns), parts), ["update" if isinstance(node, exp.Update) else "delete"]


def _assignments(node: exp.Expression, columns: list[str]) -> dict[str, exp.Expression]:
    values: dict[str, exp.Expression] = {}
    for item in node.expressions:
        name = item.this.name.lower() if isinstance(item, exp.EQ) and isinstance(item.this, exp.Column) else None
        if name is None:
            raise QueryError("SYNTAX_ERROR", f"{at(position(item))}column = expression expected after SET")
        if name not in columns:
            raise QueryError(
                "COLUMN_NOT_FOUND", f"{at(position(item))}The UPDATE SET target column {name} doesn't exist"
            )
        if name in values:
            raise QueryError("SYNTAX_ERROR", f"{at(position(item))}Multiple assignments for {name}")
        values[name] = item.expression
    return values


def _merge(node: exp.Merge, columns: list[str]) -> tuple[exp.Expression, list[str]]:
    alias, target = _target(node, columns)
    using: Any = node.args["using"]
    source = quote((using.alias or using.name).lower())
    if not using.alias:
        using = using.copy()
        using.set("alias", exp.TableAlias(this=exp.to_identifier(using.name)))
    parts: dict[str, exp.Expression] = {"__on": node.args["on"], "__using": using}

    def placed(value: exp.Expression) -> str:
        parts[f"__{len(parts)}"] = value
        return f"__{len(parts) - 1}"

    actions: list[str] = []
    conditions: list[str] = []
    cells: dict[str, list[str]] = {c: [] for c in columns}
    for number, when in enumerate(node.args["whens"].expressions):
        then = when.args["then"]
        both = f'{alias}."{_ROW}" IS NOT NULL AND {source}."{_SOURCE}"'
        test = both if when.args.get("matched") else f'{alias}."{_ROW}" IS NULL'
        if when.args.get("condition") is not None:
            test = f"({test}) AND {placed(when.args['condition'])}"
        conditions.append(f"WHEN {test} THEN {number}")
        if isinstance(then, exp.Update):
            actions.append("update")
            values = _assignments(then, columns)
        elif isinstance(then, exp.Insert):
            actions.append("insert")
            values = _inserted(then, columns)
        else:
            actions.append("delete")
            values = {}
        for name in columns:
            value = (
                placed(values[name])
                if name in values
                else "NULL"
                if actions[-1] == "insert"
                else f"{alias}.{quote(name)}"
            )
            cells[name].append(f"WHEN {test} THEN {value}")
    shown = ", ".join(
        f"CASE {' '.join(whens)} ELSE {alias}.{quote(c)} END AS {quote(c)}" for c, whens in cells.items()
    )
    side = "FULL" if "insert" in actions else "LEFT"
    select = (
        f'SELECT {shown}, {alias}."{_PATH}", {alias}."{_ROW}", CASE {" ".join(conditions)} END AS "{_ACTION}" FROM {target} '
        f'{side} JOIN (SELECT {source}.*, TRUE AS "{_SOURCE}" FROM __using) AS {source} ON __on'
    )
    return _filled(_whole(select, columns), parts), actions


def _inserted(then: exp.Insert, columns: list[str]) -> dict[str, exp.Expression]:
    values = list(then.expression.expressions) if isinstance(then.expression, exp.Tuple) else [then.expression]
    given = then.args.get("this")
    listed = [c.name.lower() for c in given.expressions] if given is not None else columns
    unknown = [name for name in listed if name not in columns]
    if unknown:
        raise QueryError(
            "COLUMN_NOT_FOUND",
            f"{at(position(then))}Insert column name does not exist in target table: {unknown[0]}",
        )
    if len(set(listed)) != len(listed) or len(listed) != len(values):
        raise QueryError(
            "TYPE_MISMATCH", f"{at(position(then))}MERGE INSERT has {len(values)} values for the columns {listed}"
        )
    return dict(zip(listed, values, strict=True))
