"""Find the kind of a statement, and the values of its `?` parameters."""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from local_mock.athena.dialect import parse_query, strip
from local_mock.athena.errors import QueryError

__all__ = ["NAME", "Statement", "bracketed", "classify", "split_values", "substitute_parameters", "unquote"]

NAME = r'(?:`[^`]+`|"[^"]+"|[\w$-]+)(?:\s*\.\s*(?:`[^`]+`|"[^"]+"|[\w$-]+))*'

# kind → (pattern of the head, StatementType, SubStatementType)
_KINDS = (
    ("create_database", r"CREATE\s+(?:DATABASE|SCHEMA)\b", "DDL", "CREATE_DATABASE"),
    ("drop_database", r"DROP\s+(?:DATABASE|SCHEMA)\b", "DDL", "DROP_DATABASE"),
    ("create_view", r"CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\b", "DDL", "CREATE_VIEW"),
    ("drop_view", r"DROP\s+VIEW\b", "DDL", "DROP_VIEW"),
    ("create_table", r"CREATE\s+EXTERNAL\s+TABLE\b", "DDL", "CREATE_TABLE"),
    ("ctas", r"CREATE\s+TABLE\b.*\bAS\b\s*\(?\s*(?:SELECT|WITH|VALUES|TABLE)\b", "DDL", "CREATE_TABLE_AS_SELECT"),
    ("create_iceberg", r"CREATE\s+TABLE\b", "DDL", "CREATE_TABLE"),
    ("drop_table", r"DROP\s+TABLE\b", "DDL", "DROP_TABLE"),
    ("alter_table", r"ALTER\s+TABLE\b", "DDL", "ALTER_TABLE"),
    ("repair", r"MSCK\s+REPAIR\s+TABLE\b", "DDL", "MSCK_REPAIR_TABLE"),
    ("show", r"SHOW\b", "UTILITY", "SHOW"),
    ("describe", r"(?:DESCRIBE|DESC)\b", "UTILITY", "DESCRIBE"),
    ("explain", r"EXPLAIN\b", "UTILITY", "EXPLAIN"),
    ("insert", r"INSERT\s+INTO\b", "DML", "INSERT"),
    ("change", r"DELETE\b", "DML", "DELETE"),
    ("change", r"UPDATE\b", "DML", "UPDATE"),
    ("change", r"MERGE\b", "DML", "MERGE"),
    ("optimize", r"OPTIMIZE\b", "DML", "OPTIMIZE"),
    ("vacuum", r"VACUUM\b", "DML", "VACUUM"),
    ("unload", r"UNLOAD\b", "DML", "UNLOAD"),
    ("execute", r"EXECUTE\b", "DML", "SELECT"),
    ("prepare", r"PREPARE\b", "UTILITY", "PREPARE"),
    ("deallocate", r"DEALLOCATE\b", "UTILITY", "DEALLOCATE"),
    ("select", r"(?:SELECT|WITH|VALUES|TABLE|\()", "DML", "SELECT"),
)
# https://docs.aws.amazon.com/athena/latest/ug/unsupported-ddl.html
_NEVER = (
    r"(GRANT|REVOKE|ANALYZE|USE|SET|RESET|CALL|COMMENT|TRUNCATE|START|COMMIT|ROLLBACK|IMPORT|EXPORT|LOCK|UNLOCK)\b"
)
_INSTEAD = {
    "USE": ": give the database in QueryExecutionContext, or write database.table",
    "SET": ": it has no session properties",
    "ANALYZE": ": statistics are made by Glue",
    "GRANT": ": rights are IAM's and Lake Formation's",
    "REVOKE": ": rights are IAM's and Lake Formation's",
}


@dataclass(frozen=True)
class Statement:
    """`kind` names the executor's method; the types are what GetQueryExecution says."""

    kind: str
    sql: str
    type: str
    subtype: str


def classify(sql: str) -> Statement:
    """Return the kind of a statement. Raises QueryError for what Athena or this mock does not run."""
    text = strip(sql)
    for kind, pattern, type_, subtype in _KINDS:
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL):
            return Statement(kind, text, type_, subtype)
    if refused := re.match(_NEVER, text, re.IGNORECASE):
        word = refused.group(1).upper()
        raise QueryError("NOT_SUPPORTED", f"{word} is not supported by Athena{_INSTEAD.get(word, '')}")
    head = text.split(None, 1)[0] if text else ""
    raise QueryError("SYNTAX_ERROR", f"line 1:1: mismatched input '{head}'. Expecting a statement")


def unquote(name: str) -> list[str]:
    """Return the parts of a dotted name, lower case, without quotes."""
    parts = re.findall(r'`([^`]+)`|"([^"]+)"|([\w$-]+)', name)
    return ["".join(part).lower() for part in parts]


_PIECES = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\?|[^'\"?/-]+|.", re.DOTALL)


def substitute_parameters(sql: str, values: list[str]) -> str:
    """Return `sql` with each `?` outside quotes and comments replaced by the SQL literal at its place."""
    left, out = list(values), []
    for piece in _PIECES.findall(sql):
        if piece == "?":
            if not left:
                raise QueryError(
                    "INVALID_PARAMETER_USAGE",
                    f"line 1:1: Incorrect number of parameters: more than {len(values)} expected",
                )
            out.append(_bound(left.pop(0)))
        else:
            out.append(piece)
    if left:
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {len(values) - len(left)} but found {len(values)}",
        )
    return "".join(out)


def _bound(value: str) -> str:
    """Return a parameter as one operand.

    A literal stays as it is, an expression of literals is put in brackets, and a bare word or text is a string, so
    that no parameter can name a column or end the statement. Raises QueryError for a broken expression with quotes.
    """
    text = value.strip()
    if re.fullmatch(r"'(?:[^']|'')*'|[+-]?[\d.]+(?:[eE][+-]?\d+)?|(?i:null|true|false)", text):
        return text
    if _is_constant(text):
        return f"({text})"
    if "'" in text:
        raise QueryError("SYNTAX_ERROR", f"line 1:1: the parameter {text!r} is no expression")
    return f"'{value}'"


def _is_constant(text: str) -> bool:
    """Return whether a text is one expression without names of columns and without a query."""
    try:
        parsed = parse_query(f"SELECT ({text})")
    except QueryError:
        return False
    items = parsed.args.get("expressions") or []
    if len(items) != 1 or any(parsed.args.get(key) for key in parsed.args if key != "expressions"):
        return False
    return isinstance(items[0], exp.Paren | exp.Tuple) and not items[0].find(exp.Column, exp.Select)


def bracketed(text: str, start: int) -> tuple[str, int]:
    """Return the inside of the parenthesis that opens at `start`, and the index after it."""
    depth, quoted = 0, ""
    for i in range(start, len(text)):
        char = text[i]
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "'\"`":
            quoted = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return text[start + 1 : i], i + 1
    near = " ".join(text[start:].split()[:4])
    raise QueryError("SYNTAX_ERROR", f"line 1:1: mismatched input near '{near}'. Expecting: ')'")


def split_values(listing: str) -> list[str]:
    """Split at commas outside quotes and brackets."""
    parts, depth = [""], 0
    for piece in re.findall(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|.", listing, re.DOTALL):
        depth += (piece in "([{<") - (piece in ")]}>") if len(piece) == 1 else 0
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts]
