"""Addresses and URLs.

Source: https://trino.io/docs/current/functions/url.html and ipaddress.html, Trino's UrlFunctions, IpAddressFunctions.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import quote_plus, unquote, unquote_plus

from local_mock.athena.functions.casts import address_text
from local_mock.athena.functions.define import plain
from local_mock.athena.functions.moments import Failure

__all__ = ["FUNCTIONS"]

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})|[\s\x00-\x1f<>\"{}|\\^`]|#.*#|^:|^[^/?#]*\[", re.DOTALL)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_NUMBER = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
# https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/net/URI.html: the last label starts with a letter
_SERVER = re.compile(
    rf"(?:[^@]*@)?((?:{_LABEL}\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?|{_NUMBER}(?:\.{_NUMBER}){{3}}|\[[0-9A-Fa-f:.%\w]+\])(?::(\d*))?",
    re.ASCII,
)


def _parts(url: str) -> tuple[str | None, ...] | None:
    """Return (protocol, authority, path, query, fragment), None for no URL (java.net.URI refuses it)."""
    match = _URL.fullmatch(url)
    if match is None or _BROKEN.search(url):
        return None
    protocol, authority, path, query, fragment = match.groups()
    if protocol and authority is None and not path.startswith("/"):  # opaque, as `mailto:`: no path and no query
        return (protocol, None, None, None, fragment) if path else None
    return protocol, authority, path, query, fragment


def _part(index: int) -> Callable[[str], str | None]:
    def part(url: str) -> str | None:
        parts = _parts(url)
        value = (parts[index] or "") if parts else None
        return unquote(value) if value and index else value  # the protocol is given as it is

    return part


def _server(url: str) -> tuple[str, int | None] | None:
    """Return the host, empty where the URL names none as a server's, and the port. None for no URL."""
    parts = _parts(url)
    if parts is None:
        return None
    match = _SERVER.fullmatch(parts[1] or "")
    if match is None:
        return "", None
    return match.group(1), int(match.group(2)) if match.group(2) else None


def _host(url: str) -> str | None:
    server = _server(url)
    return server[0] if server else None


def _port(url: str) -> int | None:
    server = _server(url)
    return server[1] if server else None


def _parameter(url: str, name: str) -> str | None:
    parts = _parts(url)
    for pair in ((parts[3] or "") if parts else "").split("&"):
        key, _, value = pair.partition("=")
        if unquote_plus(key) == name and pair:
            return unquote_plus(value)
    return None


def _encode(value: str) -> str:
    return quote_plus(value, safe="*-._").replace("~", "%7E")


def _decode(value: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise Failure("INVALID_FUNCTION_ARGUMENT", "URLDecoder: Illegal hex characters in escape (%) pattern")
    return unquote_plus(value)


def _contains(prefix: str, address: bytes) -> bool:
    """Return whether a network has the address; an IPv4 network is written without host bits."""
    bad = Failure("INVALID_FUNCTION_ARGUMENT", "Invalid CIDR")
    text, slash, size = prefix.partition("/")
    try:
        start = ipaddress.ip_address(text)
    except ValueError as err:
        raise bad from err
    if not slash or not re.fullmatch(r"\d{1,3}", size) or int(size) > start.max_prefixlen:
        raise bad
    given = ipaddress.IPv6Address(address)
    if start.version == 6:
        return given in ipaddress.IPv6Network(f"{start}/{size}", strict=False)
    try:
        network = ipaddress.IPv4Network(f"{start}/{size}", strict=True)
    except ValueError as err:
        raise bad from err
    return given.ipv4_mapped is not None and given.ipv4_mapped in network


def _ip_prefix(value: object, size: int) -> str:
    text = address_text(value) if isinstance(value, bytes) else str(value)
    try:
        address = ipaddress.ip_address(text)
    except ValueError as err:
        raise Failure("INVALID_CAST_ARGUMENT", f"Cannot cast value to IPADDRESS: {text}") from err
    if not 0 <= size <= address.max_prefixlen:
        raise Failure(
            "INVALID_FUNCTION_ARGUMENT",
            f"IPv{address.version} subnet size must be in range [0, {address.max_prefixlen}]",
        )
    return str(ipaddress.ip_network(f"{address}/{size}", strict=False))


FUNCTIONS = {
    "url_extract_protocol": plain(_part(0)), "url_extract_path": plain(_part(2)), "url_extract_query": plain(_part(3)),
    "url_extract_fragment": plain(_part(4)), "url_extract_host": plain(_host), "url_extract_port": plain(_port),
    "url_extract_parameter": plain(_parameter), "url_encode": plain(_encode), "url_decode": plain(_decode),
    "ip_contains": plain(_contains), "ip_prefix": plain(_ip_prefix),
}  # fmt: skip
