"""Hold the raw zone of a bucket while it is changed: of two runs at once, one works and the other is told.

The lock is one object of the state zone, written with a condition. Its holder renews it; one that has not been
renewed for `STALE_S`, or whose process on this machine has ended, is taken over, so that a killed run hinders
nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from typing import Any

from etholake.contract import STATE_ZONE
from etholake.errors import AwsError
from etholake.objects import response_time

__all__ = ["KEY", "held"]

KEY = f"{STATE_ZONE}/ingest-lock.json"
STALE_S, RENEW_S = 120.0, 20.0
_tokens: set[str] = set()  # of the locks that this process holds


@contextlib.contextmanager
def held(s3: Any, bucket: str) -> Iterator[None]:
    """Hold the lock within the block.

    Raises
    ------
    AwsError
        Another run holds it; the message names its process and machine.
    """
    token = secrets.token_hex(8)
    etag = _acquire(s3, bucket, token)
    _tokens.add(token)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(s3, bucket, token, etag, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        _tokens.discard(token)
        _release(s3, bucket, token)


def _content(token: str) -> bytes:
    return json.dumps({"token": token, "host": socket.gethostname(), "pid": os.getpid()}).encode()


def _acquire(s3: Any, bucket: str, token: str) -> str:
    """Write the lock if there is none, or the present one is stale; return its ETag."""
    from botocore.exceptions import ClientError

    for _ in range(3):  # another run may end, or take over, between the two calls
        answer = _read(s3, bucket)
        if answer is None:
            condition = {"IfNoneMatch": "*"}
        elif _is_stale(answer):
            condition = {"IfMatch": answer["ETag"]}
        else:
            holder = answer["content"]
            raise AwsError(
                f"Another ingest (process {holder.get('pid')} on {holder.get('host')}) is changing the raw zone "
                f"of bucket '{bucket}'. This one has changed nothing: run it again when the other has ended."
            )
        try:
            return str(s3.put_object(Bucket=bucket, Key=KEY, Body=_content(token), **condition)["ETag"])
        except ClientError as err:
            if err.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 409, 412):
                raise
    raise AwsError(
        f"Another ingest has just begun to change the raw zone of bucket '{bucket}': run this one again."
    )


def _read(s3: Any, bucket: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = s3.get_object(Bucket=bucket, Key=KEY)
    except s3.exceptions.NoSuchKey:
        return None
    try:
        content = json.loads(answer["Body"].read())
    except ValueError:
        content = {}
    return answer | {"content": content if isinstance(content, dict) else {}}


def _is_stale(answer: dict[str, Any]) -> bool:
    """Return whether nobody holds the lock: it is free, its holder has ended, or has not renewed it for long."""
    if (response_time(answer) - answer["LastModified"]).total_seconds() > STALE_S:
        return True
    holder = answer["content"]
    if "token" not in holder:
        return True  # free
    if holder.get("host") != socket.gethostname():
        return False
    if holder.get("pid") == os.getpid():
        return holder["token"] not in _tokens  # a lock of this process that could not be released
    return not _is_alive(holder.get("pid"))


def _is_alive(pid: Any) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _renew(s3: Any, bucket: str, token: str, etag: str, ended: threading.Event) -> None:
    """Write the lock again from time to time; after a failure it is tried again, long before it is stale."""
    while not ended.wait(RENEW_S):
        with contextlib.suppress(Exception):
            etag = s3.put_object(Bucket=bucket, Key=KEY, Body=_content(token), IfMatch=etag)["ETag"]


def _release(s3: Any, bucket: str, token: str) -> None:
    """Mark the lock as free if it is still ours; one that cannot be marked now is stale soon."""
    with contextlib.suppress(Exception):
        answer = _read(s3, bucket)
        if answer is not None and answer["content"].get("token") == token:
            s3.put_object(Bucket=bucket, Key=KEY, Body=b"{}", IfMatch=answer["ETag"])
