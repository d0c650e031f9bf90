"""Binary, hash and bitwise functions.

Source: https://trino.io/docs/current/functions/binary.html and bitwise.html, Trino's VarbinaryFunctions, BitwiseFunctions.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import zlib
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MASK = (1 << 64) - 1


def _bad(message: str) -> Failure:
    return Failure("INVALID_FUNCTION_ARGUMENT", message)


def _signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _from_hex(value: Any) -> bytes:
    value = value.decode("latin-1") if isinstance(value, bytes) else value
    if len(value) % 2:
        raise _bad("expected an even number of hex digits")
    try:
        return binascii.unhexlify(value)
    except (binascii.Error, ValueError) as err:
        raise _bad(f"invalid hex character in {value}") from err


def _from_base64(value: Any, *, url: bool = False) -> bytes:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if url:
        text = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as err:
        raise _bad(f"Illegal base64 character or length in {text!r}") from err


def _from_base32(value: Any) -> bytes:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not text:
        return b""
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError) as err:
        raise _bad(f"Invalid input: {text}") from err


def _from_utf8(value: bytes, replacement: Any = "\ufffd") -> str:
    if isinstance(replacement, int):
        if not 0 <= replacement <= 0x10FFFF or 0xD800 <= replacement <= 0xDFFF:
            raise _bad("Invalid replacement character")
        replacement = chr(replacement)
    if len(replacement) > 1:
        raise _bad("Replacement character string must empty or a single character")
    out, position = "", 0
    while True:
        try:
            return out + value[position:].decode("utf-8")
        except UnicodeDecodeError as err:
            out += value[position : position + err.start].decode("utf-8") + replacement
            position += err.end


def _to_base(value: int, radix: int) -> str:
    _radix(radix)
    digits, left = "", abs(value)
    while left:
        left, digit = divmod(left, radix)
        digits = _DIGITS[digit] + digits
    return ("-" if value < 0 else "") + (digits or "0")


def _from_base(value: str, radix: int) -> int:
    _radix(radix)
    try:
        if "_" in value or value != value.strip():
            raise ValueError
        number = int(value, radix)
    except ValueError as err:
        raise _bad(f"Not a valid base-{radix} number: {value}") from err
    if not -(1 << 63) <= number < 1 << 63:
        raise _bad(f"Not a valid base-{radix} number: {value}")
    return number


def _radix(radix: int) -> None:
    if not 2 <= radix <= 36:
        raise _bad("Radix must be between 2 and 36")


def _bit_count(value: int, bits: int) -> int:
    if bits == 64:
        return (value & _MASK).bit_count()
    if not 2 <= bits <= 64:
        raise _bad(f"Bits specified in bit_count must be between 2 and 64, got {bits}")
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise _bad(
            f"Number must be representable with the bits specified. {value} cannot be represented with {bits} bits"
        )
    return (value & ((1 << bits) - 1)).bit_count()


_BITS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}


def _shift(kind: str) -> Callable[..., Callable[..., int]]:
    def make(arguments: list[Type], _result: Type) -> Callable[[int, int], int]:
        bits = _BITS[arguments[0].base]

        def shift(value: int, count: int) -> int:
            if count < 0:
                raise _bad(f"Shift count must not be negative: {count}")
            if kind == "left":
                return 0 if count >= bits else _signed(value << count, bits)
            if kind == "arithmetic":
                return value >> min(count, bits - 1)
            return 0 if count >= bits else _signed((value & ((1 << bits) - 1)) >> count, bits)

        return shift

    return make


def _unpack(pattern: str, size: int) -> Callable[[bytes], Any]:
    def unpack(value: bytes) -> Any:
        if len(value) != size:
            raise _bad(f"expected {size}-byte input, but got instead: {len(value)}")
        return struct.unpack(pattern, value)[0]

    return unpack


# --- hashes -----------------------------------------------------------------------------------------------
_P1, _P2, _P3, _P4, _P5 = (
    11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261,
)  # fmt: skip


def _rotate(value: int, count: int) -> int:
    return ((value << count) | (value >> (64 - count))) & _MASK


def _xx_round(total: int, lane: int) -> int:
    return _rotate((total + lane * _P2) & _MASK, 31) * _P1 & _MASK


def xxhash64(data: bytes, seed: int = 0) -> int:
    """Return the 64-bit xxHash of `data`, unsigned."""
    length, position = len(data), 0
    if length >= 32:
        lanes = [(seed + _P1 + _P2) & _MASK, (seed + _P2) & _MASK, seed, (seed - _P1) & _MASK]
        while position + 32 <= length:
            words = struct.unpack_from("<4Q", data, position)
            lanes = [_xx_round(a, w) for a, w in zip(lanes, words, strict=True)]
            position += 32
        total = sum(_rotate(a, r) for a, r in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            total = ((total ^ _xx_round(0, lane)) * _P1 + _P4) & _MASK
    else:
        total = (seed + _P5) & _MASK
    total = (total + length) & _MASK
    while position + 8 <= length:
        (word,) = struct.unpack_from("<Q", data, position)
        total = (_rotate(total ^ _xx_round(0, word), 27) * _P1 + _P4) & _MASK
        position += 8
    if position + 4 <= length:
        (word,) = struct.unpack_from("<I", data, position)
        total = (_rotate(total ^ (word * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        position += 4
    for byte in data[position:]:
        total = _rotate(total ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    total = ((total ^ (total >> 33)) * _P2) & _MASK
    total = ((total ^ (total >> 29)) * _P3) & _MASK
    return total ^ (total >> 32)


def _murmur3(data: bytes) -> bytes:
    c1, c2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
    h1 = h2 = 0

    def mix(k: int) -> int:
        k = ((k ^ (k >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
        k = ((k ^ (k >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
        return k ^ (k >> 33)

    blocks = len(data) // 16
    for i in range(blocks):
        k1, k2 = struct.unpack_from("<QQ", data, i * 16)
        h1 ^= _rotate(k1 * c1 & _MASK, 31) * c2 & _MASK
        h1 = ((_rotate(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _rotate(k2 * c2 & _MASK, 33) * c1 & _MASK
        h2 = ((_rotate(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    tail = data[blocks * 16 :].ljust(16, b"\0")
    k1, k2 = struct.unpack("<QQ", tail)
    if len(data) % 16:
        h2 ^= _rotate(k2 * c2 & _MASK, 33) * c1 & _MASK
        h1 ^= _rotate(k1 * c1 & _MASK, 31) * c2 & _MASK
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1, h2 = mix(h1), mix(h2)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    return struct.pack("<QQ", h1, h2)


def _checksum(arguments: list[Type], _result: Type) -> Callable[..., bytes | None]:
    """Return the sum of the hashes of the values."""
    kind = arguments[0].args[0]
    if kind.base not in (
        "bigint",
        "integer",
        "smallint",
        "tinyint",
        "varchar",
        "varbinary",
        "boolean",
        "double",
        "date",
    ):
        raise Failure("NOT_SUPPORTED", f"checksum of {kind} is not supported by local_mock")

    def hashed(value: Any) -> int:
        if kind.base == "boolean":
            return 1231 if value else 1237
        if kind.base == "double":
            return xxhash64(struct.pack("<d", value + 0.0))
        if isinstance(value, int):
            return (_rotate(value * 0xC2B2AE3D27D4EB4F & _MASK, 31) * 0x9E3779B185EBCA87) & _MASK
        return xxhash64(value.encode() if isinstance(value, str) else value)

    def total(values: list[Any]) -> bytes | None:
        if not values:
            return None
        out = sum(0x9E3779B185EBCA87 if v is None else hashed(v) * 0x9E3779B185EBCA87 for v in values)
        return struct.pack("<Q", out & _MASK)

    return total


def _hmac(name: str) -> Callable[[bytes, bytes], bytes]:
    return lambda data, key: hmac.new(key, data, name).digest()


FUNCTIONS = {
    "from_hex": plain(_from_hex), "from_base64": plain(_from_base64), "from_base64url": plain(lambda v: _from_base64(v, url=True)),
    "to_base64": plain(lambda v: base64.b64encode(v).decode()),
    "to_base64url": plain(lambda v: base64.urlsafe_b64encode(v).decode()), "to_base32": plain(lambda v: base64.b32encode(v).decode()),
    "from_base32": plain(_from_base32), "from_utf8": plain(_from_utf8), "to_base": plain(_to_base), "from_base": plain(_from_base),
    "bit_count": plain(_bit_count), "shift_left": generic(_shift("left")), "shift_right": generic(_shift("logical")),
    "shift_right_arithmetic": generic(_shift("arithmetic")),
    "to_big_endian_64": plain(lambda v: struct.pack(">q", v)), "to_big_endian_32": plain(lambda v: struct.pack(">i", v)),
    "from_big_endian_64": plain(_unpack(">q", 8)), "from_big_endian_32": plain(_unpack(">i", 4)),
    "to_ieee754_64": plain(lambda v: struct.pack(">d", v)), "to_ieee754_32": plain(lambda v: struct.pack(">f", v)),
    "from_ieee754_64": plain(_unpack(">d", 8)), "from_ieee754_32": plain(_unpack(">f", 4)),
    "crc32": plain(zlib.crc32), "xxhash64": plain(lambda v: struct.pack(">Q", xxhash64(v))), "murmur3": plain(_murmur3),
    **{name: plain(lambda v, n=name: hashlib.new(n, v, usedforsecurity=False).digest()) for name in ("md5", "sha1", "sha256", "sha512")},
    **{f"hmac_{name}": plain(_hmac(name)) for name in ("md5", "sha1", "sha256", "sha512")},
    "checksum": generic(_checksum), "binary_concat": plain(lambda *v: b"".join(v)), "binary_reverse": plain(lambda v: v[::-1]),
    "binary_substr": plain(lambda v, start, length=None: _substr(v, start, length)), "binary_pad_left": plain(lambda v, n, p: _pad(v, n, p, left=True)),
    "binary_pad_right": plain(lambda v, n, p: _pad(v, n, p, left=False)),
}  # fmt: skip


def _substr(value: bytes, start: int, length: int | None) -> bytes:
    if start == 0 or (length is not None and length <= 0):
        return b""
    begin = start - 1 if start > 0 else len(value) + start
    if begin < 0 or begin >= len(value):
        return b""
    return value[begin:] if length is None else value[begin : begin + length]


def _pad(value: bytes, size: int, filler: bytes, *, left: bool) -> bytes:
    if not 0 <= size <= 2**31 - 1:
        raise _bad("Target length must be in the range [0..2147483647]")
    if not filler:
        raise _bad("Padding bytes must not be empty")
    if size <= len(value):
        return value[:size]
    if size > 1_048_576:
        raise _bad(f"Padded bytes of {size} exceed the limit of 1048576")
    extra = size - len(value)
    padding = (filler * (extra // len(filler) + 1))[:extra]
    return padding + value if left else value + padding
