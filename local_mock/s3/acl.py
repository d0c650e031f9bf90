"""Access control lists of objects: canned, by grant headers or as XML; kept and given back, enforced nowhere.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from local_mock.s3.errors import S3Error

__all__ = ["ACL", "OWNER", "OWNER_MARKUP", "grants_of_headers", "grants_of_xml", "render"]

ACL = ":acl"  # where an object's sidecar keeps its grants
OWNER = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"  # as moto has it
OWNER_MARKUP = f"<Owner><ID>{OWNER}</ID><DisplayName>local_mock</DisplayName></Owner>"
_ALL = "http://acs.amazonaws.com/groups/global/AllUsers"
_AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
_GROUPS = (_ALL, _AUTHENTICATED, "http://acs.amazonaws.com/groups/s3/LogDelivery")
_OWNS = ["id", OWNER, "FULL_CONTROL"]
# A grant is [kind of grantee: id, uri or emailAddress; the grantee; the permission].
_CANNED: Mapping[str, list[list[str]]] = {
    "private": [_OWNS],
    "public-read": [_OWNS, ["uri", _ALL, "READ"]],
    "public-read-write": [_OWNS, ["uri", _ALL, "READ"], ["uri", _ALL, "WRITE"]],
    "authenticated-read": [_OWNS, ["uri", _AUTHENTICATED, "READ"]],
    "bucket-owner-read": [_OWNS],  # the bucket's owner is the object's
    "bucket-owner-full-control": [_OWNS],
    "aws-exec-read": [_OWNS],
}
_HEADERS = {
    "x-amz-grant-full-control": "FULL_CONTROL", "x-amz-grant-read": "READ", "x-amz-grant-write": "WRITE",
    "x-amz-grant-read-acp": "READ_ACP", "x-amz-grant-write-acp": "WRITE_ACP",
}  # fmt: skip
_TYPES = {"id": "CanonicalUser", "uri": "Group", "emailAddress": "AmazonCustomerByEmail"}
_TAGS = {"id": "ID", "uri": "URI", "emailAddress": "EmailAddress"}


def grants_of_headers(header: Any) -> str | None:
    """Return the grants that `x-amz-acl` or `x-amz-grant-…` ask for, as JSON text; None without one.

    `header` is a function from a header's name to its value, '' if it was not sent.
    """
    canned = header("x-amz-acl")
    grants = [
        [*_grantee(item), permission]
        for name, permission in _HEADERS.items()
        for item in header(name).split(",")
        if item.strip()
    ]
    if canned and grants:
        raise S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if canned:
        if canned not in _CANNED:
            raise S3Error("InvalidArgument", f"The canned ACL '{canned}' is not one of {', '.join(_CANNED)}.")
        grants = _CANNED[canned]
    return json.dumps(grants) if grants else None


def _grantee(item: str) -> list[str]:
    kind, _, value = item.strip().partition("=")
    value = value.strip().strip("\"'")
    if kind not in _TYPES or not value:
        raise S3Error("InvalidArgument", f"A grantee is id=…, uri=… or emailAddress=…, but got '{item.strip()}'.")
    return _checked(kind, value)


def _checked(kind: str, value: str) -> list[str]:
    if kind == "uri" and value not in _GROUPS:
        raise S3Error("InvalidArgument", f"Invalid group uri: {value}")
    return [kind, value]


def grants_of_xml(body: ET.Element) -> str:
    """Return the grants of an AccessControlPolicy, as JSON text. Raises S3Error MalformedACLError."""
    problem = S3Error(
        "MalformedACLError",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
    if body.tag != "AccessControlPolicy" or body.find("Owner") is None:
        raise problem
    grants: list[list[str]] = []
    for grant in body.iter("Grant"):
        grantee, permission = grant.find("Grantee"), grant.findtext("Permission", "")
        if grantee is None or permission not in _HEADERS.values():
            raise problem
        kind = next((kind for kind, tag in _TAGS.items() if grantee.findtext(tag)), None)
        if kind is None:
            raise problem
        grants.append([*_checked(kind, grantee.findtext(_TAGS[kind], "")), permission])
    return json.dumps(grants)


def render(grants: str | None) -> str:
    """Return the markup of an AccessControlPolicy's content; without grants the owner has full control."""
    inner = ""
    for kind, value, permission in json.loads(grants) if grants else [_OWNS]:
        name = "<DisplayName>local_mock</DisplayName>" if value == OWNER else ""
        inner += (
            '<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            f'xsi:type="{_TYPES[kind]}"><{_TAGS[kind]}>{escape(value)}</{_TAGS[kind]}>{name}</Grantee>'
            f"<Permission>{permission}</Permission></Grant>"
        )
    return f"{OWNER_MARKUP}<AccessControlList>{inner}</AccessControlList>"
