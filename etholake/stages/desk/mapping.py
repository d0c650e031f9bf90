"""The mapping of an import, shown and changed in forms; `etholake.formats` reads and writes the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from etholake.errors import DataError, UsageError
from etholake.formats.layout import write_text
from etholake.formats.mapping import parse_mapping

__all__ = ["change", "mappings", "show"]


def mappings(data: Path) -> list[str]:
    """Return the names of the imports of a data folder."""
    return sorted(path.parent.name for path in data.glob("imports/*/mapping.toml"))


def show(data: Path, name: str) -> dict[str, Any]:
    """Return a mapping in JSON types, and the text of its file.

    Raises UsageError if the data folder has no such import, DataError if the file cannot be read.
    """
    path, text = _file(data, name)
    return {"name": name, "path": str(path), "text": text, "mapping": parse_mapping(text, str(path)).as_json()}


def change(data: Path, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set values of a mapping and return it; comments and order of the file stay.

    Parameters
    ----------
    changes
        ``{"set": [[["parts", "leftear"], "ear_left"], …]}``: the names that lead to a value, and the value. None
        deletes it, so that it is guessed anew.

    Raises
    ------
    UsageError
        A change names nothing, or the mapping that it makes is refused: the file stays as it was.
    """
    path, text = _file(data, name)
    document = tomlkit.parse(text)
    items = changes.get("set")
    if not isinstance(items, list) or not items:
        raise UsageError("There is no change to save.")
    for item in items:
        words, value = item if isinstance(item, list) and len(item) == 2 else (None, None)
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise UsageError(f"A change must be a list of names and a value, but is {item!r}.")
        _set(document, words, value)
    try:
        changed = tomlkit.dumps(document)
        parse_mapping(changed, str(path))
    except (TOMLKitError, DataError) as err:
        raise UsageError(f"The mapping stays as it was: {err}") from err
    write_text(path, changed)
    return show(data, name)


def _set(document: Any, words: list[str], value: Any) -> None:
    table = document
    for word in words[:-1]:
        if not isinstance(table.get(word), dict):
            raise UsageError(f"The mapping has no table '{'.'.join(words[:-1])}'.")
        table = table[word]
    if value is None:
        table.pop(words[-1], None)
    else:
        table[words[-1]] = value


def _file(data: Path, name: str) -> tuple[Path, str]:
    if name not in mappings(data):  # also refuses a name with ../
        raise UsageError(f"The data folder {data} has no import '{name}': import a folder first.")
    path = data / "imports" / name / "mapping.toml"
    try:
        return path, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"{path} cannot be read: {err}.") from err
