"""Arguments of a job.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-get-resolved-options.html
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from .bookmarks import OPTIONS

__all__ = ["GlueArgumentError", "getResolvedOptions"]

_RESERVED = ("JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION")
_RANGE = ("job-bookmark-from", "job-bookmark-to")
_TEMPORARY = ("TempDir", "RedshiftTempDir")


class GlueArgumentError(Exception):
    """An argument is missing or has no value."""


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Iterable[str]) -> dict[str, Any]:
    """Return the values of a job's arguments by name, beside those that Glue adds itself.

    Raises
    ------
    GlueArgumentError : one of `options` is not among `args`.
    RuntimeError : one of `options` is a name that Glue keeps for itself.
    """
    wanted = [name for name in options if name not in _TEMPORARY]
    for name in ("job-bookmark-option", "continuation-option", *_RANGE, *(f"--{n}" for n in _RESERVED)):
        if name in wanted:
            raise RuntimeError(f"Using reserved arguments --{name.removeprefix('--')}")
    parser = _ArgumentParser(allow_abbrev=False)
    parser.add_argument("--job-bookmark-option", choices=OPTIONS, default="job-bookmark-disable")
    for name in (*_RANGE, *_TEMPORARY, *_RESERVED, "encryption-type", "enable-data-lineage"):
        if name not in wanted:
            parser.add_argument(f"--{name}")
    for name in wanted:
        parser.add_argument(f"--{name}", required=True)
    values = vars(parser.parse_known_args(list(args)[1:])[0])
    values["TempDir"] = values["RedshiftTempDir"] = values["TempDir"] or values["RedshiftTempDir"]
    return values
