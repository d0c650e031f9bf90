"""The operations on what belongs to an object or version: tags, ACL, retention, legal hold, restore."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from xml.sax.saxutils import escape

from local_mock.s3.acl import ACL, grants_of_headers, grants_of_xml, render
from local_mock.s3.errors import S3Error
from local_mock.s3.headers import ARCHIVED, CLASS, RESTORED, invalid_state
from local_mock.s3.index import Row
from local_mock.s3.locks import HOLD, MODE, UNTIL, check_unlocked, lock_headers, parse_time
from local_mock.s3.objects import version_headers
from local_mock.s3.request import Answer, Request, http_date, parse_tags, xml_answer
from local_mock.s3.store import StoredObject
from local_mock.s3.versions import Versions

__all__ = ["Subresources"]


class Subresources:
    """The operations, over versions."""

    def __init__(self, versions: Versions) -> None:
        self.versions = versions

    def get_tags(self, request: Request) -> Answer:
        stored = self._head(request)
        tags = "".join(
            f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in stored.row.tags.items()
        )
        return self._answer(xml_answer("Tagging", f"<TagSet>{tags}</TagSet>"), stored)

    def put_tags(self, request: Request) -> Answer:
        tags = parse_tags((t.findtext("Key", ""), t.findtext("Value", "")) for t in request.xml().iter("Tag"))
        return self._answer(Answer(200), self._change(request, lambda row: replace(row, tags=tags)))

    def delete_tags(self, request: Request) -> Answer:
        return self._answer(Answer(204), self._change(request, lambda row: replace(row, tags={})))

    def get_acl(self, request: Request) -> Answer:
        stored = self._head(request)
        return self._answer(xml_answer("AccessControlPolicy", render(stored.row.headers.get(ACL))), stored)

    def put_acl(self, request: Request) -> Answer:
        """PutObjectAcl: a canned ACL, grant headers, or XML."""
        grants = grants_of_headers(request.header)
        if grants is None:
            grants = grants_of_xml(request.xml())
        return self._answer(Answer(200), self._keep(request, {ACL: grants}))

    def get_retention(self, request: Request) -> Answer:
        stored = self._head(request)
        headers = stored.row.headers
        if MODE not in headers:
            raise _no_lock()
        inner = f"<Mode>{headers[MODE]}</Mode><RetainUntilDate>{headers[UNTIL]}</RetainUntilDate>"
        return xml_answer("Retention", inner)

    def put_retention(self, request: Request) -> Answer:
        """PutObjectRetention: a retention that holds can be made longer, and ended where GOVERNANCE is lifted."""
        body = request.xml()
        headers = lock_headers(body.findtext("Mode", ""), body.findtext("RetainUntilDate", ""), "")
        bypass = request.header("x-amz-bypass-governance-retention").lower() == "true"

        def edit(row: Row) -> Row:
            longer = UNTIL in row.headers and UNTIL in headers and (
                parse_time(headers[UNTIL]) >= parse_time(row.headers[UNTIL]) and headers[MODE] == row.headers[MODE]
            )  # fmt: skip
            unheld = {name: value for name, value in row.headers.items() if name != HOLD}
            if not longer:
                check_unlocked(unheld, bypass=bypass)
            rest = {name: value for name, value in row.headers.items() if name not in (MODE, UNTIL)}
            return replace(row, headers=rest | headers)

        self._require_lock(request)
        self._change(request, edit)
        return Answer(200)

    def get_hold(self, request: Request) -> Answer:
        status = self._head(request).row.headers.get(HOLD)
        if status is None:
            raise _no_lock()
        return xml_answer("LegalHold", f"<Status>{status}</Status>")

    def put_hold(self, request: Request) -> Answer:
        status = request.xml().findtext("Status", "")
        if status not in ("ON", "OFF"):
            raise S3Error("MalformedXML", f"The Status of a legal hold must be ON or OFF, but got '{status}'.")
        self._require_lock(request)
        self._keep(request, {HOLD: status})
        return Answer(200)

    def restore(self, request: Request) -> Answer:
        """RestoreObject: an archived object can be read at once, as after a restore that has ended."""
        days = request.xml().findtext("Days", "")
        if not days.isdecimal() or int(days) < 1:
            raise S3Error("MalformedXML", f"RestoreRequest needs Days, a whole number from 1, but got '{days}'.")
        before = self._head(request).row.headers
        if before.get(CLASS) not in ARCHIVED:
            raise invalid_state(before)
        self._keep(request, {RESTORED: http_date(time.time() + 86400 * int(days))})
        return Answer(200 if RESTORED in before else 202)

    def _require_lock(self, request: Request) -> None:
        if not self.versions.index.setting(request.bucket, "object_lock_enabled"):
            raise S3Error("InvalidRequest", "Bucket is missing ObjectLockConfiguration")

    def _head(self, request: Request) -> StoredObject:
        return self.versions.head(request.bucket, request.key, request.version)

    def _keep(self, request: Request, headers: dict[str, str]) -> StoredObject:
        return self._change(request, lambda row: replace(row, headers=row.headers | headers))

    def _change(self, request: Request, edit: Callable[[Row], Row]) -> StoredObject:
        return self.versions.change(request.bucket, request.key, request.version, edit)

    def _answer(self, answer: Answer, stored: StoredObject) -> Answer:
        answer.headers |= version_headers(self.versions, stored)
        return answer


def _no_lock() -> S3Error:
    return S3Error(
        "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration"
    )
