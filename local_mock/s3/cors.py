"""CORS as a bucket's own rules (PutBucketCors) have it: the one way in for a web page of another origin.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html. S3 on AWS answers a request
that no rule allows without the headers that a page needs to read it; here it is refused, because a signature
protects nothing on this machine. Rules open objects, lists, form uploads and DeleteObjects, never settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

from local_mock.http import WsgiApp
from local_mock.s3.errors import S3Error
from local_mock.s3.request import Request, error_answer

__all__ = ["Cors", "Rule", "matching_rule"]

_DISABLED = "CORSResponse: CORS is not enabled for this bucket."
_DENIED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request "
    "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
    "resource's CORS spec."
)  # S3's own sentences, with its misspelling
_SPECIAL = ("/moto-api", "/latest/", "/_local_mock", "/v20180820/")
Headers = list[tuple[str, str]]


class Rule(Protocol):
    """One rule as moto keeps it; what was not given is None."""

    allowed_methods: Sequence[str]
    allowed_origins: Sequence[str]
    allowed_headers: Sequence[str] | None
    exposed_headers: Sequence[str] | None
    max_age_seconds: str | None


def matching_rule(
    rules: Iterable[Rule], origin: str, method: str, headers: Sequence[str] = ()
) -> tuple[Rule, str] | None:
    """Return the first rule that allows origin, method and (of a preflight) headers, with its origin pattern."""
    for rule in rules:
        pattern = next((p for p in rule.allowed_origins if _fits(p, origin)), None)
        allowed = [p.lower() for p in rule.allowed_headers or ()]
        if (
            pattern is not None
            and method in rule.allowed_methods
            and all(any(_fits(p, name.lower()) for p in allowed) for name in headers)
        ):
            return rule, pattern
    return None


def _fits(pattern: str, text: str) -> bool:
    """Return whether a text fits a pattern with at most one `*`, which stands for any characters."""
    start, star, end = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(start) + len(end) and text.startswith(start) and text.endswith(end)


class Cors:
    """The S3 side of `local_mock.gate`.

    `is_s3` tells whether S3 answers a request, `rules_of` gives the rules of a bucket (none if there is no such
    bucket).
    """

    def __init__(self, is_s3: Callable[[dict[str, Any]], bool], rules_of: Callable[[str], Sequence[Rule]]) -> None:
        self._is_s3, self._rules_of = is_s3, rules_of

    def is_read(self, environ: dict[str, Any]) -> bool:
        """Return whether S3 answers the request, and only reads."""
        return environ["REQUEST_METHOD"] in ("GET", "HEAD") and self._is_s3(environ)

    def wants(self, environ: dict[str, Any]) -> bool:
        """Return whether a request of another origin is one that a bucket's rules decide on."""
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return not environ.get("PATH_INFO", "").startswith(_SPECIAL)
        if not self._is_s3(environ):
            return False
        request = Request(environ)
        if request.key:
            return True
        if request.method == "POST":
            return not request.query or "delete" in request.query
        return bool(request.bucket) and request.method in ("GET", "HEAD")

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any], app: WsgiApp) -> Iterable[bytes]:
        """Answer a request of another origin if the bucket's rules allow it; else 403 AccessForbidden."""
        request = Request(environ)
        try:
            headers = self._headers(request)
        except S3Error as err:
            refusal = error_answer(err, f"/{request.bucket}/{request.key}")
            body = list(refusal.body)
            headers = [*refusal.headers.items(), ("Content-Length", str(sum(map(len, body))))]
            start_response(f"{err.status} Forbidden", headers)
            return [] if request.method == "HEAD" else body
        if request.method == "OPTIONS":
            start_response("200 OK", [*headers, ("Content-Length", "0")])
            return []

        def start(status: str, given: Headers, *rest: Any) -> Any:
            kept = [(name, value) for name, value in given if not name.lower().startswith("access-control-")]
            return start_response(status, [*kept, *headers], *rest)

        return app(environ, start)

    def _headers(self, request: Request) -> Headers:
        """Return the Access-Control headers of the answer. Raises S3Error AccessForbidden."""
        origin = request.header("origin")
        preflight = request.method == "OPTIONS"
        method = request.header("access-control-request-method") if preflight else request.method
        listed = request.header("access-control-request-headers") if preflight else ""
        asked = [name.strip().lower() for name in listed.split(",") if name.strip()]
        rules = self._rules_of(request.bucket)
        if not rules:
            raise S3Error("AccessForbidden", _DISABLED)
        matching = matching_rule(rules, origin, method, asked)
        if matching is None or not self._may_read_source(request, origin):
            raise S3Error("AccessForbidden", _DENIED)
        rule, pattern = matching
        headers = [
            ("Access-Control-Allow-Origin", "*" if pattern == "*" else origin),
            ("Access-Control-Allow-Methods", ", ".join(rule.allowed_methods)),
            ("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
        ]
        if pattern != "*":
            headers.append(("Access-Control-Allow-Credentials", "true"))
        if asked:
            headers.append(("Access-Control-Allow-Headers", ", ".join(asked)))
        if rule.exposed_headers:
            headers.append(("Access-Control-Expose-Headers", ", ".join(rule.exposed_headers)))
        if rule.max_age_seconds:
            headers.append(("Access-Control-Max-Age", str(rule.max_age_seconds)))
        return headers

    def _may_read_source(self, request: Request, origin: str) -> bool:
        """Return whether the rules of the bucket that is copied from, if any, let the origin read it."""
        source = unquote(request.header("x-amz-copy-source")).removeprefix("/")
        bucket = source.partition("/")[0]
        return not source or bucket == request.bucket or bool(matching_rule(self._rules_of(bucket), origin, "GET"))
