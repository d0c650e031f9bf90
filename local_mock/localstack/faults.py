"""What LocalStack 4.12 does wrong, and the way around it. No other module knows of these.

- ListObjectsV2 and ListObjects: with `EncodingType=url`, which botocore always asks for, LocalStack compares the
  marker of a page with *encoded* keys. Whatever holds a '=' (every Hive path) is missing from the second page on,
  by token and by `StartAfter` alike. So keys are asked for as they are: right for all but control characters.
"""

from __future__ import annotations

from typing import Any

__all__ = ["work_around"]


def work_around(client: Any) -> Any:
    """The same boto3 S3 client, with the faults worked around."""
    from botocore.handlers import set_list_objects_encoding_type_url

    for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        event = f"before-parameter-build.s3.{operation}"
        client.meta.events.unregister(event, set_list_objects_encoding_type_url)
    return client
