"""Cumulative distributions of math functions: beta and Student's t.

Apache Commons Math computes them for Trino; so the continued fraction and its order are those of its `Beta`.
Source: https://trino.io/docs/current/functions/math.html, Press et al., Numerical Recipes, chapter 6.4.
"""

from __future__ import annotations

import math

from local_mock.athena.functions.define import plain
from local_mock.athena.functions.moments import Failure

__all__ = ["FUNCTIONS"]

_EPSILON = 1e-14
_TINY = 1e-50


def _bad(message: str) -> Failure:
    return Failure("INVALID_FUNCTION_ARGUMENT", message)


def _log_beta(a: float, b: float) -> float:
    if a + b < 100:
        return math.log(math.gamma(a) * math.gamma(b) / math.gamma(a + b))
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    result = c = 1.0
    d = 0.0
    for n in range(1, 100_000):
        m = n // 2
        term = (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
            if n % 2 == 0
            else -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        )
        d = 1 / ((1 + term * d) or _TINY)
        c = (1 + term / c) or _TINY
        result *= c * d
        if abs(c * d - 1) < _EPSILON:
            break
    return result


def _regularized_beta(x: float, a: float, b: float) -> float:
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (2 + b + a) and 1 - x <= (b + 1) / (2 + b + a):
        return 1 - _regularized_beta(1 - x, b, a)
    log = a * math.log(x) + b * math.log1p(-x) - math.log(a) - _log_beta(a, b)
    return math.exp(log) / _fraction(x, a, b)


def _beta_cdf(a: float, b: float, value: float) -> float:
    if not 0 <= value <= 1:
        raise _bad("value must be in the interval [0, 1]")
    if not a > 0:
        raise _bad("a must be > 0")
    if not b > 0:
        raise _bad("b must be > 0")
    return _regularized_beta(value, a, b)


def _freedom(degrees: float) -> float:
    if not degrees > 0:
        raise _bad("df must be greater than 0")
    return degrees


def _t_cdf(value: float, degrees: float) -> float:
    degrees = _freedom(degrees)
    if value == 0:
        return 0.5
    tail = 0.5 * _regularized_beta(degrees / (degrees + value * value), 0.5 * degrees, 0.5)
    return tail if value < 0 else 1 - tail


def _t_pdf(value: float, degrees: float) -> float:
    degrees = _freedom(degrees)
    half = (degrees + 1) / 2
    log = math.lgamma(half) - 0.5 * (math.log(math.pi) + math.log(degrees)) - math.lgamma(degrees / 2)
    return math.exp(log - half * math.log(1 + value * value / degrees))


FUNCTIONS = {"beta_cdf": plain(_beta_cdf), "t_cdf": plain(_t_cdf), "t_pdf": plain(_t_pdf)}
