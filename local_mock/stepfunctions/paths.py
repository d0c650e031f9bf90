"""JSONPath of states: a path that names one place gives its value, any other path gives a list.

moto 5.2.5 gives a list for a path that goes on after an index (``$.Rows[1].Data[0].VarCharValue``), too.
https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
"""

from __future__ import annotations

import re
import sys
from typing import Any

from jsonpath_ng.ext.parser import parse
from moto.stepfunctions.parser.asl.utils import json_path

__all__ = ["extract_json", "install"]

_PACKAGE = "moto.stepfunctions.parser"
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_MANY = re.compile(r"\.\.|\*|\[\s*\?|\[[^\]]*[:,]")  # descent, wildcard, filter, slice, union
_of_moto = json_path.extract_json


def extract_json(path: str, data: Any) -> Any:
    """Return the value, or the list of values, at a path.

    Raises
    ------
    NoSuchJsonPathError : there is none.
    """
    if _MANY.search(_QUOTED.sub("''", path)):
        return _of_moto(path, data)
    matches = parse(path).find(data)
    if not matches:
        raise json_path.NoSuchJsonPathError(json_path=path, data=data)
    return matches[0].value


def install() -> None:
    """Put `extract_json` in the place of moto's, which every module imported by name. Idempotent."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE) and hasattr(module, "extract_json"):
            module.extract_json = extract_json  # type: ignore[attr-defined]
