"""Write who does an action to whom into its name, for tools without a place for agent and target; read it back.

`attack__mouse1__mouse2` is mouse1's attack on mouse2, `attack__mouse1` its attack on nobody that is named, and
`rear__mouse1__mouse1` what it does to itself. A name without the double underscore is an action alone.
"""

from __future__ import annotations

from etholake.errors import UsageError
from etholake.formats.base import Bout

__all__ = ["column_name", "split_name"]

MARK = "__"
_PARTS = 3


def column_name(bout: Bout) -> str:
    """Return the name of a bout's action that also says agent and target.

    Raises UsageError if the action or an animal has the mark in its own name: the name could not be read back.
    """
    names = [bout.action]
    if bout.agent or bout.target is not None:
        names.append(bout.agent)
    if bout.target is not None:
        names.append(bout.target)
    if any(MARK in name or name.startswith("_") or name.endswith("_") for name in names) or not all(names):
        raise UsageError(
            f"This tool keeps agent and target in the action's name, as attack{MARK}mouse1{MARK}mouse2, "
            "which cannot "
            f"be told from '{MARK.join(names)}': rename it, or export to boris, csv, nwb or mabe."
        )
    return MARK.join(names)


def split_name(name: str) -> tuple[str, str, str | None]:
    """Return (action, agent, target) of a name; agent "" and target None where it does not say them."""
    parts = name.split(MARK)
    if not 1 < len(parts) <= _PARTS or not all(parts):
        return name, "", None
    return parts[0], parts[1], parts[2] if len(parts) == _PARTS else None
