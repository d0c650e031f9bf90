"""A disk without space: which errors mean it, and the sentence that a client reads.

S3 has its own answer (`local_mock.s3.store.full_disk`); here is that of all other services.
"""

from __future__ import annotations

import errno
import sqlite3

__all__ = ["CODE", "STATUS", "StateNotWrittenError", "is_full"]

STATUS, CODE = 507, "InsufficientStorage"  # not among the status codes that an SDK retries
_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SQLITE_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class StateNotWrittenError(OSError):
    """A change was made in the server's memory but could not be written to disk."""


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or one that it was raised from, says that there was no space for a file."""
    while error is not None:
        if isinstance(error, StateNotWrittenError):
            return True
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            return True
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code
            if code in _SQLITE_CODES:
                return True
        error = error.__cause__ or error.__context__
    return False
