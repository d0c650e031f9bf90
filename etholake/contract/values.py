"""Read numbers, ids and names from text, strictly and in one way everywhere.

Python's own `int` and `float` accept more than a data file may hold: ``2024_01_05`` would be the number
20240105, and ``1e3`` the id 1000. A value that these functions do not accept is None, and the caller says what
it refuses.
"""

from __future__ import annotations

import math
import re
import unicodedata

__all__ = ["action_name", "number", "number_of", "plain_name", "whole_number", "whole_number_of"]

MAX_WHOLE = 2**63 - 1  # the contract's bigint
_LARGEST = 1e300  # a larger number is no measure
_WHOLE = re.compile(r"[+-]?[0-9]+(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_QUOTES = "'\"`“”‘’"


def whole_number(text: str) -> int | None:
    """Return the whole number that a text holds, exactly, or None.

    Digits with an optional sign are accepted, and a fraction of zeros (``7.0``, as pandas writes a column of ids
    in which one is missing). Underscores, exponents and numbers beyond 64 bits are not.
    """
    text = text.strip()
    if len(text) > 40 or not _WHOLE.fullmatch(text):
        return None
    value = int(text.partition(".")[0])
    return value if abs(value) <= MAX_WHOLE else None


def number(text: str) -> float | None:
    """Return the finite number that a text holds, or None; underscores, ``inf`` and ``nan`` are not accepted."""
    text = text.strip()
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def whole_number_of(value: object) -> int | None:
    """Return the whole number of a cell of csv, JSON or Parquet, exactly, or None: 1.5 is not 1, True is none."""
    if isinstance(value, str):
        return whole_number(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and abs(value) <= MAX_WHOLE else None  # type: ignore[return-value, arg-type]


def number_of(value: object) -> float | None:
    """Return the finite number of a cell of csv, JSON or Parquet, or None; True is none."""
    if isinstance(value, str):
        return number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > _LARGEST:
        return None
    return float(value) if math.isfinite(value) else None


def plain_name(text: str) -> str:
    """Return the name of a lab, a body part or a video without blanks around, its accents in one form (NFC).

    macOS takes letters and accents of file names apart: what looks the same is the same.
    """
    return unicodedata.normalize("NFC", text.strip())


def action_name(text: str) -> str:
    """Return the one name of an action, however a tool has written it; "" if nothing is left.

    Stray quotes are removed, blanks are collapsed to one, and letters become lower-case: ``"Social
    Interaction"`` in `behaviors_labeled` and ``social interaction`` in an annotation are one action.
    """
    words = unicodedata.normalize("NFC", text).strip(_QUOTES + " \t\r\n").split()
    return " ".join(words).lower()
