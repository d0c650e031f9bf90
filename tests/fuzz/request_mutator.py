"""Malformed requests for the mock's services: requests as botocore writes them, spoilt in values or text.

`request(seed)` is a pure function: the seed alone remakes a request, here and on any other machine.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import botocore.session
from botocore.serialize import create_serializer

__all__ = ["SERVICES", "Request", "request"]

# botocore's name -> the name that requests are signed for, where they differ.
SERVICES = {
    "s3": "s3", "glue": "glue", "athena": "athena", "sagemaker": "sagemaker", "stepfunctions": "states",
    "events": "events", "cloudformation": "cloudformation", "quicksight": "quicksight", "iam": "iam", "sts": "sts",
    "logs": "logs", "cloudwatch": "monitoring", "kms": "kms", "ssm": "ssm", "sqs": "sqs", "sns": "sns",
    "lambda": "lambda", "dynamodb": "dynamodb", "secretsmanager": "secretsmanager", "ec2": "ec2", "ecr": "ecr",
    "ecs": "ecs", "scheduler": "scheduler", "firehose": "firehose", "kinesis": "kinesis", "ses": "ses",
    "batch": "batch", "apigateway": "apigateway", "resourcegroupstaggingapi": "tagging", "acm": "acm",
    "sagemaker-runtime": "sagemaker", "budgets": "budgets", "lakeformation": "lakeformation", "s3control": "s3",
}  # fmt: skip
_ACCOUNT = "123456789012"
_ODD_TEXTS = (
    "", " ", "\x00", "a\nb", "ñ🐭", "'", '"', "%", "%zz", "../..", "{}", "[]", "{", "null", "-1", "0", "1e309",
    "NaN", "99999999999999999999", "x" * 3000, "arn:", "arn:aws:", f"arn:aws:iam::{_ACCOUNT}:role/", ":", "/",
    "//", ".", ",", "*", "a=b", "2026-13-45", "2026-01-01", "rate(0 minutes)", "cron()", "s3://", "s3:///",
    "true", "=", "&", "<a>", "\u202e", "eyJhIjogMX0=", "{{resolve:ssm:x}}", "${a}", "[" * 60, '{"a": 1}', '"x"',
    "1", "nan()", "SELECT", ";",
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**53,
    1.5,
    -0.0,
    [],
    {},
    [None],
    [[]],
    {"": None},
)


@dataclass(frozen=True)
class Request:
    """One HTTP request, and what was done to it (`steps`)."""

    seed: int
    service: str
    operation: str
    method: str
    path: str  # with the query string, percent-encoded
    headers: dict[str, str]
    body: bytes
    steps: tuple[str, ...]


def request(seed: int) -> Request:
    """Return the malformed request of a seed: one to three mutations."""
    rng = random.Random(f"request {seed}")
    service = rng.choice(list(SERVICES))
    model = _model(service)
    operation = rng.choice(list(model.operation_names))
    shape = model.operation_model(operation).input_shape
    values = _value(rng, shape, 0) if shape is not None else {}
    steps: list[str] = []
    while shape is not None and rng.random() < 0.6 and len(steps) < 2:
        steps.append(_spoil_values(rng, values, shape))
    made = _serialized(model, operation, values, rng)
    if made is None:  # a value that cannot be written in this protocol
        values = _value(rng, shape, 3)
        steps = ["as few members as may be"]
        made = _serialized(model, operation, values, rng) or _fallback(model, operation)
    headers = {name: str(value) for name, value in made["headers"].items()}
    for change in rng.sample(_CHANGES, k=rng.choice([0, 1, 1, 2]) if steps else rng.choice([1, 2])):
        steps.append(change(rng, made, headers))
    scope = f"a/20260101/us-east-1/{SERVICES[service]}/aws4_request"
    headers.setdefault(
        "Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    )
    path = quote(made["url_path"], safe="/%:@!$&'()*+,;=~-._")
    query = made["query_string"]
    text = quote(query if isinstance(query, str) else urlencode(query, doseq=True), safe="%=&+/:,;!*'()@$?-._~")
    path = path.replace("?", "%3F") + ("&" if "?" in path else "?") * bool(text) + text
    body = made["body"] if isinstance(made["body"], bytes) else urlencode(made["body"], doseq=True).encode()
    clean = {name: "".join(c for c in value if " " <= c < "\x7f")[:4000] for name, value in headers.items()}
    return Request(seed, service, operation, made["method"], path or "/", clean, body, tuple(steps))


@functools.cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _serialized(model: Any, operation: str, values: Any, rng: random.Random) -> dict[str, Any] | None:
    protocol = model.metadata["protocol"]
    serializer = create_serializer(protocol, include_validation=False)
    try:
        made: dict[str, Any] = serializer.serialize_to_request(values, model.operation_model(operation))
    except Exception:  # botocore's own crash on a value of the wrong type
        return None
    body = made["body"]
    if isinstance(body, str):
        made["body"] = body.encode("utf-8", "replace")
    elif hasattr(body, "read"):
        made["body"] = body.read()
    if isinstance(made["body"], dict):
        made["headers"].setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    if not isinstance(made["body"], dict | bytes):
        made["body"] = bytes(str(made["body"]), "utf-8", "replace")
    made["query_string"] = made["query_string"] or ""
    # A path that needs a value which is not there.
    made["url_path"] = made["url_path"].replace("{", rng.choice(["x", "{"])).replace("}", "")
    made["headers"] = {k: str(v) for k, v in dict(made["headers"]).items()}
    return made


def _fallback(model: Any, operation: str) -> dict[str, Any]:
    target = f"{model.metadata.get('targetPrefix', 'X')}.{operation}"
    return {
        "method": "POST",
        "url_path": "/",
        "query_string": "",
        "body": b"{}",
        "headers": {"X-Amz-Target": target},
    }


# --- good values ------------------------------------------------------------------------------------------
def _value(rng: random.Random, shape: Any, depth: int) -> Any:  # noqa: PLR0911 - one a type
    kind = shape.type_name
    if kind == "structure":
        chance = (0.5, 0.3, 0.15, 0.0)[min(depth, 3)]
        if getattr(shape, "is_tagged_union", False) and shape.members:
            name = rng.choice(list(shape.members))
            return {name: _value(rng, shape.members[name], depth + 1)} if depth < 8 else {}
        return {
            name: _value(rng, member, depth + 1)
            for name, member in shape.members.items()
            if (name in shape.required_members or rng.random() < chance) and depth < 8
        }
    if kind == "list":
        return [_value(rng, shape.member, depth + 1) for _ in range(rng.choice([1, 1, 2]) if depth < 6 else 0)]
    if kind == "map":
        return {_text(rng, shape.key): _value(rng, shape.value, depth + 1)} if depth < 6 else {}
    if kind in ("integer", "long"):
        least = int(shape.metadata.get("min", 1))
        return rng.randint(least, min(int(shape.metadata.get("max", least + 5)), least + 5))
    if kind in ("float", "double"):
        return rng.choice([0.5, 1.0])
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "timestamp":
        return rng.choice(["2026-01-01T00:00:00Z", 1_767_225_600])
    if kind == "blob":
        return rng.choice([b"{}", b"x", b""])
    return _text(rng, shape)


def _text(rng: random.Random, shape: Any) -> str:
    if shape.enum:
        return str(rng.choice(shape.enum))
    name = shape.name.lower()
    if "arn" in name:
        return rng.choice([f"arn:aws:iam::{_ACCOUNT}:role/a-role", f"arn:aws:sns:us-east-1:{_ACCOUNT}:a-topic"])
    if "uri" in name or "location" in name:
        return "s3://a-bucket/a/key"
    if "policy" in name or "document" in name or "definition" in name or "json" in name:
        return json.dumps({"Version": "2012-10-17", "Statement": []})
    least = int(shape.metadata.get("min", 1))
    return rng.choice(["a-name", "a", "fuzz", "us-east-1"]).ljust(least, "x")


# --- mutations --------------------------------------------------------------------------------------------
def _spoil_values(rng: random.Random, values: Any, shape: Any) -> str:
    """Put an odd value somewhere into a structure of values."""
    node, path = values, ""
    while isinstance(node, dict | list) and node:
        key: Any = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        path += f".{key}"
        inner = node[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            node = inner
            continue
        action = rng.choice(["text", "text", "value", "drop", "double", "rename"])
        if action == "drop" or (action == "rename" and not isinstance(node, dict)):
            del node[key]
        elif action == "rename":
            node[rng.choice(_ODD_TEXTS)[:50]] = node.pop(key)
        elif action == "double" and isinstance(node, list):
            node.extend([inner] * rng.choice([1, 200]))
        else:
            node[key] = rng.choice(_ODD_TEXTS) if action == "text" else rng.choice(_ODD_VALUES)
        return f"{action} at {path}"
    if isinstance(values, dict):
        member = rng.choice(list(shape.members) or ["x"])
        values[member] = rng.choice([*_ODD_TEXTS, *_ODD_VALUES])
        return f"added {member}"
    return "nothing"


def _spoil_body(rng: random.Random, made: dict[str, Any], _headers: dict[str, str]) -> str:
    body = made["body"]
    if isinstance(body, dict):  # a form
        names = list(body) or ["Action"]
        name = rng.choice(names)
        action = rng.choice(["drop", "odd", "odd", "name", "name", "twice"])
        if action == "drop":
            body.pop(name, None)
        elif action == "odd":
            body[name] = rng.choice(_ODD_TEXTS)
        elif action == "twice":
            body[name] = [str(body.get(name, "")), rng.choice(_ODD_TEXTS)]
        else:
            odd = rng.choice(
                [".member.x", ".member.0", ".1", ".", ".entry.1.key", ".member.1.member.1", ".1.Name", "[0]"]
            )
            body[name + odd] = rng.choice(_ODD_TEXTS)
        return f"form {action} {name}"
    text = bytearray(body)
    at = rng.randrange(len(text)) if text else 0
    action = rng.choice(["truncate", "flip", "insert", "swap", "replace"])
    if action == "truncate":
        del text[at:]
    elif action == "flip" and text:
        text[at] ^= 1 << rng.randrange(8)
    elif action == "insert":
        text[at:at] = rng.choice([rng.randbytes(3), b"null", b'"', b"{", b"<a>", b"</a>", b"&amp;", b",", b"]"])
    elif action == "swap":
        text[at : at + 9], text[:9] = text[:9], text[at : at + 9]
    else:
        text[:] = rng.choice([b"", b"{}", b"[]", b"null", b'""', b"1", b"<a/>", b"a=b", b"\xff\xfe", b"[" * 90])
    made["body"] = bytes(text)
    return f"body {action}"


def _spoil_path(rng: random.Random, made: dict[str, Any], _headers: dict[str, str]) -> str:
    parts = made["url_path"].split("/")
    at = rng.randrange(len(parts))
    parts[at] = quote(rng.choice([*_ODD_TEXTS[:40], "a" * 300, "%ff%fe"]), safe="")
    made["url_path"] = "/".join(["", *parts[1:]]) if at else "/".join(parts)
    if not made["url_path"].startswith("/"):
        made["url_path"] = "/" + made["url_path"]
    return "path"


def _spoil_query(rng: random.Random, made: dict[str, Any], _headers: dict[str, str]) -> str:
    query = made["query_string"]
    if isinstance(query, dict) and query and rng.random() < 0.7:
        name = rng.choice(list(query))
        query[name] = rng.choice(_ODD_TEXTS)
        return f"query {name}"
    text = query if isinstance(query, str) else urlencode(query, doseq=True)
    extra = rng.choice([
        "Action=", "Action=X", "marker=%00", "max-keys=x", "maxResults=x", "nextToken=%ff", "X-Amz-Credential=a/b",
        "X-Amz-Credential=a%2Fb%2Fc%2Fglue%2Faws4_request", "list-type=2", "limit=-1", "a&b", "=", "a=1&a=2", "%",
    ])  # fmt: skip
    made["query_string"] = f"{text}&{extra}" if text else extra
    return f"query {extra}"


def _spoil_header(rng: random.Random, made: dict[str, Any], headers: dict[str, str]) -> str:
    name = rng.choice([
        *headers, "Content-Type", "X-Amz-Target", "Content-MD5", "Range", "If-Match", "Accept", "x-amz-acl",
        "x-amz-copy-source", "x-amz-tagging", "Content-Encoding", "x-amz-date",
    ])  # fmt: skip
    values = [
        *_ODD_TEXTS,
        "application/json",
        "application/xml",
        "application/x-amz-json-1.0",
        "AWSGlue.",
        "multipart/form-data",
    ]
    headers[name] = rng.choice(values).encode("ascii", "ignore").decode()
    return f"header {name}"


_CHANGES: list[Callable[[random.Random, dict[str, Any], dict[str, str]], str]] = [
    _spoil_body, _spoil_path, _spoil_query, _spoil_header,
]  # fmt: skip
