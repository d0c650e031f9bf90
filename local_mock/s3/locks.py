"""Object lock: retention and legal hold of a version, kept with its headers, checked before a version is deleted.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from local_mock.s3.errors import S3Error
from local_mock.s3.index import Index

__all__ = ["HOLD", "MODE", "UNTIL", "check_unlocked", "default_lock", "lock_headers", "parse_time"]

MODE, UNTIL = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"
HOLD = "x-amz-object-lock-legal-hold"


def parse_time(text: str) -> dt.datetime:
    """Return a time of the ISO 8601 form that S3 takes. Raises S3Error InvalidArgument."""
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError as err:
        raise S3Error(
            "InvalidArgument", f"The retain until date must be an ISO 8601 time, but got '{text}'."
        ) from err
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def lock_headers(mode: str, until: str, hold: str) -> dict[str, str]:
    """Return the headers to keep for a lock; an empty text is left out. Raises S3Error InvalidArgument."""
    if bool(mode) != bool(until):
        raise S3Error("InvalidArgument", f"{MODE} and {UNTIL} must both be given, or neither.")
    if mode and mode not in ("GOVERNANCE", "COMPLIANCE"):
        raise S3Error("InvalidArgument", f"The lock mode must be GOVERNANCE or COMPLIANCE, but got '{mode}'.")
    if hold and hold not in ("ON", "OFF"):
        raise S3Error("InvalidArgument", f"A legal hold must be ON or OFF, but got '{hold}'.")
    if until:
        parse_time(until)
    return {name: value for name, value in ((MODE, mode), (UNTIL, until), (HOLD, hold)) if value}


def check_unlocked(headers: Mapping[str, str], *, bypass: bool) -> None:
    """Raise AccessDenied if a version must not be deleted now. `bypass` lifts GOVERNANCE, nothing else."""
    held = headers.get(HOLD) == "ON"
    mode = headers.get(MODE)
    retained = mode is not None and parse_time(headers[UNTIL]) > dt.datetime.now(dt.UTC)
    if held or (retained and not (bypass and mode == "GOVERNANCE")):
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")


def default_lock(index: Index, bucket: str) -> dict[str, str]:
    """Return the headers of the lock that a bucket gives to new objects; {} without one."""
    mode = index.setting(bucket, "default_lock_mode")
    if not mode:
        return {}
    days = int(index.setting(bucket, "default_lock_days") or 0)
    days += 365 * int(index.setting(bucket, "default_lock_years") or 0)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    return {MODE: str(mode), UNTIL: until.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
