"""What LocalStack 4.12 does wrong, and the way around it. No other module knows of these.

- ListObjectsV2: the page behind a continuation token is empty if keys contain '=' (every Hive path). So a page is
  asked for by `StartAfter`, the last key of the one before; callers (paginators, too) see tokens as usual.
"""

from __future__ import annotations

from typing import Any

__all__ = ["work_around"]


def work_around(client: Any) -> Any:
    """The same boto3 S3 client, with the faults worked around."""
    client.meta.events.register_first("provide-client-params.s3.ListObjectsV2", _by_start_after)
    client.meta.events.register("after-call.s3.ListObjectsV2", _token_is_the_last_key)
    return client


def _by_start_after(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    token = params.get("ContinuationToken")
    if token is None:
        return params
    return {k: v for k, v in params.items() if k != "ContinuationToken"} | {"StartAfter": token}


def _token_is_the_last_key(parsed: dict[str, Any], **_: Any) -> None:
    """Common prefixes are keys, too: nothing below the last one may come again."""
    if parsed.get("IsTruncated"):
        last = [item["Key"] for item in parsed.get("Contents", [])[-1:]]
        last += [item["Prefix"] + chr(0x10FFFF) for item in parsed.get("CommonPrefixes", [])[-1:]]
        if last:
            parsed["NextContinuationToken"] = max(last)
