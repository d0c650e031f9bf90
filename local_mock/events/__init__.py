"""EventBridge that starts state machines: what S3 tells it of new objects goes to the rules that match.

A bucket tells EventBridge if its notification configuration says so, as on AWS. Disabled rules do nothing.
Not here: rules with a schedule, which keep state only (nobody waits until three in the morning on a laptop).
"""

from __future__ import annotations

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES = frozenset({"PutEvents"})


def install(context: Context) -> None:
    """Patch moto's rules and S3's notifications. Idempotent; before the first request."""
    from moto.events.models import Rule
    from moto.s3.responses import S3Response

    from local_mock.events import delivery
    from local_mock.s3 import responses

    Rule.send_to_targets = delivery.send_to_targets
    if context.s3_endpoint is None:
        S3Response.get_bucket_notification = delivery.get_bucket_notification
        if delivery.object_created not in responses.CREATED:
            responses.CREATED.append(delivery.object_created)
