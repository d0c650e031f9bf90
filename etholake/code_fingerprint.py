"""Compute the fingerprint of the code that decides a result: the import closure of named entry modules.

A change of the code must make a stage run again if, and only if, it can change the stage's result. So the modules
are found from the import statements (of functions as well), beginning at the entry scripts, and each is hashed by
its syntax tree: comments, layout, docstrings and the texts of errors, log lines and data-quality rules do not
count, constants and statements do. The sources are those of a deployed archive; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from etholake.digest import fingerprint
from etholake.errors import ContractError

__all__ = ["closure", "code_fingerprint", "module_fingerprint"]

# Where a module is named by a text instead of an import statement (registries): "package.module" or "…:attribute".
_NAMED = re.compile(r"(?P<module>[a-z_]\w*(?:\.\w+)+)(?::\w+)?")
_TOP = re.compile(r"\w+/__init__\.py")
# Their texts are for people. Other errors (`BadFileError`) name a rule, which goes into a table.
_ERRORS = frozenset(
    {"AssertionError", "AwsError", "ContractError", "DataError", "LostRaceError", "RuntimeError", "SettingsError"}
    | {"TypeError", "UsageError", "ValueError"}
)
# Rows ``(id, severity, sentence)`` of data-quality rules follow the unit and the kinds in its arguments.
_RULES, _BEFORE_ROWS = "_rules", 2
_REPORTING = frozenset({"log_event", "print", "debug", "info", "warning", "error", "exception"})
# Fields that depend on the Python version, or say nothing about what the code does.
_LEFT_OUT = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})


def code_fingerprint(sources: Mapping[str, bytes], entries: Collection[str], exclude: Collection[str] = ()) -> str:
    """Return 16 hex digits over the modules that the entry scripts reach.

    Parameters
    ----------
    sources
        Content by path (``etholake/lake.py``), as in the archive; paths that do not end in ``.py`` are ignored.
    entries
        Paths of the scripts to begin at.
    exclude
        Packages or modules (dotted) that do not decide the result: they and what only they import are left out.

    Raises
    ------
    ContractError
        An entry is not among the sources, or a module of the closure is not valid Python.
    """
    paths = closure(sources, entries, exclude)
    return fingerprint([(path, module_fingerprint(sources[path], path)) for path in paths])


def closure(sources: Mapping[str, bytes], entries: Collection[str], exclude: Collection[str] = ()) -> list[str]:
    """Return the sorted paths of the modules that the entry scripts import, directly or not, and the scripts.

    Parameters and errors are those of `code_fingerprint`.
    """
    if missing := sorted(set(entries) - sources.keys()):
        raise ContractError(f"The archive has no {', '.join(missing)}: run `make deploy` again.")
    # A package at the top holds its version only, which decides nothing.
    by_name = {_dotted(path): path for path in sources if path.endswith(".py") and not _TOP.fullmatch(path)}
    reached: set[str] = set()
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        modules = {module for name in _imports(sources[path], path) for module in _with_parents(name)}
        waiting += [by_name[module] for module in modules & by_name.keys() if not _is_in(module, exclude)]
    return sorted(reached)


def _is_in(module: str, packages: Collection[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _with_parents(name: str) -> Iterator[str]:
    """Yield ``a``, ``a.b``, ``a.b.c``: importing a module runs its packages' ``__init__`` as well."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


@lru_cache(maxsize=1024)
def _imports(source: bytes, path: str) -> tuple[str, ...]:
    """Return the dotted names that a module may import; names that are no modules are sorted out by the caller."""
    package = _dotted(path) if path.endswith("__init__.py") else _dotted(path).rpartition(".")[0]
    names: list[str] = []
    for node in _executed(_parse(source, path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            names += [f"{base}.{alias.name}" for alias in node.names]
        elif match := _NAMED.fullmatch(str(getattr(node, "value", ""))):
            names.append(match["module"])
    return tuple(names)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree without the blocks under ``if TYPE_CHECKING:``."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _parse(source: bytes, path: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as err:
        raise ContractError(f"{path} of the deployed code is not valid Python: {err}.") from err


@lru_cache(maxsize=1024)
def module_fingerprint(source: bytes, path: str) -> str:
    """Return 16 hex digits over the syntax tree of one module; comments, docstrings and messages do not count."""
    return fingerprint(_canonical(_parse(source, path)))


def _canonical(node: Any, *, message: bool = False) -> Any:
    """Return a tree as JSON that is the same on every Python version, without docstrings and messages."""
    if isinstance(node, list):
        return [_canonical(item, message=message) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    if message and (isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)):
        return "message"
    message = message or _tells(node)
    if isinstance(node, ast.Call) and _called(node) == _RULES:
        rows = [
            ast.Tuple(row.elts[:-1]) if isinstance(row, ast.Tuple) else row for row in node.args[_BEFORE_ROWS:]
        ]
        node = ast.Call(node.func, [*node.args[:_BEFORE_ROWS], *rows], node.keywords)
    fields = []
    for name, value in ast.iter_fields(node):
        if name in _LEFT_OUT or value is None or value == []:
            continue
        kept = (
            [item for item in value if not _is_text(item)] if name == "body" and isinstance(value, list) else value
        )
        if kept:
            fields.append([name, _canonical(kept, message=message)])
    return [type(node).__name__, fields]


def _is_text(node: ast.AST) -> bool:
    """Return whether a statement is a text that nothing reads: a docstring."""
    return (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def _tells(node: ast.AST) -> bool:
    """Return whether a node is a call whose texts only tell somebody something: an error, a line of a log."""
    return isinstance(node, ast.Call) and _called(node) in _REPORTING | _ERRORS


def _called(call: ast.Call) -> str | None:
    """Return the name of the function, method or class that is called; None for an expression without a name."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", None)
