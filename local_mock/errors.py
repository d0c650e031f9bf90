"""The errors that `local_mock` raises on purpose: one base class, few kinds, each message a whole sentence.

Errors in the shape of an AWS response are a matter of each service (`<service>/errors.py`, `faults`).
"""

__all__ = ["DataError", "LocalMockError", "ServerError", "UsageError"]


class LocalMockError(Exception):
    """Base of all errors that a user can do something about. The command line prints it without a traceback."""


class UsageError(LocalMockError):
    """The command line, an option or a call was wrong, or a port or a folder is in use (exit code 2)."""


class DataError(LocalMockError):
    """An object, a key or an archive cannot be used; the message names it."""


class ServerError(LocalMockError):
    """The server did not start, does not answer or cannot be stopped (exit code 1)."""
