"""One resource type of CloudFormation: how it is created, updated and deleted through its service's own API.

A `Kind` turns the properties of a template into requests of boto3 against this very server, so that a stack
goes the way of any client. Nothing here knows moto's CloudFormation (see `models`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from local_mock.cloudformation.shapes import cast, input_shape
from local_mock.context import ACCOUNT, get_context
from local_mock.options import DUMMY_KEY

__all__ = ["Kind", "Properties", "Requests", "tags", "without"]

Properties = Mapping[str, Any]
Requests = list[tuple[str, dict[str, Any]]]  # (operation, arguments), in order


@dataclass(frozen=True)
class Kind:
    """One resource type.

    `create`, `update`, `delete` take (name, properties) and return requests. `named` is the property that holds
    the name ("" where `name` digs it out). Where the service chooses the physical id, `identity` finds it in the
    answer to the first request, and `after` takes it. `dropped` takes (name, old, new properties) and undoes what
    an update leaves out. `attributes` are what `Fn::GetAtt` may ask for: {name} is the physical id, {last} what
    follows its last ':'.
    """

    type: str
    service: str
    named: str
    create: Callable[[str, Properties], Requests]
    update: Callable[[str, Properties], Requests]
    delete: Callable[[str, Properties], Requests]
    name: Callable[[str, Properties], str] = lambda generated, _: generated
    attributes: Mapping[str, str] = field(default_factory=dict)
    identity: Callable[[Mapping[str, Any]], str] | None = None
    after: Callable[[str, Properties], Requests] = lambda _, __: []
    dropped: Callable[[str, Properties, Properties], Requests] = lambda _, __, ___: []

    def physical_name(self, generated: str, properties: Properties) -> str:
        """Return the name that the template gives, else the generated one."""
        return self.name(str(properties.get(self.named) or generated), properties)

    def make(self, name: str, properties: Properties, region: str) -> str:
        """Create it; returns the physical id."""
        answers = self.send(self.create(name, properties), region)
        identity = self.identity(answers[0]) if self.identity else name
        self.send(self.after(identity, properties), region)
        return identity

    def change(self, name: str, old: Properties, new: Properties, region: str) -> None:
        """Update it in place."""
        self.send(self.dropped(name, old, new), region)
        self.send(self.update(name, new), region)

    def send(self, requests: Requests, region: str) -> list[dict[str, Any]]:
        """Make the requests, values cast to what the API wants. Errors of the service are passed on."""
        client = _client(self.service, region)
        return [
            getattr(client, operation)(**cast(input_shape(client, operation), arguments, self.type))
            for operation, arguments in requests
        ]

    def attribute(self, attribute: str, name: str, region: str) -> str:
        """Return the value of ``Fn::GetAtt``."""
        last = name.rpartition(":")[2]
        return self.attributes[attribute].format(name=name, last=last, region=region, account=ACCOUNT)

    def remove(self, name: str, properties: Properties, region: str) -> None:
        """Delete it; no error for what of it has gone already (a deletion that failed is tried again)."""
        from botocore.exceptions import ClientError

        for request in self.delete(name, properties):
            try:
                self.send([request], region)
            except ClientError as err:
                if err.response["Error"]["Code"] not in _GONE:
                    raise


_GONE = frozenset({
    "EntityNotFoundException", "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchEntity", "NotFoundException",
    "ResourceNotFoundException", "ResourceNotFound", "StateMachineDoesNotExist", "NotFound",
})  # fmt: skip


@lru_cache(maxsize=32)
def _client(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    context = get_context()
    return boto3.client(
        service,
        endpoint_url=context.s3_endpoint if service == "s3" and context.s3_endpoint else context.url,
        region_name=region,
        aws_access_key_id=DUMMY_KEY,
        aws_secret_access_key=DUMMY_KEY,
        # Under load an answer takes long, and to ask again would make the same thing twice.
        config=Config(retries={"max_attempts": 1}, read_timeout=600),
    )


def without(properties: Properties, *names: str) -> dict[str, Any]:
    """Return the properties but some. Pure."""
    return {key: value for key, value in properties.items() if key not in names}


def tags(properties: Properties, key: str = "Key", value: str = "Value") -> dict[str, Any]:
    """Return the property Tags as the API of a service writes it; {} if there are none. Pure."""
    given = properties.get("Tags") or []
    return {"Tags": [{key: tag["Key"], value: tag["Value"]} for tag in given]} if given else {}
