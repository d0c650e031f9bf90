"""One S3 request taken apart, and answers put together. No operation here."""

from __future__ import annotations

import datetime
import email.utils
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from local_mock.documents import RefusedError, require_plain_xml
from local_mock.s3.addressing import bucket_of_host
from local_mock.s3.errors import S3Error

__all__ = ["Answer", "Request", "error_answer", "http_date", "iso_date", "parse_tags", "xml_answer"]

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass
class Answer:
    """Status, headers and body (blocks of bytes)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()


class Request:
    """Bucket, key, query and headers of a WSGI request. Header names are case-insensitive."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        raw = environ.get("RAW_URI") or environ.get("PATH_INFO", "/")
        path, _, query = raw.partition("?")
        if not path.startswith("/") and "://" in path:  # an absolute URL, as sent to a proxy
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        self.raw_path, self.raw_query = path, query
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        virtual = bucket_of_host(environ.get("HTTP_HOST", ""))
        bucket, _, key = ("", "", path[1:]) if virtual else path.removeprefix("/").partition("/")
        self.bucket = virtual or unquote(bucket)
        self.key = unquote(key, errors="surrogateescape")

    def header(self, name: str, default: str = "") -> str:
        """Return a header's value, or `default`. A presigned URL may carry x-amz-… in its query instead."""
        value = self.environ.get("HTTP_" + name.upper().replace("-", "_"))
        if value is None and name.startswith("content-"):
            value = self.environ.get(name.upper().replace("-", "_"))
        if value is None:
            value = self.query.get(name)
        return default if value is None else str(value)

    @property
    def all_headers(self) -> dict[str, str]:
        """Every header, names in lower case as sent (with underscores, which WSGI would drop)."""
        raw = self.environ.get("local_mock.headers")
        if raw is not None:
            return {name.lower(): str(value) for name, value in raw.items()}
        return {
            name[5:].replace("_", "-").lower(): value
            for name, value in self.environ.items()
            if name.startswith("HTTP_")
        }

    def integer(self, name: str, default: int) -> int:
        """Return a query parameter that is a whole number, not negative."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise S3Error(
                "InvalidArgument",
                f"Argument {name} must be an integer between 0 and 2147483647",
                ArgumentName=name,
            )
        return int(text)

    def name_coder(self) -> Callable[[str], str]:
        """Return the function that writes a key into the answer, as `encoding-type` asks for."""
        if self.query.get("encoding-type") == "url":
            return lambda text: quote(text, safe="/")
        return escape

    @property
    def version(self) -> str:
        """The version that the request names, '' if it names none."""
        if self.query.get("versionId") == "":
            raise S3Error("InvalidArgument", "Version id cannot be the empty string")
        return str(self.query.get("versionId", ""))

    @property
    def length(self) -> int | None:
        """Bytes of the body, None if it says so only at its end (chunked)."""
        if self.environ.get("wsgi.input_terminated"):
            return None
        return int(self.environ.get("CONTENT_LENGTH") or 0)

    @property
    def is_aws_chunked(self) -> bool:
        return self.header("x-amz-content-sha256").startswith("STREAMING-") or "aws-chunked" in self.header(
            "content-encoding"
        )

    def xml(self) -> ET.Element:
        """Return the body as XML (at most 4 MiB), without namespaces. Raises S3Error MalformedXML."""
        from local_mock.s3.checksums import iterate_body

        body = b""
        for block in iterate_body(
            self.environ["wsgi.input"], self.length, chunked=self.is_aws_chunked, trailers={}
        ):
            body += block
            if len(body) > 4 << 20:
                raise S3Error("MalformedXML", "The XML of the request is longer than 4 MiB.")
        try:
            require_plain_xml(body)
            root = ET.fromstring(body)  # noqa: S314 - no entities, see above
        except (RefusedError, ET.ParseError) as err:
            raise S3Error("MalformedXML", f"The XML of the request cannot be taken: {err}") from err
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root


def http_date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


def iso_date(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{int(seconds * 1000) % 1000:03d}Z"
    )


def xml_answer(root: str, inner: str, status: int = 200) -> Answer:
    """Return an XML document in S3's namespace; `inner` is markup already."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{inner}</{root}>'
    return Answer(status, {"Content-Type": "application/xml"}, [text.encode()])


def error_answer(error: S3Error, resource: str) -> Answer:
    """Return the XML of an error."""
    request = uuid.uuid4().hex[:16].upper()
    details = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in error.details.items())
    where = f"<Resource>{escape(resource)}</Resource>"  # S3 names it where no element tells more
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        f"{details or where}<RequestId>{request}</RequestId></Error>"
    )
    body = [] if error.status == 304 else [text.encode("utf-8", "replace")]
    return Answer(error.status, {"Content-Type": "application/xml", **error.headers}, body)


def parse_tags(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the object tags, checked against S3's limits (10 tags, 128 and 256 characters)."""
    items = list(pairs)
    tags = dict(items)
    if len(items) > 10:
        raise S3Error("BadRequest", "Object tags cannot be greater than 10")
    if len(tags) != len(items):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    if any(key.lower().startswith("aws:") for key in tags):
        raise S3Error("InvalidTag", "Your TagKey cannot be prefixed with aws:")
    if any(not 1 <= len(k) <= 128 or len(v) > 256 for k, v in items):
        raise S3Error("InvalidTag", "A tag's key has 1 to 128 characters, its value at most 256.")
    return tags
