"""Ship foreign families and encoders with a model, so that it is served by the code that trained it.

A family or an encoder of another distribution is found through its entry point. Beside the model's copy of
Etholake its package is copied, with a minimal `.dist-info` that declares the entry points.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from etholake.errors import ContractError
from etholake.features.registry import ENCODERS
from etholake.models.archive import META
from etholake.models.registry import FAMILIES

__all__ = ["ship_plugins", "used_entry_points"]

IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")


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
    packages = []
    for point in used_entry_points(folder):
        package = point.module.partition(".")[0]
        spec = find_spec(package)
        places = list(spec.submodule_search_locations or ()) if spec else []
        if len(places) != 1:
            raise ContractError(
                f"The {point.group} object '{point.name}' is in the module '{package}', which is no package in "
                "one folder, so it cannot be shipped with the model. Make it a package."
            )
        if package not in packages:
            shutil.copytree(places[0], code / package, ignore=IGNORED, dirs_exist_ok=True)
            packages.append(package)
        _declare(point, code / f"{package}_{point.group.replace('.', '_')}_{point.name}-0.dist-info")
    return packages


def _declare(point: EntryPoint, info: Path) -> None:
    """Write the `.dist-info` of one entry point."""
    info.mkdir(parents=True, exist_ok=True)
    name = info.name.removesuffix("-0.dist-info")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{point.group}]\n{point.name} = {point.value}\n", encoding="utf-8")
