"""String functions as Trino computes them. Lengths and positions are in code points.

Source: https://trino.io/docs/current/functions/string.html, Trino's StringFunctions and FormatFunction.
"""

# ruff: noqa: E501, PLR0912 - one line a message or table; one branch a kind
from __future__ import annotations

import decimal
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]

_LONGEST = 1_048_576  # bytes of a result that pads or repeats; Trino fails beyond its page size
_BLANKS = " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u2028\u2029\u205f\u3000"


def _bad(message: str) -> Failure:
    return Failure("INVALID_FUNCTION_ARGUMENT", message)


def _like(value: str, pattern: str, escape: str | None = None) -> bool:
    return _like_pattern(pattern, escape).fullmatch(value) is not None


def _like_pattern(pattern: str, escape: str | None) -> re.Pattern[str]:
    key = (pattern, escape)
    compiled = _LIKES.get(key)
    if compiled is None:
        if escape is not None and len(escape) > 1:
            raise _bad("Escape string must be a single character")
        out, chars = "", iter(pattern)
        for char in chars:
            if escape and char == escape:
                char = next(chars, "")  # noqa: PLW2901
                if char not in ("%", "_", escape):
                    raise _bad("Escape character must be followed by '%', '_' or the escape character itself")
                out += re.escape(char)
            else:
                out += ".*" if char == "%" else "." if char == "_" else re.escape(char)
        if len(_LIKES) > 1000:
            _LIKES.clear()
        compiled = _LIKES[key] = re.compile(out, re.DOTALL)
    return compiled


_LIKES: dict[tuple[str, str | None], re.Pattern[str]] = {}


def _pad(left: bool) -> Callable[[str, int, str], str]:
    def pad(value: str, size: int, filler: str) -> str:
        if not 0 <= size <= 2**31 - 1:
            raise _bad("Target length must be in the range [0..2147483647]")
        if not filler:
            raise _bad("Padding string must not be empty")
        if size <= len(value):
            return value[:size]
        if size > _LONGEST:
            raise _bad(f"Padded string of {size} characters exceeds the limit of {_LONGEST}")
        extra = size - len(value)
        padding = (filler * (extra // len(filler) + 1))[:extra]
        return padding + value if left else value + padding

    return pad


def _substr(value: str, start: int, length: int | None = None) -> str:
    if start == 0 or (length is not None and length <= 0):
        return ""
    begin = start - 1 if start > 0 else len(value) + start
    if begin < 0 or begin >= len(value):
        return ""
    return value[begin:] if length is None else value[begin : begin + length]


def _strpos(value: str, part: str, instance: int = 1) -> int:
    if instance == 0:
        raise _bad("'instance' must not be a positive or negative number.")
    if not part:
        return 1
    position = -1
    if instance > 0:
        for _ in range(instance):
            position = value.find(part, position + 1)
            if position < 0:
                return 0
        return position + 1
    end = len(value)
    for _ in range(-instance):
        position = value.rfind(part, 0, end + len(part) - 1 if end < len(value) else None)
        if position < 0:
            return 0
        end = position
    return position + 1


def _split(value: str, delimiter: str, limit: int | None = None) -> list[str]:
    if limit is not None and limit <= 0:
        raise _bad("Limit must be positive")
    if limit is not None and limit > 2**31 - 1:
        raise _bad("Limit is too large")
    if not delimiter:
        raise _bad("The delimiter may not be the empty string")
    return value.split(delimiter, -1 if limit is None else limit - 1)


def _split_part(value: str, delimiter: str, index: int) -> str | None:
    if index <= 0:
        raise _bad("Index must be greater than zero")
    parts = list(value) or [""] if not delimiter else value.split(delimiter)
    if not delimiter:
        return value[index - 1] if index <= len(value) else None
    return parts[index - 1] if index <= len(parts) else None


def _split_pairs(value: str, entries: str, pairs: str) -> list[tuple[str, str]]:
    if not entries:
        raise _bad("entryDelimiter is empty")
    if not pairs:
        raise _bad("keyValueDelimiter is empty")
    if entries == pairs:
        raise _bad("entryDelimiter and keyValueDelimiter must not be the same")
    items = []
    pieces = value.split(entries)
    for i, piece in enumerate(pieces):
        if not piece and i == len(pieces) - 1:
            continue
        key, middle, rest = piece.partition(pairs)
        if not middle or pairs in rest:
            raise _bad(f"Key-value delimiter must appear exactly once in each entry. Bad input: '{piece}'")
        items.append((key, rest))
    return items


def _split_to_map(value: str, entries: str, pairs: str) -> list[tuple[str, str]]:
    items = _split_pairs(value, entries, pairs)
    seen: set[str] = set()
    for key, _ in items:
        if key in seen:
            raise _bad(f"Duplicate keys ({key}) are not allowed. Specify a lambda to resolve conflicts.")
        seen.add(key)
    return items


def _split_to_multimap(value: str, entries: str, pairs: str) -> list[tuple[str, list[str]]]:
    merged: dict[str, list[str]] = {}
    for key, item in _split_pairs(value, entries, pairs):
        merged.setdefault(key, []).append(item)
    return list(merged.items())


def _replace(value: str, old: str, new: str = "") -> str:
    if not old:
        return new + "".join(char + new for char in value)
    return value.replace(old, new)


def _chr(code: int) -> str:
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise _bad(f"Not a valid Unicode code point: {code}")
    return chr(code)


def _codepoint(value: str) -> int:
    if len(value) != 1:
        raise _bad("Input string must be a single character string")
    return ord(value)


def _translate(value: str, old: str, new: str) -> str:
    table: dict[int, str | None] = {}
    for i, char in enumerate(old):
        table.setdefault(ord(char), new[i] if i < len(new) else None)
    return value.translate(table)


def _levenshtein(a: str, b: str) -> int:
    if len(a) * len(b) > 1_000_000:
        raise _bad(
            f"The combined inputs size exceeded max Levenshtein distance combined input size, code units {len(a)}, {len(b)}"
        )
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def _hamming(a: str, b: str) -> int:
    if len(a) != len(b):
        raise _bad("The input strings to hamming_distance function must have the same length")
    return sum(x != y for x, y in zip(a, b, strict=True))


def _normalize(value: str, form: str = "NFC") -> str:
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise _bad("Normalization form must be one of [NFD, NFC, NFKD, NFKC]")
    return unicodedata.normalize(form, value)  # type: ignore[arg-type]


def _soundex(value: str) -> str:
    letters = [c for c in value.upper() if c.isalpha()]
    if not letters:
        return ""
    if any(not ("A" <= c <= "Z") for c in letters):
        raise _bad("The character is not mapped")
    codes = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "01230120022455012623010202", strict=True))
    out, last = letters[0], codes[letters[0]]
    for char in letters[1:]:
        code = codes[char]
        if char in "HW":
            continue
        if code not in ("0", last):
            out += code
        last = code
    return out[:4].ljust(4, "0")


def _luhn(value: str) -> bool:
    if value and not (value.isdigit() and value.isascii()):
        raise _bad("Invalid input: digits only")
    total = 0
    for i, char in enumerate(reversed(value)):
        digit = int(char) * (2 if i % 2 else 1)
        total += digit - 9 if digit > 9 else digit
    return bool(value) and total % 10 == 0


def _concat_ws(separator: str | None, *values: str | None) -> str | None:
    return None if separator is None else separator.join(v for v in values if v is not None)


def _concat_ws_array(separator: str, values: list[str | None]) -> str:
    return separator.join(v for v in values if v is not None)


def _trim(side: str) -> Callable[..., str]:
    def trim(value: str, characters: str | None = None) -> str:
        if characters is not None and not characters:
            return value
        chosen = _BLANKS if characters is None else characters
        if side == "left":
            return value.lstrip(chosen)
        return value.rstrip(chosen) if side == "right" else value.strip(chosen)

    return trim


def _upper(value: str) -> str:
    return "".join(map(_upper_letter, value))


def _lower(value: str) -> str:
    return "".join(map(_lower_letter, value))


def _upper_letter(char: str) -> str:
    """Return Java's Character.toUpperCase: one code point, where Python gives several (``ß``, ``ᾳ``)."""
    return next((changed for changed in (char.upper(), char.title()) if len(changed) == 1), char)


def _lower_letter(char: str) -> str:
    """Return Java's Character.toLowerCase; Python gives ``İ`` a second code point, the dot."""
    return char.lower()[:1]


def _repeated(value: str, count: int) -> str:
    return value * count


# --- format -----------------------------------------------------------------------------------------------
_FORMAT = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(<]*)(\d+)?(?:\.(\d+))?([tT]?[a-zA-Z%])")


def _grouped(digits: str) -> str:
    whole, dot, part = digits.partition(".")
    return f"{int(whole):,}" + dot + part if whole else digits


def _format(arguments: list[Type], _result: Type) -> Callable[..., str]:
    kinds = arguments[1:]

    def show(pattern: str, *values: Any) -> str:
        following = 0

        def one(match: re.Match[str]) -> str:
            nonlocal following
            index, flags, width, precision, conversion = match.groups()
            if conversion == "%":
                return "%".rjust(int(width or 0))
            if conversion == "n":
                return "\n"
            place = int(index) - 1 if index else following
            following += not index
            if place >= len(values):
                raise _bad(f"Invalid format string: {pattern}")
            return _formatted(values[place], kinds[place], flags, int(width or 0), precision, conversion, pattern)

        rest = _FORMAT.sub("", pattern)
        if "%" in rest:
            raise _bad(f"Invalid format string: {pattern}")
        return _FORMAT.sub(one, pattern)

    return show


def _java_text(value: Any, kind: Type) -> str:
    """Return the text (`toString`) of the Java object that Trino hands to String.format."""
    from local_mock.athena.functions.casts import shower

    if kind.base == "time":
        return _java_clock(value)
    if kind.base == "timestamp":
        return f"{m.show_date(value // m.DAY)}T{_java_clock(value % m.DAY)}"
    if kind.base == "timestamp with time zone":
        local, offset = m.to_local(*value), m.offset_of(*value)
        rest = f":{abs(offset) % 60:02d}" if offset % 60 else ""
        shown = "Z" if offset == 0 else m.show_zone_offset(int(offset / 60)) + rest
        region = "" if value[1][0] in "+-" else f"[{value[1]}]"
        return f"{m.show_date(local // m.DAY)}T{_java_clock(local % m.DAY)}{shown}{region}"
    return str(shower(kind)(value))


def _java_clock(picos: int) -> str:
    """java.time.LocalTime.toString: no seconds if they are 0, then 3, 6 or 9 digits."""
    text = m.show_time(picos, 9)
    clock, _, digits = text.partition(".")
    while digits.endswith("000"):
        digits = digits[:-3]
    if not digits:
        return clock.removesuffix(":00")
    return f"{clock}.{digits}"


_WIDEST = 10_000  # a width or a precision


def _formatted(
    value: Any, kind: Type, flags: str, width: int, precision: str | None, conversion: str, pattern: str
) -> str:
    bad = _bad(f"Invalid format string: {pattern} ({kind})")
    if max(width, int(precision or 0)) > _WIDEST:
        raise Failure(
            "NOT_SUPPORTED", f"format() of more than {_WIDEST} characters is not supported by local_mock"
        )
    lower = conversion.lower()
    if lower[0] == "t":
        raise Failure("NOT_SUPPORTED", "date conversions in format() are not supported by local_mock")
    if value is None:
        text = "null"
    elif lower == "s":
        text = _java_text(value, kind)
        text = text if precision is None else text[: int(precision)]
    elif lower == "d":
        if not kind.is_integer:
            raise bad
        text = f"{abs(value):,}" if "," in flags else str(abs(value))
    elif lower in ("x", "o"):
        if not kind.is_integer:
            raise bad
        bits = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}[kind.base]
        text = format(value % (1 << bits), lower)
    elif lower in ("f", "e", "g"):
        text = _floating(value, kind, flags, precision, lower, bad)
    elif lower == "b":
        text = ("true" if value else "false") if kind.base == "boolean" else "true"
    elif lower == "c":
        if not kind.is_integer:
            raise bad
        text = chr(value)
    else:
        raise bad
    if value is not None and lower in ("d", "f", "e", "g") and text not in ("NaN", "Infinity"):
        negative = value < 0 or (isinstance(value, float) and math.copysign(1, value) < 0)
        if negative and "(" in flags:
            text = f"({text})"
        else:
            text = ("-" if negative else "+" if "+" in flags else " " if " " in flags else "") + text
        if "0" in flags and len(text) < width:
            sign = text[0] if text[0] in "+- (" else ""
            text = sign + text[len(sign) :].rjust(width - len(sign), "0")
    if conversion.isupper():
        text = text.upper()
    return text.ljust(width) if "-" in flags else text.rjust(width)


def _floating(value: Any, kind: Type, flags: str, precision: str | None, lower: str, bad: Failure) -> str:
    if kind.base not in ("real", "double", "decimal"):
        raise bad
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    exact = decimal.Decimal(repr(value)) if isinstance(value, float) else value
    digits = int(precision) if precision is not None else 6
    with decimal.localcontext(prec=400 + digits, rounding=decimal.ROUND_HALF_UP):
        if lower == "e":
            text = f"{float(abs(exact)):.{digits}e}"
        elif lower == "g":
            digits = digits or 1
            size = abs(exact)
            if size == 0 or decimal.Decimal("1e-4") <= size < decimal.Decimal(10) ** digits:
                whole = max(len(str(int(size))), 1) if size >= 1 else 0
                places = (
                    digits - whole
                    if size >= 1
                    else digits - 1 - (size.adjusted() if size else -1) - (0 if size else 1)
                )
                text = f"{size.quantize(decimal.Decimal(1).scaleb(-max(places, 0)), decimal.ROUND_HALF_UP):f}"
            else:
                text = f"{float(size):.{digits - 1}e}"
        else:
            text = f"{abs(exact).quantize(decimal.Decimal(1).scaleb(-digits), decimal.ROUND_HALF_UP):f}"
    return _grouped(text) if "," in flags else text


_SUFFIXES = ("", "K", "M", "B", "T", "Q")


def _format_number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    size = abs(decimal.Decimal(repr(value)) if isinstance(value, float) else decimal.Decimal(value))
    step = 0
    while size >= 1000 and step < len(_SUFFIXES) - 1:
        size, step = size / 1000, step + 1
    places = 2 if size < 10 or size >= 1000 else 1 if size < 100 else 0
    text = f"{size.quantize(decimal.Decimal(1).scaleb(-places), decimal.ROUND_HALF_UP):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'-' if value < 0 else ''}{text}{_SUFFIXES[step]}"


def _data_size(text: str) -> decimal.Decimal:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    units = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
    if match is None or match.group(2) not in units:
        raise _bad(f"Invalid data size: '{text}'")
    with decimal.localcontext(prec=80):
        size = int(decimal.Decimal(match.group(1)) * decimal.Decimal(1024) ** units.index(match.group(2)))
    if size >= 10**38:
        raise Failure("NUMERIC_VALUE_OUT_OF_RANGE", f"Value out of range: '{text}'")
    return decimal.Decimal(size)


def _starts(value: str, prefix: str) -> bool:
    return value.startswith(prefix)


def _unicode_literal(value: str) -> str:
    return value


FUNCTIONS = {
    "like": plain(_like), "lpad": plain(_pad(True)), "rpad": plain(_pad(False)), "substr": plain(_substr),
    "strpos": plain(_strpos), "split": plain(_split), "split_part": plain(_split_part), "split_to_map": plain(_split_to_map),
    "split_to_multimap": plain(_split_to_multimap), "replace": plain(_replace), "chr": plain(_chr),
    "codepoint": plain(_codepoint), "translate": plain(_translate), "levenshtein_distance": plain(_levenshtein),
    "hamming_distance": plain(_hamming), "normalize": plain(_normalize), "soundex": plain(_soundex),
    "luhn_check": plain(_luhn), "concat_ws": plain(_concat_ws, nulls=True), "concat_ws_array": plain(_concat_ws_array),
    "trim": plain(_trim("both")), "ltrim": plain(_trim("left")), "rtrim": plain(_trim("right")), "upper": plain(_upper),
    "lower": plain(_lower), "format": generic(_format, nulls=True), "format_number": plain(_format_number),
    "parse_data_size": plain(_data_size), "starts_with": plain(_starts), "reverse_text": plain(lambda v: v[::-1]),
    "split_pairs": plain(_split_pairs), "text_length": plain(len), "text_repeat": plain(_repeated),
}  # fmt: skip
