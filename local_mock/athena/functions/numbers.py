"""Mathematical functions where Java's answer is not DuckDB's.

Source: https://trino.io/docs/current/functions/math.html, Trino's MathFunctions.
"""

# ruff: noqa: E501, S311 - one line a message or table; random() of SQL is no secret
from __future__ import annotations

import decimal
import itertools
import math
import operator
import random
from collections.abc import Callable

from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]


def _bad(message: str) -> Failure:
    return Failure("INVALID_FUNCTION_ARGUMENT", message)


def _exact(value: float, *, single: bool) -> decimal.Decimal:
    """Return the shortest decimal text of a float, as a number."""
    from local_mock.athena.functions.casts import float_text

    return decimal.Decimal(float_text(value, single=single))


def _round(arguments: list[Type], _result: Type) -> Callable[[float, int], float]:
    """Return Java's Math.round of the scaled number: 1.005 is below its text, and becomes 1.0."""
    single = arguments[0].base == "real"

    def run(value: float, digits: int) -> float:
        scaled = abs(value) * 10.0**digits if -300 <= digits <= 300 else math.inf
        if not math.isfinite(value) or digits > 300 or scaled >= 2.0**63:
            return value
        if single:
            scaled = float(_exact(scaled, single=True))
        return math.copysign(math.floor(scaled + 0.5) / 10.0**digits, value) if digits >= -300 else 0.0

    return run


def _rounded(mode: str) -> Callable[..., Callable[..., float]]:
    def make(arguments: list[Type], _result: Type) -> Callable[..., float]:
        single = arguments[0].base == "real"

        def run(value: float, digits: int = 0) -> float:
            if not math.isfinite(value) or digits > 330:
                return value
            with decimal.localcontext(prec=800):
                cut = _exact(value, single=single).quantize(decimal.Decimal(1).scaleb(-max(digits, -400)), mode)
            return float(cut)

        return run

    return make


def _round_integer(arguments: list[Type], _result: Type) -> Callable[[int, int], int]:
    bits = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}[arguments[0].base]

    def run(value: int, digits: int) -> int:
        if digits >= 0:
            return value
        if digits < -18:
            raise Failure("NUMERIC_VALUE_OUT_OF_RANGE", "numerical overflow")
        unit: int = 10 ** min(-digits, 40)
        rounded = (abs(value) + unit // 2) // unit * unit * (1 if value >= 0 else -1)
        if not -(1 << bits) <= rounded < 1 << bits:
            raise Failure("NUMERIC_VALUE_OUT_OF_RANGE", f"numerical overflow: {rounded}")
        return rounded

    return run


def _pow(base: float, exponent: float) -> float:
    """Return Java's Math.pow."""
    if exponent == 0:
        return 1.0
    if math.isnan(base) or math.isnan(exponent) or (abs(base) == 1 and math.isinf(exponent)):
        return math.nan
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        if base == 0:
            return -math.inf if math.copysign(1, base) < 0 and exponent % 2 == 1 else math.inf
        return math.nan


def _cbrt(value: float) -> float:
    if not math.isfinite(value) or value == 0:
        return value
    with decimal.localcontext(prec=40):  # the C library's is off by one unit for 27
        root = (decimal.Decimal(abs(value)).ln() / 3).exp()
    return math.copysign(float(round(root, 30)), value)


def _mod(a: float, b: float) -> float:
    if b == 0 or math.isinf(a) or math.isnan(a) or math.isnan(b):
        return math.nan
    return a if math.isinf(b) else math.fmod(a, b)


def _width_bucket(value: float, low: float, high: float, count: int) -> int:
    if count <= 0:
        raise _bad("bucketCount must be greater than 0")
    if math.isnan(value):
        raise _bad("operand must not be NaN")
    if not math.isfinite(low):
        raise _bad("first bound must be finite")
    if not math.isfinite(high):
        raise _bad("second bound must be finite")
    if low == high:
        raise _bad("bounds cannot equal each other")
    bottom, top = min(low, high), max(low, high)
    if value < bottom:
        result = 0
    elif value >= top:
        result = count + 1
    else:
        result = int(count * (value - bottom) / (top - bottom) + 1)
    result = count - result + 1 if low > high else result
    if not -(1 << 63) <= result < 1 << 63:
        raise Failure("NUMERIC_VALUE_OUT_OF_RANGE", f"Bucket for value {value} is out of range")
    return result


def _width_bucket_array(value: float, bins: list[float | None]) -> int:
    if not bins:
        raise _bad("Bins cannot be an empty array")
    if any(b is None for b in bins):
        raise _bad("Bin values cannot be NULL")
    edges = [b for b in bins if b is not None]
    if math.isnan(value):
        raise _bad("Operand cannot be NaN")
    if not all(map(math.isfinite, edges)):
        raise _bad("Bin value must be finite")
    if any(a > b for a, b in itertools.pairwise(edges)):
        raise _bad("Bin values are not sorted in ascending order")
    return sum(b <= value for b in edges)


def _random_below(bound: int) -> int:
    if bound <= 0:
        raise _bad("bound must be positive")
    return random.randrange(bound)


def _random_between(low: int, high: int) -> int:
    if low >= high:
        raise _bad("start value must be less than stop value")
    return random.randrange(low, high)


def _normal_cdf(mean: float, deviation: float, value: float) -> float:
    if not deviation > 0:
        raise _bad("standardDeviation must be > 0")
    return 0.5 * (1 + math.erf((value - mean) / (deviation * math.sqrt(2))))


def _inverse_normal_cdf(mean: float, deviation: float, share: float) -> float:
    import statistics

    if not 0 < share < 1:
        raise _bad("p must be 0 > p > 1")
    if not deviation > 0:
        raise _bad("standardDeviation must be > 0")
    return mean + deviation * statistics.NormalDist().inv_cdf(share)


def _wilson(sign: int) -> Callable[[int, int, float], float]:
    def bound(successes: int, trials: int, z: float) -> float:
        if successes < 0:
            raise _bad("number of successes must not be negative")
        if trials <= 0:
            raise _bad("number of trials must be positive")
        if successes > trials:
            raise _bad("number of successes must not be larger than number of trials")
        if z < 0:
            raise _bad("z-score must not be negative")
        share = successes / trials
        middle = share + z * z / (2 * trials)
        spread = z * math.sqrt((share * (1 - share) + z * z / (4 * trials)) / trials)
        return (middle + sign * spread) / (1 + z * z / trials)

    return bound


def _dot(a: list[float | None], b: list[float | None]) -> float | None:
    if len(a) != len(b):
        raise _bad("The arguments must have the same length")
    if None in a or None in b:
        return None
    return math.fsum(x * y for x, y in zip(a, b, strict=True) if x is not None and y is not None)


def _cosine(a: list[float | None], b: list[float | None]) -> float | None:
    dot, aa, bb = _dot(a, b), _dot(a, a), _dot(b, b)
    if dot is None or aa is None or bb is None:
        return None
    if not aa or not bb:
        raise _bad("Vector magnitude cannot be zero")
    return dot / (math.sqrt(aa) * math.sqrt(bb))


def _cosine_of_maps(a: list[tuple[str, float | None]], b: list[tuple[str, float | None]]) -> float | None:
    """Return the cosine of the angle between two sparse vectors; NaN if one of them has no length."""
    left, right = dict(a), dict(b)
    if None in left.values() or None in right.values():
        return None
    keys = [*left, *(key for key in right if key not in left)]
    x, y = ([float(vector.get(key) or 0.0) for key in keys] for vector in (left, right))
    norms = math.hypot(*x) * math.hypot(*y)
    return sum(map(operator.mul, x, y)) / norms if norms else math.nan


def _central(values: list[float | None], power: int) -> tuple[int, float, float]:
    present = [v for v in values if v is not None]
    if not present:
        return 0, 0.0, 0.0
    mean = math.fsum(present) / len(present)
    return (
        len(present),
        math.fsum((v - mean) ** 2 for v in present),
        math.fsum((v - mean) ** power for v in present),
    )


def _skewness(values: list[float | None]) -> float | None:
    n, m2, m3 = _central(values, 3)
    if n < 3:
        return None
    return math.sqrt(n) * m3 / m2**1.5 if m2 else math.nan


def _kurtosis(values: list[float | None]) -> float | None:
    n, m2, m4 = _central(values, 4)
    if n < 4:
        return None
    if not m2:
        return math.nan
    return n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * (n - 1) ** 2 * m4 / m2**2 - 3 * (n - 1) ** 2 / (
        (n - 2) * (n - 3)
    )


def _entropy(counts: list[float | None]) -> float | None:
    present = [c for c in counts if c is not None]
    if any(c < 0 for c in present):
        raise _bad("Entropy count argument must be non-negative")
    total = math.fsum(present)
    if not total:
        return 0.0
    return max(math.log2(total) - math.fsum(c * math.log2(c) for c in present if c) / total, 0.0)


FUNCTIONS = {
    "round": generic(_round), "truncate": generic(_rounded(decimal.ROUND_DOWN)),
    "round_integer": generic(_round_integer), "pow": plain(_pow), "cbrt": plain(_cbrt), "mod": plain(_mod),
    "width_bucket": plain(_width_bucket), "width_bucket_array": plain(_width_bucket_array), "random_below": plain(_random_below),
    "random_between": plain(_random_between), "normal_cdf": plain(_normal_cdf), "inverse_normal_cdf": plain(_inverse_normal_cdf),
    "wilson_lower": plain(_wilson(-1)), "wilson_upper": plain(_wilson(1)), "cosine_similarity": plain(_cosine),
    "cosine_of_maps": plain(_cosine_of_maps),
    "skewness": plain(_skewness), "kurtosis": plain(_kurtosis), "entropy": plain(_entropy),
}  # fmt: skip
