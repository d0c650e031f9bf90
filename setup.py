"""Copy the folders that commands need (SQL, templates, scripts) into the wheel; the rest is in pyproject.toml."""

import ast
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SUFFIXES = {".json", ".lock", ".py", ".sql", ".toml", ".yaml"}


def shipped() -> dict[str, tuple[str, ...]]:
    """Return `FOLDERS` and `FILES` of etholake/resources.py, without importing the package."""
    tree = ast.parse((ROOT / "etholake" / "resources.py").read_text(encoding="utf-8"))
    assigned = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    return {name: ast.literal_eval(assigned[name]) for name in ("FOLDERS", "FILES")}


class BuildWithResources(build_py):
    """Copy `etholake/_resources`; an editable installation reads the checkout instead."""

    def run(self) -> None:
        """Build the modules, then copy the folders beside them."""
        if not self.editable_mode:  # tools of the checkout, which would take the top-level name `dashboards`
            self.packages = [name for name in self.packages if name.partition(".")[0] != "dashboards"]
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "etholake" / "_resources"
        names = shipped()
        folders = [path for name in names["FOLDERS"] for path in (ROOT / name).rglob("*")]
        for path in [*folders, *(ROOT / name for name in names["FILES"])]:
            if path.is_file() and (path.suffix in SUFFIXES or path.name == "Dockerfile"):
                copy = target / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


setup(cmdclass={"build_py": BuildWithResources})
