"""Bodies as they arrive (plain or `aws-chunked`), and the checksums that modern SDKs send with them.

MD5, CRC32, SHA1 and SHA256 are computed while the body streams, and compared. CRC32C and CRC64NVME have no
fast code in the standard library: they are kept and given back as the client sent them, not compared.
Checksums of whole multipart objects are combined from those of the parts.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local_mock.s3.errors import S3Error

__all__ = ["BodyDigest", "checksum_of", "combine_crc", "composite", "header_of", "iterate_body"]

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
# Fits the processor's cache. Writes of 1 MiB also make Linux take its largest pages, which a virtual machine has
# often given back to its host: 10 times the system time (2.5 s a GB) on Firecracker, measured 2026-11-21.
BLOCK = 1 << 18
# (bits, reflected polynomial)
_CRCS = {"CRC32": (32, 0xEDB88320), "CRC32C": (32, 0x82F63B78), "CRC64NVME": (64, 0x9A6C9329AC4BC9B5)}


def header_of(algorithm: str) -> str:
    """Return `x-amz-checksum-crc32` and the like."""
    return f"x-amz-checksum-{algorithm.lower()}"


def checksum_of(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """Return (algorithm, FULL_OBJECT or COMPOSITE, base64 value) that an object's headers hold.

    The texts are empty if there are none.
    """
    for algorithm in ALGORITHMS:
        if value := headers.get(header_of(algorithm)):
            return algorithm, headers.get("x-amz-checksum-type", "FULL_OBJECT"), value
    return "", "", ""


class BodyDigest:
    """MD5 and, if wanted, one checksum of bytes that stream by. `size` counts them."""

    def __init__(self, algorithm: str | None = None) -> None:
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha = (
            hashlib.new(algorithm.lower(), usedforsecurity=False) if algorithm in ("SHA1", "SHA256") else None
        )
        self._crc = 0 if algorithm == "CRC32" else None

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self._md5.update(data)
        if self._sha is not None:
            self._sha.update(data)
        elif self._crc is not None:
            self._crc = zlib.crc32(data, self._crc)

    @property
    def md5(self) -> str:
        """Hex MD5: the ETag."""
        return self._md5.hexdigest()

    @property
    def checksum(self) -> str | None:
        """Base64 checksum; None if the algorithm is one that is not computed."""
        if self._sha is not None:
            return base64.b64encode(self._sha.digest()).decode()
        if self._crc is not None:
            return base64.b64encode(self._crc.to_bytes(4, "big")).decode()
        return None


def iterate_body(stream: Any, length: int | None, *, chunked: bool, trailers: dict[str, str]) -> Iterator[bytes]:
    """Yield the object's bytes in blocks of at most 256 KiB.

    `chunked`: the body is `aws-chunked` (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html);
    its trailing headers are put into `trailers`. Raises S3Error if the body ends early.
    """
    if chunked:
        yield from _aws_chunks(stream, trailers)
        return
    left = length
    while left is None or left > 0:
        block = stream.read(BLOCK if left is None else min(BLOCK, left))
        if not block:
            if left:
                raise S3Error("IncompleteBody", f"The body ended {left} bytes before its Content-Length.")
            return
        left = None if left is None else left - len(block)
        yield block


def _aws_chunks(stream: Any, trailers: dict[str, str]) -> Iterator[bytes]:
    short = S3Error("IncompleteBody", "The aws-chunked body ended early or is malformed.")
    while True:
        head = stream.readline(4096)
        try:
            left = int(head.partition(b";")[0], 16)
        except ValueError as err:
            raise short from err
        if left == 0:
            break
        while left:
            block = stream.read(min(BLOCK, left))
            if not block:
                raise short
            left -= len(block)
            yield block
        if stream.read(2) != b"\r\n":
            raise short
    while line := stream.readline(4096).strip():
        name, _, value = line.decode("latin-1").partition(":")
        trailers[name.strip().lower()] = value.strip()


def composite(algorithm: str, parts: Sequence[str]) -> str | None:
    """Return the checksum of the parts' checksums, ``<base64>-<count>``; None if it cannot be computed."""
    digest = BodyDigest(algorithm)
    digest.update(b"".join(base64.b64decode(part) for part in parts))
    value = digest.checksum
    if value is None and algorithm in _CRCS:
        value = _slow_crc(algorithm, b"".join(base64.b64decode(part) for part in parts))
    return value and f"{value}-{len(parts)}"


def _slow_crc(algorithm: str, data: bytes) -> str:
    bits, polynomial = _CRCS[algorithm]
    crc = mask = (1 << bits) - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
    return base64.b64encode((crc ^ mask).to_bytes(bits // 8, "big")).decode()


def combine_crc(algorithm: str, parts: Sequence[tuple[str, int]]) -> str | None:
    """Return the CRC of the concatenation, from (base64 CRC, size in bytes) of each part; None if it is no CRC.

    The method of zlib's `crc32_combine`: appending n zero bytes is a linear map over GF(2), squared up.
    """
    if algorithm not in _CRCS or not parts:
        return None
    bits, polynomial = _CRCS[algorithm]
    total = int.from_bytes(base64.b64decode(parts[0][0]), "big")
    for encoded, size in parts[1:]:
        total = _shift(total, size, bits, polynomial) ^ int.from_bytes(base64.b64decode(encoded), "big")
    return base64.b64encode(total.to_bytes(bits // 8, "big")).decode()


def _shift(crc: int, n_bytes: int, bits: int, polynomial: int) -> int:
    """Return the CRC register after `n_bytes` zero bytes."""
    matrix = [polynomial, *(1 << n for n in range(bits - 1))]  # one zero bit

    def times(vector: int) -> int:
        result, n = 0, 0
        while vector:
            if vector & 1:
                result ^= matrix[n]
            vector >>= 1
            n += 1
        return result

    left = n_bytes * 8
    while left:
        if left & 1:
            crc = times(crc)
        matrix = [times(column) for column in matrix]
        left >>= 1
    return crc
