"""The rules by which a request of a web page is told from one of a program: functions without a server.

A browser says itself who asks: the name that it connected to (`Host`), the page that asks (`Origin`) and its
relation to us (`Sec-Fetch-Site`); a page cannot change these headers. Programs (boto3, curl) send a `Host` only.
`local_mock.gate` and the S3 side of it act on the answers. Standard library only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Visit", "is_own_host"]

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")
# LocalStack's public name of 127.0.0.1, and AWS's own names, which a client sends through an HTTP proxy. A page
# cannot have such a name and point it at this machine: their owners do not let others choose addresses.
_LOOPBACK_NAMES = ("localhost", "localhost.localstack.cloud")
_AWS_NAMES = (".amazonaws.com", ".amazonaws.com.cn")


def is_own_host(host: str, port: int) -> bool:
    """Return whether a `Host` header names this machine, or AWS at `port`.

    Accepted are loopback addresses, `localhost` and names below it (virtual-hosted buckets), and AWS's own names.
    Anything else is a name that somebody may have pointed at 127.0.0.1 (DNS rebinding). A name of this machine
    may come with another port, that of a tunnel or a proxy in between: no page can choose the header.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1].lower().removesuffix(".")
    given = int(match[2] or 80)
    if name.endswith(_AWS_NAMES):
        return given in (80, 443, port)
    if name.endswith(_LOOPBACK_NAMES):
        return any(name == own or name.endswith("." + own) for own in _LOOPBACK_NAMES)
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Visit:
    """The headers by which a browser says who asks; empty texts where they were not sent.

    `origin` is None if no `Origin` was sent (the text `null` is an origin that the browser hides).
    """

    method: str
    host: str
    origin: str | None
    site: str
    mode: str
    destination: str

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Visit:
        """Return the visit of a WSGI request."""
        return cls(
            environ.get("REQUEST_METHOD", ""),
            environ.get("HTTP_HOST", ""),
            environ.get("HTTP_ORIGIN"),
            environ.get("HTTP_SEC_FETCH_SITE", ""),
            environ.get("HTTP_SEC_FETCH_MODE", ""),
            environ.get("HTTP_SEC_FETCH_DEST", ""),
        )

    @property
    def is_foreign(self) -> bool:
        """Return whether a page of another origin asks: another site, or another port of this machine."""
        if self.origin is not None and self.origin.lower() != f"http://{self.host.lower()}":
            return True
        return self.site not in ("", "none", "same-origin")

    @property
    def is_navigation(self) -> bool:
        """Return whether a whole tab goes to the address: the page that sent it there cannot read the answer."""
        return self.mode == "navigate" and self.destination == "document" and self.method in ("GET", "HEAD")
