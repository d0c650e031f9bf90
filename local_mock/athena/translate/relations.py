"""Names in scope, their types, and the lineage that tells which table columns a query really needs.

A `Column` of a relation knows the columns it is made of (`needs`); `Scan.used` is filled at the end by
walking from the output of the query. `origin` names the table column that a column merely passes through:
predicates on it reach the table (partition and row-group pruning).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local_mock.athena.catalog import Table
from local_mock.athena.errors import QueryError, at
from local_mock.athena.sqltypes import BIGINT, TIMESTAMP_TZ, UNKNOWN, VARCHAR, Type

__all__ = [
    "HIDDEN", "Column", "Node", "Predicate", "Query", "Relation", "Scan", "Scope", "Typed", "quote", "reach",
    "rename_columns", "text",
]  # fmt: skip

# Columns that every table has and `*` does not show.
HIDDEN: Mapping[str, Type] = {
    "$path": VARCHAR,
    "$file_size": BIGINT,
    "$file_modified_time": TIMESTAMP_TZ.with_facts(zone="UTC"),
}


def quote(name: str) -> str:
    """Return a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a DuckDB string literal."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Typed:
    """A compiled expression: DuckDB SQL and its Trino type. `literal` is the value of a plain constant."""

    sql: str
    type: Type
    literal: object = None


@dataclass(eq=False)
class Node:
    """Something that needs columns whenever it is evaluated (a query's WHERE, keys, …)."""

    needs: set[Node] = field(default_factory=set)


@dataclass(eq=False)
class Column(Node):
    """One column of a relation. `ref` is its DuckDB reference; `hidden` ones are not in `*`."""

    name: str | None = None
    ref: str = ""
    type: Type = UNKNOWN
    hidden: bool = False
    scan: Scan | None = None  # set on the columns of a table
    origin: Column | None = None  # the table column whose value this is, unchanged


@dataclass(frozen=True)
class Predicate:
    """`column op values`: a conjunct that may skip row groups (op: = < <= > >= in)."""

    column: str
    op: str
    values: tuple[object, ...]


@dataclass(eq=False)
class Scan:
    """One reading of a catalog table. `partition_filters` are (DuckDB SQL, {ref: partition key})."""

    token: str
    table: Table
    columns: dict[str, Column] = field(default_factory=dict)
    predicates: list[Predicate] = field(default_factory=list)
    partition_filters: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


@dataclass
class Relation:
    """The columns that FROM offers under an alias. `pushable`: a WHERE above it may be evaluated inside it."""

    alias: str | None
    columns: list[Column]
    node: Node
    pushable: bool = True
    qualifier: str | None = None  # database of a table


@dataclass
class Scope:
    """Relations of one query level, the level around it, and lambda parameters."""

    parent: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    node: Node = field(default_factory=Node)
    parameters: dict[str, Typed] = field(default_factory=dict)

    def child(self) -> Scope:
        return Scope(parent=self)

    def find(self, path: list[str], position: tuple[int, int] | None = None) -> tuple[Column, list[str]]:
        """Return the column that a dotted name means, and the parts after it (fields of a row)."""
        scope: Scope | None = self
        while scope is not None:
            for length in range(min(3, len(path)), 0, -1):
                columns = scope._match(path[:length], position)
                if columns:
                    return columns, path[length:]
            scope = scope.parent
        raise QueryError("COLUMN_NOT_FOUND", f"{at(position)}Column '{'.'.join(path)}' cannot be resolved")

    def _match(self, path: list[str], position: tuple[int, int] | None) -> Column | None:
        *qualifier, name = (part.lower() for part in path)
        relations = [r for r in self.relations if _qualifies(r, qualifier)]
        columns = [c for r in relations for c in r.columns if c.name is not None and c.name.lower() == name]
        visible = [c for c in columns if not c.hidden] or columns
        if len(visible) > 1:
            raise QueryError("AMBIGUOUS_NAME", f"{at(position)}Column '{'.'.join(path)}' is ambiguous")
        return visible[0] if visible else None


def _qualifies(relation: Relation, qualifier: list[str]) -> bool:
    if not qualifier:
        return True
    if relation.alias is None or relation.alias.lower() != qualifier[-1]:
        return False
    return len(qualifier) == 1 or relation.qualifier == qualifier[-2]


def reach(roots: Iterable[Node]) -> None:
    """Mark in each `Scan.used` the table columns that `roots` need, however indirectly."""
    waiting, seen = list(roots), set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        waiting.extend(node.needs)
        if isinstance(node, Column) and node.scan is not None and node.name is not None:
            node.scan.used.add(node.name)


@dataclass
class Query:
    """A compiled query. `transparent`: a filter above it may be evaluated below it."""

    sql: str
    columns: list[Column]
    node: Node
    transparent: bool = False


def rename_columns(columns: list[Column], names: list[str], where: tuple[int, int] | None) -> None:
    """Give columns the names of an alias list, if there is one. Raises QueryError if their number differs."""
    if names and len(names) != len(columns):
        given = f"Column alias list has {len(names)} entries"
        message = f"{given} but relation has {len(columns)} columns available"
        raise QueryError("MISMATCHED_COLUMN_ALIASES", f"{at(where)}{message}")
    for column, name in zip(columns, names, strict=False):
        column.name = name
