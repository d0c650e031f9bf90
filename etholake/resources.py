"""Locate the files that are shipped beside the code: SQL, templates, job scripts.

In a checkout they are top-level folders (``athena_queries/``, ``infra/``, …). The build of a wheel copies the same
folders into ``etholake/_resources`` (see ``setup.py``), so that an installed package works in any folder. Inside a
job (`etholake.zip` on Glue, the source package on SageMaker) there are none, and asking for them is an error.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from etholake.errors import ContractError

__all__ = ["FILES", "FOLDERS", "folder", "package_folder", "root"]

FOLDERS = ("athena_queries", "glue_jobs", "infra", "sagemaker")
FILES = ("pyproject.toml", "requirements.lock")
_PACKAGE = Path(__file__).resolve().parent


def package_folder() -> Path:
    """Return the folder of the package ``etholake`` itself."""
    return _PACKAGE


@cache
def root() -> Path:
    """Return the folder that holds `FOLDERS` and `FILES`.

    Raises
    ------
    ContractError
        There is none: the package runs inside a job, or was installed by copying its modules.
    """
    candidates = (_PACKAGE / "_resources", _PACKAGE.parent)
    for candidate in candidates:
        if all((candidate / name).exists() for name in (*FOLDERS, *FILES)):
            return candidate
    raise ContractError(
        f"The files that Etholake ships beside its code ({', '.join(FOLDERS)}) are neither in {candidates[0]} (an "
        f"installed wheel) nor in {candidates[1]} (a checkout): install the wheel, or run this in a checkout."
    )


def folder(name: str) -> Path:
    """Return one of `FOLDERS`. Raises ContractError as `root`."""
    return root() / name
