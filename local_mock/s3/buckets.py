"""The operations on a bucket that concern its objects: lists, versions, delete many. The rest is moto's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from xml.sax.saxutils import escape

from local_mock.s3.acl import OWNER_MARKUP
from local_mock.s3.checksums import checksum_of
from local_mock.s3.errors import S3Error
from local_mock.s3.headers import CLASS
from local_mock.s3.listing import page, versions_page
from local_mock.s3.request import Answer, Request, iso_date, xml_answer
from local_mock.s3.store import StoredObject
from local_mock.s3.versions import Versions

__all__ = ["Buckets"]

_TOKEN = b"\x01"  # before the place that a continuation token spells


class Buckets:
    """The operations, over versions."""

    def __init__(self, versions: Versions) -> None:
        self.versions, self.store = versions, versions.store

    def list_buckets(self, request: Request) -> Answer:
        query, prefix = request.query, request.query.get("prefix", "")
        region, token = query.get("bucket-region", ""), query.get("continuation-token")
        after, limit = "" if token is None else _decode(token), request.integer("max-buckets", 10_000)
        buckets = [
            (name, made)
            for name, made in self.store.buckets()
            if name.startswith(prefix) and name > after and region in ("", self._region(name))
        ]
        inner = "".join(
            f"<Bucket><Name>{name}</Name><CreationDate>{iso_date(made)}</CreationDate>"
            f"<BucketRegion>{self._region(name)}</BucketRegion></Bucket>"
            for name, made in buckets[:limit]
        )
        inner = f"{OWNER_MARKUP}<Buckets>{inner}</Buckets>"
        if len(buckets) > limit > 0:
            inner += f"<ContinuationToken>{_encode(buckets[limit - 1][0])}</ContinuationToken>"
        return xml_answer(
            "ListAllMyBucketsResult", inner + (f"<Prefix>{escape(prefix)}</Prefix>" if prefix else "")
        )

    def _region(self, bucket: str) -> str:
        return str(self.store.index.setting(bucket, "region") or "us-east-1")

    def head(self, request: Request) -> Answer:
        self.store.require_bucket(request.bucket)
        region = self._region(request.bucket)
        return Answer(200, {"x-amz-bucket-region": region, "Content-Type": "application/xml"})

    def list_v2(self, request: Request) -> Answer:
        query = request.query
        token = query.get("continuation-token")
        after = query.get("start-after", "") if token is None else _decode(token)
        inner, shown, last = self._page(request, after)
        inner += f"<KeyCount>{shown}</KeyCount>"
        if token:
            inner += f"<ContinuationToken>{escape(token)}</ContinuationToken>"
        if last:
            inner += f"<NextContinuationToken>{_encode(last)}</NextContinuationToken>"
        if query.get("start-after") and token is None:
            inner += f"<StartAfter>{request.name_coder()(query['start-after'])}</StartAfter>"
        return xml_answer("ListBucketResult", inner)

    def list_v1(self, request: Request) -> Answer:
        marker, name = request.query.get("marker", ""), request.name_coder()
        inner, _, last = self._page(request, marker)
        inner += f"<Marker>{name(marker)}</Marker>"
        if last:
            inner += f"<NextMarker>{name(last)}</NextMarker>"
        return xml_answer("ListBucketResult", inner)

    def list_versions(self, request: Request) -> Answer:
        """ListObjectVersions: versions and delete markers, of each key from new to old."""
        query, name = request.query, request.name_coder()
        limit = min(request.integer("max-keys", 1000), 1000)
        after, after_version = query.get("key-marker", ""), query.get("version-id-marker", "")
        if after_version and not after:
            raise S3Error("InvalidArgument", "A version-id marker cannot be specified without a key marker.")
        entries = versions_page(
            self.store,
            request.bucket,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            after=after,
            after_version=after_version,
            limit=limit,
        )
        inner = self._head(request, limit, truncated=entries.truncated)
        inner += f"<KeyMarker>{name(after)}</KeyMarker><VersionIdMarker>{escape(after_version)}</VersionIdMarker>"
        if entries.truncated:
            inner += f"<NextKeyMarker>{name(entries.last)}</NextKeyMarker>"
            if entries.last_version:
                inner += f"<NextVersionIdMarker>{entries.last_version}</NextVersionIdMarker>"
        for item, is_marker, is_newest in entries.versions:
            version = f"<VersionId>{item.row.version}</VersionId><IsLatest>{str(is_newest).lower()}</IsLatest>"
            if is_marker:
                inner += f"<DeleteMarker><Key>{name(item.key)}</Key>{version}"
                inner += f"<LastModified>{iso_date(item.modified)}</LastModified>{OWNER_MARKUP}</DeleteMarker>"
            else:
                inner += f"<Version>{version}{_entry(item, name)}{OWNER_MARKUP}</Version>"
        inner += "".join(f"<CommonPrefixes><Prefix>{name(p)}</Prefix></CommonPrefixes>" for p in entries.prefixes)
        return xml_answer("ListVersionsResult", inner)

    def delete_objects(self, request: Request) -> Answer:
        """DeleteObjects: a bad key is an Error entry, the others are deleted all the same."""
        body = request.xml()
        quiet = body.findtext("Quiet", "").strip().lower() == "true"
        items = [(o.findtext("Key", ""), o.findtext("VersionId", "")) for o in body.iter("Object")]
        if not 1 <= len(items) <= 1000:
            raise S3Error("MalformedXML", f"DeleteObjects takes 1 to 1,000 keys, but got {len(items)}.")
        self.store.require_bucket(request.bucket)
        bypass = request.header("x-amz-bypass-governance-retention").lower() == "true"
        inner = ""
        for key, version in items:
            wanted = f"<VersionId>{escape(version)}</VersionId>" if version else ""
            try:
                if not key:
                    raise S3Error("MalformedXML", "An Object of DeleteObjects needs a Key.")
                done = self.versions.delete(request.bucket, key, version, bypass=bypass)
            except S3Error as err:
                inner += f"<Error><Key>{escape(key)}</Key>{wanted}<Code>{err.code}</Code>"
                inner += f"<Message>{escape(err.message)}</Message></Error>"
                continue
            if quiet:
                continue
            if done.is_marker:
                wanted += "<DeleteMarker>true</DeleteMarker>"
                wanted += f"<DeleteMarkerVersionId>{done.version}</DeleteMarkerVersionId>"
            inner += f"<Deleted><Key>{escape(key)}</Key>{wanted}</Deleted>"
        return xml_answer("DeleteResult", inner)

    def _page(self, request: Request, after: str) -> tuple[str, int, str]:
        """Return the markup of one page, how many entries it has, and where to go on ('' at the end)."""
        query, name = request.query, request.name_coder()
        limit = min(request.integer("max-keys", 1000), 1000)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries = page(self.store, request.bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        pieces = [self._head(request, limit, truncated=entries.truncated)]
        owner = OWNER_MARKUP if "list-type" not in query or query.get("fetch-owner") == "true" else ""
        pieces += [f"<Contents>{_entry(item, name)}{owner}</Contents>" for item in entries.objects]
        pieces += [f"<CommonPrefixes><Prefix>{name(p)}</Prefix></CommonPrefixes>" for p in entries.prefixes]
        shown = len(entries.objects) + len(entries.prefixes)
        return "".join(pieces), shown, entries.last if entries.truncated else ""

    @staticmethod
    def _head(request: Request, limit: int, *, truncated: bool) -> str:
        query, name = request.query, request.name_coder()
        inner = f"<Name>{escape(request.bucket)}</Name>"
        if "prefix" in query or "list-type" in query:
            inner += f"<Prefix>{name(query.get('prefix', ''))}</Prefix>"
        inner += f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(truncated).lower()}</IsTruncated>"
        if query.get("delimiter"):
            inner += f"<Delimiter>{name(query['delimiter'])}</Delimiter>"
        if query.get("encoding-type") == "url":
            inner += "<EncodingType>url</EncodingType>"
        return inner


def _entry(item: StoredObject, name: Callable[[str], str]) -> str:
    algorithm, kind, _ = checksum_of(item.row.headers)
    checksum = f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>"
    return (
        f"<Key>{name(item.key)}</Key><LastModified>{iso_date(item.modified)}</LastModified>"
        f"<ETag>&quot;{item.etag}&quot;</ETag>{checksum if algorithm else ''}"
        f"<Size>{item.size}</Size><StorageClass>{item.row.headers.get(CLASS, 'STANDARD')}</StorageClass>"
    )


def _encode(last: str) -> str:
    return base64.urlsafe_b64encode(_TOKEN + last.encode()).decode()


def _decode(token: str) -> str:
    try:
        place = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        if place.startswith(_TOKEN):
            return place.removeprefix(_TOKEN).decode()
    except (binascii.Error, ValueError):
        pass
    raise S3Error("InvalidArgument", "The continuation token provided is incorrect")
