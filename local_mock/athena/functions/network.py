"""Addresses and URLs.

Source: https://trino.io/docs/current/functions/url.html and ipaddress.html, Trino's UrlFunctions, IpAddressFunctions.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote_plus, unquote_plus

from local_mock.athena.functions.casts import address_text
from local_mock.athena.functions.define import plain
from local_mock.athena.functions.moments import Failure

__all__ = ["FUNCTIONS"]

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})|[\s<>\"{}|\\^`]")


def _parts(url: str) -> tuple[str | None, ...] | None:
    """(protocol, authority, path, query, fragment), None for no URL (java.net.URI refuses it)."""
    match = _URL.fullmatch(url)
    return None if match is None or _BROKEN.search(url) else match.groups()


def _part(index: int) -> object:
    def part(url: str) -> str | None:
        parts = _parts(url)
        return None if parts is None else unquote(parts[index] or "", index)

    return part


def unquote(value: str, index: int) -> str:
    """Return the path, the query and the fragment are given decoded, the protocol as it is."""
    from urllib.parse import unquote as decode

    return decode(value) if index in (2, 3, 4) else value


def _host(url: str) -> str | None:
    parts = _parts(url)
    if parts is None:
        return None
    return re.sub(r":\d*$", "", (parts[1] or "").rpartition("@")[2])


def _port(url: str) -> int | None:
    parts = _parts(url)
    match = re.search(r":(\d+)$", (parts[1] or "") if parts else "")
    return int(match.group(1)) if match else None


def _parameter(url: str, name: str) -> str | None:
    parts = _parts(url)
    for pair in ((parts[3] or "") if parts else "").split("&"):
        key, _, value = pair.partition("=")
        if unquote_plus(key) == name and pair:
            return unquote_plus(value)
    return None


def _encode(value: str) -> str:
    return quote_plus(value, safe="*-._").replace("~", "%7E")


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
    "url_extract_protocol": plain(_part(0)), "url_extract_path": plain(_part(2)), "url_extract_query": plain(_part(3)),  # type: ignore[arg-type]
    "url_extract_fragment": plain(_part(4)), "url_extract_host": plain(_host), "url_extract_port": plain(_port),  # type: ignore[arg-type]
    "url_extract_parameter": plain(_parameter), "url_encode": plain(_encode), "url_decode": plain(unquote_plus),
    "ip_contains": plain(_contains), "ip_prefix": plain(_ip_prefix),
}  # fmt: skip
