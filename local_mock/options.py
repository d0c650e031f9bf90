"""The options of a server: one frozen dataclass, from `LOCAL_MOCK_*` variables where a caller gives no value.

Nothing here starts anything: see `local_mock.lifecycle` (in the background) and `local_mock.server`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_mock import watch
from local_mock.errors import UsageError

__all__ = ["SWITCHES", "VARIABLES", "Options", "from_environment", "switch", "switches"]

DUMMY_KEY = "local_mock"  # access key and secret of the server's own calls and of jobs without a role
PREFIX = "LOCAL_MOCK_"
MOUNT = PREFIX + "S3_MOUNT"  # given to jobs, not an option
ATHENA_MEMORY, ATHENA_TIMEOUT = PREFIX + "ATHENA_MEMORY", PREFIX + "ATHENA_TIMEOUT"  # see `local_mock.athena.pool`
# No options: a server takes them from its environment, so they are handed on to it.
HANDED_ON = frozenset({ATHENA_MEMORY, ATHENA_TIMEOUT})


@dataclass(frozen=True)
class Options:
    """The options of one server.

    Attributes
    ----------
    port : loopback port; 0 takes a free one.
    s3_root : folder whose subfolders are the buckets.
    state_dir : folder for logs, caches, locks and the working folders of jobs.
    region : AWS region of the server's own calls and of its jobs.
    s3_endpoint : URL of an S3 elsewhere (LocalStack) that is used instead of `s3_root`; None for none.
    record_calls : file that gets one JSON line a request; None for none.
    mount_variable : environment variable that tells a job the folder of the buckets.
    hidden_variables : environment variables of the starting process that neither the server nor its jobs get:
        names, or beginnings of names that end in `_`.
    class_archive : whether Spark's JVMs start from an archive of classes (`local_mock.glue.class_archive`).
    spare_driver : whether a started Spark driver waits for the next Glue job (`local_mock.glue.spares`).
    ends_with : process ids; the server ends as soon as one of them has ended (`local_mock.watch`).
    """

    port: int = 4566
    s3_root: Path = Path("s3_mock")
    state_dir: Path = Path(".local_mock")
    region: str = "us-east-1"
    s3_endpoint: str | None = None
    record_calls: Path | None = None
    mount_variable: str = MOUNT
    hidden_variables: tuple[str, ...] = ()
    class_archive: bool = True
    spare_driver: bool = True
    ends_with: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"The port must be 0..65535, but got {self.port}.")


def switch(text: str) -> bool:
    """Return whether ``on`` or ``off`` was written. Raises ValueError for another word."""
    if text not in ("on", "off"):
        raise ValueError(text)
    return text == "on"


SWITCHES = ("class_archive", "spare_driver")
_CASTS: Mapping[str, Any] = {
    "port": int, "s3_root": Path, "state_dir": Path, "region": str, "s3_endpoint": str,
    **dict.fromkeys(SWITCHES, switch),
}  # fmt: skip
VARIABLES = {PREFIX + name.upper(): name for name in _CASTS}


def from_environment(environ: Mapping[str, str] | None = None, **given: Any) -> Options:
    """Return the options: `given` values that are not None win over `LOCAL_MOCK_<NAME>`, these over defaults.

    Raises
    ------
    UsageError : a variable is unknown or has an impossible value.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in {MOUNT, watch.VARIABLE, *HANDED_ON} or not text:
            continue
        name = VARIABLES.get(variable)
        if name is None:
            nearest = difflib.get_close_matches(variable, VARIABLES, n=1)
            hint = f"Did you mean {nearest[0]}?" if nearest else f"Expected one of {', '.join(VARIABLES)}."
            raise UsageError(f"The environment variable {variable} is unknown. {hint}")
        try:
            values[name] = _CASTS[name](text)
        except ValueError as err:
            expected = "on or off" if name in SWITCHES else "a whole number"
            raise UsageError(f"{variable} must be {expected}, but got '{text}'.") from err
    values |= {name: value for name, value in given.items() if value is not None}
    return Options(**{"ends_with": watch.parse(environ)} | values)


def switches(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that are on or off, as far as their variables are set.

    Raises
    ------
    UsageError : one has another value.
    """
    given = {name: environ.get(PREFIX + name.upper()) for name in SWITCHES}
    own = from_environment({PREFIX + name.upper(): text for name, text in given.items() if text})
    return {name: getattr(own, name) for name, text in given.items() if text}
