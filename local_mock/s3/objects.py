"""The operations on one object or version: get, head, put, delete, copy, attributes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import BinaryIO
from urllib.parse import unquote

from local_mock.s3.acl import ACL
from local_mock.s3.checksums import ALGORITHMS, BLOCK, BodyDigest, checksum_of, header_of, iterate_body
from local_mock.s3.customer_keys import COPY_SOURCE, CUSTOMER_KEY, check_key_of
from local_mock.s3.errors import S3Error, no_such_key
from local_mock.s3.headers import (
    CLASS,
    PARTS,
    RESTORED,
    checksum_markup,
    content_of_part,
    describe,
    encryption,
    failed_condition,
    invalid_state,
    is_archived,
    matches,
    part_sizes,
    range_of,
    read_condition,
    seconds,
    sent_headers,
    sent_tags,
    write_condition,
)
from local_mock.s3.locks import HOLD, MODE, UNTIL, default_lock
from local_mock.s3.overrides import overrides
from local_mock.s3.request import Answer, Request, http_date, iso_date, xml_answer
from local_mock.s3.store import StoredObject
from local_mock.s3.versions import Versions

__all__ = [
    "Objects",
    "blocks_of",
    "copied",
    "new_headers",
    "open_source",
    "receive",
    "source_version",
    "version_headers",
]

_NOT_COPIED = (ACL, PARTS, ":upload", RESTORED, CUSTOMER_KEY, CLASS, MODE, UNTIL, HOLD)
_DIRECTIVES = ("COPY", "REPLACE")


class Objects:
    """The operations, over versions. Each takes a request and returns an answer or raises S3Error."""

    def __init__(self, versions: Versions) -> None:
        self.versions = versions

    def get(self, request: Request) -> Answer:
        """GetObject and HeadObject: conditions, one range or part, the headers that a presigned URL overrides."""
        file, stored = self.versions.open(request.bucket, request.key, request.version)
        try:
            answer, first = self._read_head(request, stored)
        except BaseException:
            file.close()
            raise
        if request.method == "HEAD":
            file.close()
        else:
            answer.body = blocks_of(file, first, int(answer.headers["Content-Length"]))
        return answer

    def _read_head(self, request: Request, stored: StoredObject) -> tuple[Answer, int]:
        """Return the status and headers of a read, and the first byte."""
        read_condition(request, stored)
        kept = stored.row.headers
        check_key_of(kept, request)
        if request.method == "GET" and is_archived(kept):
            raise invalid_state(kept)
        answer = Answer(200, describe(stored) | version_headers(self.versions, stored))
        first, length, ranged = 0, stored.size, range_of(request.header("range"), stored.size)
        if "partNumber" in request.query:
            if ranged:
                raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter.")
            first, length, parts = content_of_part(request.integer("partNumber", 0), stored)
            ranged = first, first + length - 1
            answer.headers |= {"x-amz-mp-parts-count": str(parts)} if parts else {}
        elif ranged:
            first, length = ranged[0], ranged[1] - ranged[0] + 1
        if ranged and length:  # 206 also where it is the whole object
            answer.status = 206
            answer.headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{stored.size}"
        elif request.header("x-amz-checksum-mode").upper() == "ENABLED":
            answer.headers |= {k: v for k, v in kept.items() if k.startswith("x-amz-checksum-")}
        answer.headers |= overrides(request)
        answer.headers["Content-Length"] = str(length)
        return answer, first

    def put(self, request: Request) -> Answer:
        """PutObject: the body streams to a temporary file, is checked, then becomes the object."""
        self.versions.store.check(request.bucket, request.key)
        headers, tags = new_headers(self.versions, request), sent_tags(request)
        with self.versions.store.incoming() as (temporary, file):
            digest, checksum = receive(request, file)
            stored = self.versions.commit(
                temporary,
                request.bucket,
                request.key,
                digest.md5,
                headers | checksum,
                tags,
                write_condition(request),
            )
        answer = Answer(200, {"ETag": f'"{stored.etag}"', **encryption(headers), **checksum})
        answer.headers |= version_headers(self.versions, stored)
        if algorithm := request.header("x-amz-sdk-checksum-algorithm"):
            answer.headers["x-amz-sdk-checksum-algorithm"] = algorithm  # as moto has it
        return answer

    def delete(self, request: Request) -> Answer:
        wanted = request.header("if-match")

        def condition(present: StoredObject | None) -> None:
            if present is None:
                raise no_such_key(request.key)
            if not matches(wanted, present.etag):
                raise failed_condition("If-Match")

        bypass = request.header("x-amz-bypass-governance-retention").lower() == "true"
        done = self.versions.delete(
            request.bucket, request.key, request.version, condition if wanted else None, bypass=bypass
        )
        headers = {"x-amz-version-id": done.version} if done.version else {}
        return Answer(204, headers | ({"x-amz-delete-marker": "true"} if done.is_marker else {}))

    def copy(self, request: Request) -> Answer:
        """CopyObject; a multipart ETag becomes the MD5 of the content."""
        source, file = open_source(self.versions, request)
        with file:
            replaced = _directive(request, "x-amz-metadata-directive") == "REPLACE"
            _check_self_copy(request, source, replaced=replaced)
            sent = new_headers(self.versions, request)
            headers = sent if replaced else {
                **{k: v for k, v in source.row.headers.items() if _is_copied(k)},
                **{k: v for k, v in sent.items() if not k.startswith("x-amz-meta-") and _is_of_target(k)},
            }  # fmt: skip
            new_tags = _directive(request, "x-amz-tagging-directive") == "REPLACE"
            tags = sent_tags(request) if new_tags else source.row.tags
            algorithm, kind, value = checksum_of(source.row.headers)
            algorithm = request.header("x-amz-checksum-algorithm").upper() or algorithm
            with self.versions.store.incoming() as (temporary, target):
                digest = BodyDigest(algorithm)
                for block in blocks_of(file, 0, source.size):
                    digest.update(block)
                    target.write(block)
                if (
                    digest.checksum is None
                    and kind == "FULL_OBJECT"
                    and header_of(algorithm) in source.row.headers
                ):
                    headers |= {header_of(algorithm): value, "x-amz-checksum-type": kind}  # not computed here
                elif digest.checksum is not None:
                    headers |= {header_of(algorithm): digest.checksum, "x-amz-checksum-type": "FULL_OBJECT"}
                stored = self.versions.commit(
                    temporary, request.bucket, request.key, digest.md5, headers, tags, write_condition(request)
                )
        answer = copied("CopyObjectResult", stored.etag, stored.modified, stored.row.headers)
        answer.headers |= encryption(headers) | version_headers(self.versions, stored)
        answer.headers |= source_version(self.versions, source)
        return answer

    def attributes(self, request: Request) -> Answer:
        """GetObjectAttributes: those asked for, of ETag, Checksum, ObjectParts, ObjectSize, StorageClass."""
        stored = self.versions.head(request.bucket, request.key, request.version)
        check_key_of(stored.row.headers, request)
        have = {
            "ETag": stored.etag,
            "ObjectSize": str(stored.size),
            "StorageClass": stored.row.headers.get(CLASS, "STANDARD"),
        }
        if checksum := checksum_markup(stored.row.headers):
            have["Checksum"] = checksum
        if sizes := part_sizes(stored.row.headers):
            have["ObjectParts"] = _parts_markup(request, sizes)
        asked = [name.strip() for name in request.header("x-amz-object-attributes").split(",")]
        inner = "".join(f"<{name}>{have[name]}</{name}>" for name in asked if name in have)
        answer = xml_answer("GetObjectAttributesResponse", inner)
        answer.headers["Last-Modified"] = http_date(stored.modified)
        answer.headers |= version_headers(self.versions, stored)
        return answer


def _directive(request: Request, name: str) -> str:
    value = request.header(name, "COPY").upper()
    if value not in _DIRECTIVES:
        raise S3Error("InvalidArgument", f"Unknown {name.removeprefix('x-amz-')}: '{request.header(name)}'.")
    return value


def _check_self_copy(request: Request, source: StoredObject, *, replaced: bool) -> None:
    changes = (
        CLASS,
        "x-amz-server-side-encryption",
        "x-amz-website-redirect-location",
        "x-amz-checksum-algorithm",
    )
    same = (source.bucket, source.key) == (request.bucket, request.key)
    if same and not replaced and not any(map(request.header, changes)) and "?versionId=" not in unquote(
        request.header("x-amz-copy-source")
    ):  # fmt: skip
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without "
            "changing the object's metadata, storage class, website redirect location or encryption attributes.",
        )


def _is_copied(name: str) -> bool:
    """Return whether a copy keeps a header of its source."""
    return name not in _NOT_COPIED and not name.startswith(
        ("x-amz-checksum-", "x-amz-server-side-encryption", "x-amz-website")
    )


def _is_of_target(name: str) -> bool:
    """Return whether a header belongs to the copy even where metadata come from the source."""
    return name in _NOT_COPIED or name.startswith(("x-amz-server-side-encryption", "x-amz-website"))


def _parts_markup(request: Request, sizes: list[int]) -> str:
    after = int(request.header("x-amz-part-number-marker", "0") or 0)
    limit = min(int(request.header("x-amz-max-parts", "1000") or 1000), 1000)
    shown = list(enumerate(sizes, 1))[after : after + limit]
    last = shown[-1][0] if shown else after
    inner = f"<PartsCount>{len(sizes)}</PartsCount><PartNumberMarker>{after}</PartNumberMarker>"
    inner += f"<NextPartNumberMarker>{last}</NextPartNumberMarker><MaxParts>{limit}</MaxParts>"
    inner += f"<IsTruncated>{str(last < len(sizes)).lower()}</IsTruncated>"
    return inner + "".join(f"<Part><PartNumber>{n}</PartNumber><Size>{size}</Size></Part>" for n, size in shown)


def new_headers(versions: Versions, request: Request) -> dict[str, str]:
    """Return the headers to keep of a new object, with the lock that its bucket gives to those that bring none."""
    headers = sent_headers(request)
    locked = versions.index.setting(request.bucket, "object_lock_enabled")
    if not locked and (MODE in headers or HOLD in headers):
        raise S3Error("InvalidRequest", "Bucket is missing ObjectLockConfiguration")
    return headers if MODE in headers or not locked else default_lock(versions.index, request.bucket) | headers


def receive(request: Request, file: BinaryIO, also: BodyDigest | None = None) -> tuple[BodyDigest, dict[str, str]]:
    """Stream the body into `file`; returns its digest and the checksum headers to keep. Raises BadDigest.

    `also`: another digest that the body goes through.
    """
    trailer = request.header("x-amz-trailer").lower()
    named = [a for a in ALGORITHMS if request.header(header_of(a)) or header_of(a) == trailer]
    algorithm = named[0] if named else None
    digest, trailers = BodyDigest(algorithm), dict[str, str]()
    body = iterate_body(
        request.environ["wsgi.input"], request.length, chunked=request.is_aws_chunked, trailers=trailers
    )
    for block in body:
        digest.update(block)
        if also is not None:
            also.update(block)
        file.write(block)
    claimed = request.header("content-md5")
    if claimed and base64.b64encode(bytes.fromhex(digest.md5)).decode() != claimed:
        raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")
    if algorithm is None:
        return digest, {}
    name = header_of(algorithm)
    value = request.header(name) or trailers.get(name, "")
    if digest.checksum is not None and value and digest.checksum != value:
        raise S3Error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")
    return digest, {name: value, "x-amz-checksum-type": "FULL_OBJECT"} if value else {}


def open_source(versions: Versions, request: Request) -> tuple[StoredObject, BinaryIO]:
    """Return the object that x-amz-copy-source names, with its conditions and its key (SSE-C) checked."""
    path, _, version = request.header("x-amz-copy-source").partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not key:
        raise S3Error(
            "InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        )
    try:
        file, stored = versions.open(bucket, key, unquote(version))
    except S3Error as err:
        if err.code == "MethodNotAllowed":
            message = "The source of a copy request may not specifically refer to a delete marker by version id."
            raise S3Error("InvalidRequest", message) from err
        raise
    prefix = "x-amz-copy-source-if-"
    wanted, unwanted = request.header(prefix + "match"), request.header(prefix + "none-match")
    since = seconds(request.header(prefix + "modified-since"))
    before = seconds(request.header(prefix + "unmodified-since"))
    try:
        check_key_of(stored.row.headers, request, COPY_SOURCE)
        if is_archived(stored.row.headers):
            message = "The source object of the COPY action is not in the active tier and is only stored in "
            raise S3Error("ObjectNotInActiveTierError", message + "Amazon S3 Glacier.")
        failed = {
            "Match": wanted and not matches(wanted, stored.etag),
            "None-Match": unwanted and matches(unwanted, stored.etag),
            "Modified-Since": since is not None and int(stored.modified) <= since,
            "Unmodified-Since": before is not None and not wanted and int(stored.modified) > before,
        }
        for name, holds_not in failed.items():
            if holds_not:
                raise failed_condition(f"x-amz-copy-source-If-{name}")
    except BaseException:
        file.close()
        raise
    return stored, file


def version_headers(versions: Versions, stored: StoredObject) -> dict[str, str]:
    """Return the header x-amz-version-id, in a bucket that keeps versions or did."""
    return {"x-amz-version-id": stored.row.version} if versions.index.versioning(stored.bucket) else {}


def source_version(versions: Versions, source: StoredObject) -> dict[str, str]:
    return {f"{COPY_SOURCE}version-id": v for v in version_headers(versions, source).values()}


def blocks_of(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    """Yield `length` bytes from `first` on, in blocks; closes the file."""
    with file:
        file.seek(first)
        while length > 0 and (block := file.read(min(BLOCK, length))):
            length -= len(block)
            yield block


def copied(root: str, etag: str, modified: float, headers: Mapping[str, str] | None = None) -> Answer:
    inner = f"<LastModified>{iso_date(modified)}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
    return xml_answer(root, inner + checksum_markup(headers or {}))
