"""The operations on a bucket that concern its objects: lists, delete many, open uploads. The rest is moto's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from urllib.parse import quote
from xml.sax.saxutils import escape

from local_mock.s3.checksums import checksum_of
from local_mock.s3.errors import S3Error
from local_mock.s3.listing import page
from local_mock.s3.request import Answer, Request, iso_date, xml_answer
from local_mock.s3.store import Store, Stored
from local_mock.s3.uploads import Uploads

__all__ = ["Buckets"]

OWNER = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"  # as moto has it
_OWNER = f"<Owner><ID>{OWNER}</ID><DisplayName>local_mock</DisplayName></Owner>"


class Buckets:
    """The operations, over a store."""

    def __init__(self, store: Store, uploads: Uploads) -> None:
        self.store, self.uploads = store, uploads

    def list_buckets(self, request: Request) -> Answer:
        prefix = request.query.get("prefix", "")
        inner = "".join(
            f"<Bucket><Name>{name}</Name><CreationDate>{iso_date(made)}</CreationDate></Bucket>"
            for name, made in self.store.buckets()
            if name.startswith(prefix)
        )
        return xml_answer("ListAllMyBucketsResult", f"{_OWNER}<Buckets>{inner}</Buckets>")

    def head(self, request: Request) -> Answer:
        self.store.require_bucket(request.bucket)
        return Answer(200, {"x-amz-bucket-region": "us-east-1", "Content-Type": "application/xml"})

    def list_v2(self, request: Request) -> Answer:
        query = request.query
        token = query.get("continuation-token", "")
        after = _decode(token) if token else query.get("start-after", "")
        inner, shown, last = self._page(request, after)
        inner += f"<KeyCount>{shown}</KeyCount>"
        if token:
            inner += f"<ContinuationToken>{escape(token)}</ContinuationToken>"
        if last:
            inner += f"<NextContinuationToken>{_encode(last)}</NextContinuationToken>"
        if "start-after" in query:
            inner += f"<StartAfter>{_name(request)(query['start-after'])}</StartAfter>"
        return xml_answer("ListBucketResult", inner)

    def list_v1(self, request: Request) -> Answer:
        marker = request.query.get("marker", "")
        inner, _, last = self._page(request, marker)
        inner += f"<Marker>{_name(request)(marker)}</Marker>"
        if last:
            inner += f"<NextMarker>{_name(request)(last)}</NextMarker>"
        return xml_answer("ListBucketResult", inner)

    def list_versions(self, request: Request) -> Answer:
        """Every object as its one version, `null`: older ones are not kept."""
        query, name = request.query, _name(request)
        limit = min(request.integer("max-keys", 1000), 1000)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        found = page(
            self.store,
            request.bucket,
            prefix=prefix,
            delimiter=delimiter,
            after=query.get("key-marker", ""),
            limit=limit,
        )
        inner = self._head(request, limit, truncated=found.truncated)
        inner += f"<KeyMarker>{name(query.get('key-marker', ''))}</KeyMarker><VersionIdMarker/>"
        if found.truncated:
            inner += (
                f"<NextKeyMarker>{name(found.last)}</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>"
            )
        for item in found.objects:
            inner += "<Version><VersionId>null</VersionId><IsLatest>true</IsLatest>"
            inner += f"{_entry(item, name)}{_OWNER}</Version>"
        inner += "".join(f"<CommonPrefixes><Prefix>{name(p)}</Prefix></CommonPrefixes>" for p in found.prefixes)
        return xml_answer("ListVersionsResult", inner)

    def list_uploads(self, request: Request) -> Answer:
        self.store.require_bucket(request.bucket)
        prefix = request.query.get("prefix", "")
        inner = f"<Bucket>{escape(request.bucket)}</Bucket><MaxUploads>1000</MaxUploads>"
        inner += "<IsTruncated>false</IsTruncated>"
        for key, upload_id, made in self.uploads.open_of(request.bucket):
            if key.startswith(prefix):
                inner += f"<Upload><Key>{escape(key)}</Key><UploadId>{upload_id}</UploadId>"
                inner += f"<Initiated>{iso_date(made)}</Initiated></Upload>"
        return xml_answer("ListMultipartUploadsResult", inner)

    def delete_objects(self, request: Request) -> Answer:
        """DeleteObjects: a bad key is an Error entry, the others are deleted all the same."""
        self.store.require_bucket(request.bucket)
        body = request.xml()
        quiet = body.findtext("Quiet", "").strip().lower() == "true"
        items = [(o.findtext("Key", ""), o.findtext("VersionId", "null")) for o in body.iter("Object")]
        if not 1 <= len(items) <= 1000:
            raise S3Error("MalformedXML", f"DeleteObjects takes 1 to 1,000 keys, but got {len(items)}.")
        inner = ""
        for key, version in items:
            try:
                if version != "null":
                    raise S3Error("NoSuchVersion", "Objects have no versions here: only 'null' is kept.")
                self.store.delete(request.bucket, key)
            except S3Error as err:
                inner += f"<Error><Key>{escape(key)}</Key><Code>{err.code}</Code>"
                inner += f"<Message>{escape(err.message)}</Message></Error>"
            else:
                inner += "" if quiet else f"<Deleted><Key>{escape(key)}</Key></Deleted>"
        return xml_answer("DeleteResult", inner)

    def _page(self, request: Request, after: str) -> tuple[str, int, str]:
        """Markup of one page, how many entries it has, and where to go on ('' at the end)."""
        query, name = request.query, _name(request)
        limit = min(request.integer("max-keys", 1000), 1000)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        found = page(self.store, request.bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        pieces = [self._head(request, limit, truncated=found.truncated)]
        owner = _OWNER if "list-type" not in query or query.get("fetch-owner") == "true" else ""
        pieces += [f"<Contents>{_entry(item, name)}{owner}</Contents>" for item in found.objects]
        pieces += [f"<CommonPrefixes><Prefix>{name(p)}</Prefix></CommonPrefixes>" for p in found.prefixes]
        shown = len(found.objects) + len(found.prefixes)
        return "".join(pieces), shown, found.last if found.truncated else ""

    @staticmethod
    def _head(request: Request, limit: int, *, truncated: bool) -> str:
        query, name = request.query, _name(request)
        inner = f"<Name>{escape(request.bucket)}</Name><Prefix>{name(query.get('prefix', ''))}</Prefix>"
        inner += f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(truncated).lower()}</IsTruncated>"
        if query.get("delimiter"):
            inner += f"<Delimiter>{name(query['delimiter'])}</Delimiter>"
        if query.get("encoding-type") == "url":
            inner += "<EncodingType>url</EncodingType>"
        return inner


def _entry(item: Stored, name: Callable[[str], str]) -> str:
    algorithm, kind, _ = checksum_of(item.row.headers)
    checksum = f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>"
    return (
        f"<Key>{name(item.key)}</Key><LastModified>{iso_date(item.modified)}</LastModified>"
        f"<ETag>&quot;{item.etag}&quot;</ETag>{checksum if algorithm else ''}"
        f"<Size>{item.size}</Size><StorageClass>STANDARD</StorageClass>"
    )


def _name(request: Request) -> Callable[[str], str]:
    """How a key is written in the answer."""
    if request.query.get("encoding-type") == "url":
        return lambda text: quote(text, safe="/")
    return escape


def _encode(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError) as err:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect.") from err
