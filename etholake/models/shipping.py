"""Ship foreign families and encoders: to the training job, and with a model, which its own code serves.

A family or an encoder of another distribution is found through its entry point. Beside Etholake its package is
copied, with a minimal `.dist-info` that declares the entry point.
"""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from etholake.errors import ContractError
from etholake.features.registry import ENCODERS
from etholake.models.archive import META
from etholake.models.registry import FAMILIES

__all__ = ["ENTRY_POINTS", "foreign_entry_points", "plugin_files", "ship_plugins", "used_entry_points"]

ENTRY_POINTS = "entry_points.txt"


def used_entry_points(folder: Path) -> list[EntryPoint]:
    """Return the entry points of the families and encoders that the model in a folder (at any depth) uses."""
    points: dict[tuple[str, str], EntryPoint] = {}
    for path in [folder / META, *folder.glob(f"**/members/*/{META}"), *folder.glob(f"**/bases/*/{META}")]:
        meta = json.loads(path.read_text(encoding="utf-8"))
        names = [(FAMILIES, meta["family"]), (ENCODERS, (meta.get("features") or {}).get("name"))]
        for registry, name in names:
            if name and (point := registry.entry_point(name)):  # type: ignore[attr-defined]
                points[point.group, point.name] = point
    return list(points.values())


def ship_plugins(folder: Path, code: Path) -> list[str]:
    """Copy the packages that the model in `folder` needs besides Etholake to `code`; return their names.

    Raises ContractError for a package that is no folder of Python files.
    """
    points = used_entry_points(folder)
    for point in points:
        for path, content in plugin_files(point).items():
            (code / path).parent.mkdir(parents=True, exist_ok=True)
            (code / path).write_bytes(content)
    return list(dict.fromkeys(_package(point) for point in points))


def foreign_entry_points() -> list[EntryPoint]:
    """Return the entry points of all families and encoders that other installed distributions declare."""
    pairs = [(FAMILIES, name) for name in FAMILIES.names()] + [(ENCODERS, name) for name in ENCODERS.names()]
    points = [registry.entry_point(name) for registry, name in pairs]
    return [point for point in points if point is not None]


def plugin_files(point: EntryPoint) -> dict[str, bytes]:
    """Return {path: content} of an entry point's package, and of a `.dist-info` that declares the entry point.

    Raises ContractError for a package that is no folder of Python files.
    """
    package = _package(point)
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if len(places) != 1:
        raise ContractError(
            f"The {point.group} object '{point.name}' is in the module '{package}', which is no package in "
            "one folder, so it cannot be shipped with the code. Make it a package, or uninstall it."
        )
    files = {
        f"{package}/{path.relative_to(places[0]).as_posix()}": path.read_bytes()
        for path in sorted(Path(places[0]).rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }
    name = f"{package}_{point.group.replace('.', '_')}_{point.name}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n"
    declared = f"[{point.group}]\n{point.name} = {point.value}\n"
    info = f"{name}-0.dist-info"
    return {**files, f"{info}/METADATA": metadata.encode(), f"{info}/{ENTRY_POINTS}": declared.encode()}


def _package(point: EntryPoint) -> str:
    return point.module.partition(".")[0]
