"""Resource Groups Tagging API: tags of every service's resources in one place.

Tags are where each service keeps them; moto finds them. Here: keys and values are listed once, as AWS does.
Not here: services whose back end moto does not ask (IAM, DynamoDB, EC2 and others), which answer nothing.
"""

from __future__ import annotations

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES = frozenset({"GetResources", "GetTagKeys", "GetTagValues", "TagResources", "UntagResources"})


def install(_context: Context) -> None:
    """Patch moto's lists of keys and values. Idempotent; before the first request."""
    from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend as Backend

    from local_mock.tagging.lists import tag_keys, tag_values

    Backend._get_tag_keys_generator = tag_keys
    Backend._get_tag_values_generator = tag_values
