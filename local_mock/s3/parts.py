"""The operations on multipart uploads: create, upload or copy a part, list, complete, abort."""

from __future__ import annotations

import time
from typing import Any, BinaryIO
from xml.sax.saxutils import escape

from local_mock.s3.acl import OWNER, OWNER_MARKUP
from local_mock.s3.checksums import BodyDigest, header_of
from local_mock.s3.customer_keys import check_key_of
from local_mock.s3.errors import S3Error
from local_mock.s3.headers import CLASS, checksum_markup, copy_range, encryption, sent_tags, write_condition
from local_mock.s3.objects import (
    blocks_of,
    copied,
    new_headers,
    open_source,
    receive,
    source_version,
    version_headers,
)
from local_mock.s3.request import Answer, Request, iso_date, xml_answer
from local_mock.s3.uploads import Part, Uploads, checksum_kind

__all__ = ["Parts"]

_INITIATOR = f"<Initiator><ID>{OWNER}</ID><DisplayName>local_mock</DisplayName></Initiator>"


class Parts:
    """The operations, over the open uploads."""

    def __init__(self, uploads: Uploads) -> None:
        self.uploads, self.versions = uploads, uploads.versions

    def create_upload(self, request: Request) -> Answer:
        headers = new_headers(self.versions, request)
        upload_id = self.uploads.create(
            request.bucket,
            request.key,
            headers,
            sent_tags(request),
            algorithm=request.header("x-amz-checksum-algorithm").upper(),
            checksum_type=request.header("x-amz-checksum-type").upper(),
        )
        inner = f"{_place(request)}<UploadId>{upload_id}</UploadId>"
        answer = xml_answer("InitiateMultipartUploadResult", inner)
        for name in ("x-amz-checksum-algorithm", "x-amz-checksum-type"):
            if value := request.header(name):
                answer.headers[name] = value
        answer.headers |= encryption(headers)
        return answer

    def upload_part(self, request: Request) -> Answer:
        """UploadPart and UploadPartCopy."""
        upload_id, number = request.query["uploadId"], request.integer("partNumber", 0)
        upload = self.uploads.get(request.bucket, request.key, upload_id)
        check_key_of(upload["headers"], request)
        copies = bool(request.header("x-amz-copy-source"))
        with self.versions.store.incoming() as (temporary, file):
            checksum: dict[str, str] = {}
            summed = BodyDigest(upload["algorithm"])  # a client may send the part with another checksum
            if copies:
                digest, headers = self._receive_copy(request, file, summed)
            else:
                digest, checksum = receive(request, file, summed)
                headers = encryption(upload["headers"])
            value = summed.checksum or checksum.get(header_of(upload["algorithm"]), "")
            part = Part(number, digest.md5, digest.size, value, time.time())
            self.uploads.add(upload_id, temporary, part)
        if copies:
            answer = copied("CopyPartResult", part.etag, part.modified)
            answer.headers |= headers
            return answer
        return Answer(200, {"ETag": f'"{part.etag}"', **checksum, **headers})

    def complete_upload(self, request: Request) -> Answer:
        try:
            wanted = [
                (int(part.findtext("PartNumber", "")), part.findtext("ETag", ""))
                for part in request.xml().iter("Part")
            ]
        except ValueError as err:
            raise S3Error("MalformedXML", "Every Part needs a PartNumber that is a whole number.") from err
        stored = self.uploads.complete(
            request.bucket, request.key, request.query["uploadId"], wanted, write_condition(request)
        )
        inner = f"{_place(request)}<ETag>&quot;{stored.etag}&quot;</ETag>"
        answer = xml_answer("CompleteMultipartUploadResult", inner + checksum_markup(stored.row.headers))
        answer.headers |= encryption(stored.row.headers) | version_headers(self.versions, stored)
        return answer

    def abort_upload(self, request: Request) -> Answer:
        self.uploads.get(request.bucket, request.key, request.query["uploadId"])
        self.uploads.abort(request.query["uploadId"])
        return Answer(204)

    def list_parts(self, request: Request) -> Answer:
        upload_id = request.query["uploadId"]
        upload = self.uploads.get(request.bucket, request.key, upload_id)
        after, limit = request.integer("part-number-marker", 0), min(request.integer("max-parts", 1000), 1000)
        rest = [part for part in self.uploads.parts(upload_id) if part.number > after]
        shown = rest[:limit]
        inner = f"{_place(request)}<UploadId>{upload_id}</UploadId>{_INITIATOR}{OWNER_MARKUP}"
        inner += f"<StorageClass>{upload['headers'].get(CLASS, 'STANDARD')}</StorageClass>"
        inner += f"<PartNumberMarker>{after}</PartNumberMarker>"
        inner += f"<NextPartNumberMarker>{shown[-1].number if shown else after}</NextPartNumberMarker>"
        inner += f"<MaxParts>{limit}</MaxParts><IsTruncated>{str(len(shown) < len(rest)).lower()}</IsTruncated>"
        for part in shown:
            inner += f"<Part><PartNumber>{part.number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag>"
            inner += f"<Size>{part.size}</Size><LastModified>{iso_date(part.modified)}</LastModified></Part>"
        return xml_answer("ListPartsResult", inner)

    def list_uploads(self, request: Request) -> Answer:
        """ListMultipartUploads, with prefix, delimiter and pages."""
        self.versions.store.require_bucket(request.bucket)
        query, limit = request.query, min(request.integer("max-uploads", 1000), 1000)
        prefix, delimiter, marker = (query.get(n, "") for n in ("prefix", "delimiter", "key-marker"))
        after, code = (marker, query.get("upload-id-marker", "")), request.name_coder()
        entries: dict[tuple[str, str], str] = {}  # (key, upload id) or (common prefix, '') -> markup
        for key, upload_id, made, upload in self.uploads.open_of(request.bucket):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            common = key[: cut + len(delimiter)] if cut >= 0 else ""
            passed = (key, upload_id) <= after if after[1] else key <= marker or (common and common == marker)
            if passed or not key.startswith(prefix):
                continue
            if common:
                entries[common, ""] = f"<CommonPrefixes><Prefix>{code(common)}</Prefix></CommonPrefixes>"
                continue
            entries[key, upload_id] = (
                f"<Upload><Key>{code(key)}</Key><UploadId>{upload_id}</UploadId>{_INITIATOR}{OWNER_MARKUP}"
                f"<StorageClass>{upload['headers'].get(CLASS, 'STANDARD')}</StorageClass>"
                f"<Initiated>{iso_date(made)}</Initiated>{_checksum(upload)}</Upload>"
            )
        shown = list(entries)[:limit]
        truncated = limit > 0 and len(entries) > limit
        inner = f"<Bucket>{escape(request.bucket)}</Bucket><KeyMarker>{code(marker)}</KeyMarker>"
        inner += f"<UploadIdMarker>{escape(after[1])}</UploadIdMarker><MaxUploads>{limit}</MaxUploads>"
        inner += f"<Prefix>{code(prefix)}</Prefix><IsTruncated>{str(truncated).lower()}</IsTruncated>"
        if delimiter:
            inner += f"<Delimiter>{code(delimiter)}</Delimiter>"
        if truncated:
            inner += f"<NextKeyMarker>{code(shown[-1][0])}</NextKeyMarker>"
            inner += f"<NextUploadIdMarker>{shown[-1][1]}</NextUploadIdMarker>"
        if request.query.get("encoding-type") == "url":
            inner += "<EncodingType>url</EncodingType>"
        return xml_answer("ListMultipartUploadsResult", inner + "".join(entries[entry] for entry in shown))

    def _receive_copy(
        self, request: Request, file: BinaryIO, also: BodyDigest
    ) -> tuple[BodyDigest, dict[str, str]]:
        source, opened = open_source(self.versions, request)
        with opened:
            first, last = copy_range(request.header("x-amz-copy-source-range"), source.size)
            digest = BodyDigest()
            for block in blocks_of(opened, first, last - first + 1):
                digest.update(block)
                also.update(block)
                file.write(block)
        return digest, source_version(self.versions, source)


def _place(request: Request) -> str:
    return f"<Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"


def _checksum(upload: dict[str, Any]) -> str:
    """Return the markup of the checksum that an upload was opened with."""
    algorithm, kind = upload["algorithm"], checksum_kind(upload)
    return f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>" if kind else ""
