"""The operations on one object: get, head, put, delete, copy, tags, attributes; and parts of an upload."""

from __future__ import annotations

import base64
import email.utils
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from local_mock.s3.checksums import ALGORITHMS, BLOCK, BodyDigest, checksum_of, header_of, iterate_body
from local_mock.s3.errors import S3Error
from local_mock.s3.overrides import overrides
from local_mock.s3.request import Answer, Request, http_date, iso_date, parse_tags, xml_answer
from local_mock.s3.store import DEFAULT_TYPE, Store, Stored
from local_mock.s3.uploads import Part, Uploads

__all__ = ["Objects"]

_KEPT = (
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires",
    "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-storage-class",
    "x-amz-website-redirect-location",
)  # fmt: skip
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_RANGE_ASKED = re.compile(r"bytes=(\d+-\d*|-\d+)")


class Objects:
    """The operations, over a store. Each takes a request and returns an answer or raises S3Error."""

    def __init__(self, store: Store, uploads: Uploads) -> None:
        self.store, self.uploads = store, uploads

    def get(self, request: Request) -> Answer:
        """GetObject and HeadObject: conditions, one range, the headers that a presigned URL overrides."""
        _only_null_version(request)
        file, stored = self.store.open(request.bucket, request.key)
        try:
            answer, first = self._read_head(request, stored)
        except BaseException:
            file.close()
            raise
        if request.method == "HEAD":
            file.close()
        else:
            answer.body = _blocks(file, first, int(answer.headers["Content-Length"]))
        return answer

    @staticmethod
    def _read_head(request: Request, stored: Stored) -> tuple[Answer, int]:
        """Status and headers of a read, and the first byte."""
        _check_read(request, stored)
        first, last = _range(request.header("range"), stored.size)
        answer = Answer(200, _describe(stored))
        if _RANGE_ASKED.fullmatch(request.header("range").strip()):  # 206 also where it is the whole object
            answer.status = 206
            answer.headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        elif request.header("x-amz-checksum-mode").upper() == "ENABLED":
            answer.headers |= {k: v for k, v in stored.row.headers.items() if k.startswith("x-amz-checksum-")}
        answer.headers |= overrides(request)
        answer.headers["Content-Length"] = str(last - first + 1)
        return answer, first

    def put(self, request: Request) -> Answer:
        """PutObject: the body streams to a temporary file, is checked, then becomes the object."""
        self.store.path(request.bucket, request.key)
        headers, tags = _sent_headers(request), _sent_tags(request)
        with self.store.incoming() as (temporary, file):
            digest, checksum = self._receive(request, file)
            stored = self.store.commit(
                temporary,
                request.bucket,
                request.key,
                digest.md5,
                headers | checksum,
                tags,
                _write_condition(request),
            )
        return Answer(200, {"ETag": f'"{stored.etag}"', **_encryption(stored), **checksum})

    def delete(self, request: Request) -> Answer:
        _only_null_version(request)
        wanted = request.header("if-match")

        def condition(present: Stored | None) -> None:
            if wanted and (present is None or not _matches(wanted, present.etag)):
                raise S3Error("PreconditionFailed", "The object's ETag is not the one in If-Match.")

        self.store.delete(request.bucket, request.key, condition)
        return Answer(204)

    def copy(self, request: Request) -> Answer:
        """CopyObject, by the kernel; a multipart ETag becomes the MD5 of the content."""
        source, file = self._source(request)
        replace = request.header("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
        same = (source.bucket, source.key) == (request.bucket, request.key)
        with file:
            if same and not replace and not request.header("x-amz-storage-class"):
                raise S3Error(
                    "InvalidRequest",
                    "This copy request is illegal because it is trying to copy an object to itself without "
                    "changing the object's metadata, storage class or encryption.",
                )
            old = {k: v for k, v in source.row.headers.items() if not k.startswith("x-amz-checksum-")}
            headers = _sent_headers(request) if replace else old
            new_tags = request.header("x-amz-tagging-directive", "COPY").upper() == "REPLACE"
            tags = _sent_tags(request) if new_tags else source.row.tags
            algorithm, kind, value = checksum_of(source.row.headers)
            algorithm = request.header("x-amz-checksum-algorithm").upper() or algorithm
            with self.store.incoming() as (temporary, target):
                digest = BodyDigest(algorithm)
                for block in _blocks(file, 0, source.size):
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
                stored = self.store.commit(
                    temporary, request.bucket, request.key, digest.md5, headers, tags, _write_condition(request)
                )
        return _copied("CopyObjectResult", stored.etag, stored.modified, stored.row.headers)

    def upload_part(self, request: Request) -> Answer:
        """UploadPart and UploadPartCopy."""
        upload_id, number = request.query["uploadId"], request.integer("partNumber", 0)
        self.uploads.get(request.bucket, request.key, upload_id)
        with self.store.incoming() as (temporary, file):
            checksum: dict[str, str] = {}
            if request.header("x-amz-copy-source"):
                digest = self._receive_copy(request, file)
            else:
                digest, checksum = self._receive(request, file)
            value = next((v for k, v in checksum.items() if k != "x-amz-checksum-type"), "")
            part = Part(number, digest.md5, digest.size, value, time.time())
            self.uploads.add(upload_id, temporary, part)
        if request.header("x-amz-copy-source"):
            return _copied("CopyPartResult", part.etag, part.modified)
        return Answer(200, {"ETag": f'"{part.etag}"', **checksum})

    def create_upload(self, request: Request) -> Answer:
        upload_id = self.uploads.create(
            request.bucket,
            request.key,
            _sent_headers(request),
            _sent_tags(request),
            algorithm=request.header("x-amz-checksum-algorithm").upper(),
            checksum_type=request.header("x-amz-checksum-type").upper(),
        )
        bucket, key = escape(request.bucket), escape(request.key)
        inner = f"<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{upload_id}</UploadId>"
        return xml_answer("InitiateMultipartUploadResult", inner)

    def complete_upload(self, request: Request) -> Answer:
        try:
            wanted = [
                (int(part.findtext("PartNumber", "")), part.findtext("ETag", ""))
                for part in request.xml().iter("Part")
            ]
        except ValueError as err:
            raise S3Error("MalformedXML", "Every Part needs a PartNumber that is a whole number.") from err
        stored = self.uploads.complete(
            request.bucket, request.key, request.query["uploadId"], wanted, _write_condition(request)
        )
        inner = f"<Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"
        inner += f"<ETag>&quot;{stored.etag}&quot;</ETag>"
        return xml_answer("CompleteMultipartUploadResult", inner + _checksum_markup(stored.row.headers))

    def abort_upload(self, request: Request) -> Answer:
        self.uploads.get(request.bucket, request.key, request.query["uploadId"])
        self.uploads.abort(request.query["uploadId"])
        return Answer(204)

    def list_parts(self, request: Request) -> Answer:
        upload_id = request.query["uploadId"]
        self.uploads.get(request.bucket, request.key, upload_id)
        after, limit = request.integer("part-number-marker", 0), request.integer("max-parts", 1000)
        rest = [part for part in self.uploads.parts(upload_id) if part.number > after]
        shown = rest[: min(limit, 1000)]
        inner = f"<Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"
        inner += f"<UploadId>{upload_id}</UploadId><PartNumberMarker>{after}</PartNumberMarker>"
        inner += f"<NextPartNumberMarker>{shown[-1].number if shown else after}</NextPartNumberMarker>"
        inner += f"<MaxParts>{limit}</MaxParts><IsTruncated>{str(len(shown) < len(rest)).lower()}</IsTruncated>"
        for part in shown:
            inner += f"<Part><PartNumber>{part.number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag>"
            inner += f"<Size>{part.size}</Size><LastModified>{iso_date(part.modified)}</LastModified></Part>"
        return xml_answer("ListPartsResult", inner)

    def get_tags(self, request: Request) -> Answer:
        stored = self.store.head(request.bucket, request.key)
        tags = "".join(
            f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in stored.row.tags.items()
        )
        return xml_answer("Tagging", f"<TagSet>{tags}</TagSet>")

    def put_tags(self, request: Request) -> Answer:
        tags = parse_tags((t.findtext("Key", ""), t.findtext("Value", "")) for t in request.xml().iter("Tag"))
        stored = self.store.head(request.bucket, request.key)
        self.store.update(stored, stored.row.headers, tags)
        return Answer(200)

    def delete_tags(self, request: Request) -> Answer:
        stored = self.store.head(request.bucket, request.key)
        self.store.update(stored, stored.row.headers, {})
        return Answer(204)

    def attributes(self, request: Request) -> Answer:
        """GetObjectAttributes: those asked for, of ETag, Checksum, ObjectSize, StorageClass."""
        stored = self.store.head(request.bucket, request.key)
        have = {
            "ETag": stored.etag,
            "ObjectSize": str(stored.size),
            "StorageClass": stored.row.headers.get("x-amz-storage-class", "STANDARD"),
        }
        if checksum := _checksum_markup(stored.row.headers):
            have["Checksum"] = checksum
        asked = [name.strip() for name in request.header("x-amz-object-attributes").split(",")]
        inner = "".join(f"<{name}>{have[name]}</{name}>" for name in asked if name in have)
        answer = xml_answer("GetObjectAttributesResponse", inner)
        answer.headers["Last-Modified"] = http_date(stored.modified)
        return answer

    def _receive(self, request: Request, file: BinaryIO) -> tuple[BodyDigest, dict[str, str]]:
        """Stream the body into `file`; returns its digest and the checksum headers to keep. Raises BadDigest."""
        trailer = request.header("x-amz-trailer").lower()
        named = [a for a in ALGORITHMS if request.header(header_of(a)) or header_of(a) == trailer]
        algorithm = named[0] if named else None
        digest, trailers = BodyDigest(algorithm), dict[str, str]()
        body = iterate_body(
            request.environ["wsgi.input"], request.length, chunked=request.is_aws_chunked, trailers=trailers
        )
        for block in body:
            digest.update(block)
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

    def _receive_copy(self, request: Request, file: BinaryIO) -> BodyDigest:
        source, opened = self._source(request)
        with opened:
            first, last = _range(request.header("x-amz-copy-source-range"), source.size)
            digest = BodyDigest()
            for block in _blocks(opened, first, last - first + 1):
                digest.update(block)
                file.write(block)
        return digest

    def _source(self, request: Request) -> tuple[Stored, BinaryIO]:
        """The object that x-amz-copy-source names, with its conditions checked."""
        text = unquote(request.header("x-amz-copy-source")).removeprefix("/")
        path, _, version = text.partition("?versionId=")
        bucket, _, key = path.partition("/")
        if version not in ("", "null"):
            raise S3Error("NoSuchVersion", "Objects have no versions here: only the present one is kept.")
        file, stored = self.store.open(bucket, key)
        prefix = "x-amz-copy-source-if-"
        wanted, unwanted = request.header(prefix + "match"), request.header(prefix + "none-match")
        since = _seconds(request.header(prefix + "modified-since"))
        before = _seconds(request.header(prefix + "unmodified-since"))
        if (
            (wanted and not _matches(wanted, stored.etag))
            or (unwanted and _matches(unwanted, stored.etag))
            or (since is not None and int(stored.modified) <= since)
            or (before is not None and not wanted and int(stored.modified) > before)
        ):
            file.close()
            raise S3Error("PreconditionFailed", "At least one of the preconditions on the source did not hold.")
        return stored, file


def _describe(stored: Stored) -> dict[str, str]:
    """The headers that describe an object."""
    kept = {k: v for k, v in stored.row.headers.items() if not k.startswith("x-amz-checksum-")}
    headers = {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": http_date(stored.modified),
        "Accept-Ranges": "bytes",
        "Content-Type": kept.pop("content-type", DEFAULT_TYPE),
        **{name.title() if not name.startswith("x-amz-meta-") else name: value for name, value in kept.items()},
        **_encryption(stored),
    }
    if stored.row.tags:
        headers["x-amz-tagging-count"] = str(len(stored.row.tags))
    return headers


def _encryption(stored: Stored) -> dict[str, str]:
    if "x-amz-server-side-encryption" in stored.row.headers:
        return {}
    return {"x-amz-server-side-encryption": "AES256"}  # S3's default since 2023


def _sent_headers(request: Request) -> dict[str, str]:
    """What is kept of a put's headers: content type and the like, and the user's metadata."""
    headers = {name: value for name in _KEPT if (value := request.header(name))}
    sent = request.all_headers | request.query
    headers |= {name: value for name, value in sent.items() if name.startswith("x-amz-meta-")}
    encoding = [e for e in headers.pop("content-encoding", "").split(",") if e.strip() not in ("", "aws-chunked")]
    if encoding:
        headers["content-encoding"] = ",".join(encoding)
    if sum(len(k) + len(v) for k, v in headers.items() if k.startswith("x-amz-meta-")) > 8192:
        raise S3Error("InvalidArgument", "Your metadata headers exceed the maximum allowed metadata size.")
    return {"content-type": DEFAULT_TYPE} | headers


def _sent_tags(request: Request) -> dict[str, str]:
    return parse_tags(parse_qsl(request.header("x-amz-tagging"), keep_blank_values=True))


def _check_read(request: Request, stored: Stored) -> None:
    """Conditional reads: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html."""
    wanted, unwanted = request.header("if-match"), request.header("if-none-match")
    since = _seconds(request.header("if-modified-since"))
    before = _seconds(request.header("if-unmodified-since"))
    modified = int(stored.modified)
    if wanted and not _matches(wanted, stored.etag):
        raise S3Error("PreconditionFailed", "The object's ETag is not the one in If-Match.")
    if before is not None and not wanted and modified > before:
        raise S3Error("PreconditionFailed", "The object was modified after If-Unmodified-Since.")
    if unwanted and _matches(unwanted, stored.etag):
        raise S3Error("NotModified", "Not Modified")
    if since is not None and not unwanted and modified <= since:
        raise S3Error("NotModified", "Not Modified")


def _write_condition(request: Request) -> Callable[[Stored | None], None]:
    """Conditional writes: If-None-Match: * (only if there is none) and If-Match (only over that one)."""
    wanted, unwanted = request.header("if-match"), request.header("if-none-match")

    def check(present: Stored | None) -> None:
        if unwanted and present is not None and _matches(unwanted, present.etag):
            raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
        if wanted and present is None:
            raise S3Error("NoSuchKey", f"If-Match was given, but there is no object {request.key}.")
        if wanted and present is not None and not _matches(wanted, present.etag):
            raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")

    return check


def _matches(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in [e.strip().removeprefix("W/").strip('"') for e in header.split(",")]


def _seconds(text: str) -> float | None:
    if not text:
        return None
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None  # S3 ignores a date that it cannot read


def _range(header: str, size: int) -> tuple[int, int]:
    """First and last byte (inclusive) that a Range header asks for; everything if there is none or many."""
    found = _RANGE.fullmatch(header.strip())
    if not found or found.groups() == ("", ""):
        return 0, size - 1
    start, stop = found.groups()
    first = int(start) if start else max(0, size - int(stop))
    last = min(int(stop), size - 1) if start and stop else size - 1
    if first >= size or first > last:
        raise S3Error(
            "InvalidRange", f"The requested range '{header}' is not satisfiable: there are {size} bytes."
        )
    return first, last


def _blocks(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    """`length` bytes from `first` on, in blocks; closes the file."""
    with file:
        file.seek(first)
        while length > 0 and (block := file.read(min(BLOCK, length))):
            length -= len(block)
            yield block


def _copied(root: str, etag: str, modified: float, headers: Mapping[str, str] | None = None) -> Answer:
    inner = f"<LastModified>{iso_date(modified)}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
    return xml_answer(root, inner + _checksum_markup(headers or {}))


def _checksum_markup(headers: Mapping[str, str]) -> str:
    algorithm, kind, value = checksum_of(headers)
    tag = f"Checksum{algorithm}"
    return f"<{tag}>{value}</{tag}><ChecksumType>{kind}</ChecksumType>" if algorithm else ""


def _only_null_version(request: Request) -> None:
    if request.query.get("versionId", "null") != "null":
        raise S3Error("NoSuchVersion", "Objects have no versions here: only the present one ('null') is kept.")
