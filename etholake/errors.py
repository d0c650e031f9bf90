"""The errors that Etholake raises on purpose: one base class, few kinds, each message a whole sentence.

A message says what happened, where (file, video, row, query id), what was expected, what was found, and
what to do. Checks collect every problem and raise once (`raise_collected`).
"""

import difflib
import errno
import re
from collections.abc import Iterable, Sequence

__all__ = [
    "AwsError",
    "ContractError",
    "DataError",
    "EtholakeError",
    "SettingsError",
    "UsageError",
    "no_space",
    "raise_collected",
    "suggestion",
]


class EtholakeError(Exception):
    """Base of all errors that a user can do something about. The CLI prints it without a traceback."""


class UsageError(EtholakeError):
    """The command line or a call was wrong: nothing was done (exit code 2)."""


class SettingsError(UsageError):
    """A setting is unknown or has an impossible value."""


class DataError(EtholakeError):
    """Input data that cannot be used: the message names file, row, rule and remedy."""


class ContractError(EtholakeError):
    """Two parts disagree about names, types, features or vocabulary (a model and its data, say)."""


class AwsError(EtholakeError):
    """A service answered with a failure: a job failed, a query failed, a stack was rolled back."""


# A write that fails for lack of space: disk, quota, largest file that this process may write (`ulimit -f`).
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# safetensors names the number in its text; numpy counts elements and keeps no number.
_OS_ERROR, _SHORT_WRITE = re.compile(r"\(os error (\d+)\)"), re.compile(r"\d+ requested and \d+ written")


def no_space(err: BaseException) -> str | None:
    """Return a sentence with the remedy if `err`, or what caused it, is a write without space; else None."""
    cause: BaseException | None = err
    while cause is not None:
        number = _OS_ERROR.search(str(cause))
        full = isinstance(cause, OSError) and cause.errno in _NO_SPACE
        if full or (number and int(number[1]) in _NO_SPACE) or _SHORT_WRITE.search(str(cause)):
            return (
                f"A file could not be written for lack of space ({cause}). Free some space, or raise the largest "
                "size of a file (ulimit -f), and run again: what was complete is used."
            )
        cause = cause.__cause__ or cause.__context__
    return None


def raise_collected(kind: type[EtholakeError], what: str, problems: Sequence[str]) -> None:
    """Raise one `kind` that lists all `problems` under the sentence `what`; do nothing if there are none."""
    if problems:
        listing = "\n".join(f"  - {problem}" for problem in problems)
        raise kind(f"{what} ({len(problems)}):\n{listing}")


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Return a sentence for a name that does not exist: the nearest known one, else all that are known."""
    names = sorted(choices)
    nearest = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{nearest[0]}'?" if nearest else f"Known: {', '.join(names) or 'none'}."
