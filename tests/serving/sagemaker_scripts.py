"""The entry points of `sagemaker/`, which are no package, as modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / "sagemaker"


def load(script: str, name: str) -> ModuleType:
    """``sagemaker/<script>.py`` as module `name`: one of its own for every test module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
