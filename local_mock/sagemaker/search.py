"""The search of a tuning job: random, grid, or Bayesian (Gaussian process, expected improvement). Pure.

A point is a mapping of names to the strings that a training job gets. Bayesian works on a unit cube: numbers by
their scaling (linear or logarithmic), categories one axis each; running jobs count with the value that the model
expects of them, so that jobs that run side by side differ. It always looks for the smallest value.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from local_mock.sagemaker.errors import InvalidRequestError

__all__ = ["STRATEGIES", "Parameter", "Search", "parameters"]

STRATEGIES = ("Bayesian", "Random", "Grid")
FIRST_RANDOM = 4  # points before a model of the objective means anything
CANDIDATES = 512
LOG_FROM = 100.0  # ratio of the bounds from which scaling Auto is logarithmic
Point = dict[str, str]


@dataclass(frozen=True)
class Parameter:
    """One axis. `values`: the categories, () for a number in low..high."""

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False

    def at(self, unit: float) -> str:
        """Return the value at 0..1."""
        if self.values:
            return self.values[min(len(self.values) - 1, int(unit * len(self.values)))]
        if self.log:
            value = math.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + unit * (self.high - self.low)
        value = min(self.high, max(self.low, value))
        return str(round(value)) if self.whole else repr(float(value))

    def encode(self, text: str) -> list[float]:
        """Return the coordinates of a value in the unit cube."""
        if self.values:
            return [float(text == value) for value in self.values]
        if self.high == self.low:
            return [0.0]
        if self.log:
            return [math.log(float(text) / self.low) / math.log(self.high / self.low)]
        return [(float(text) - self.low) / (self.high - self.low)]


def parameters(ranges: Mapping[str, Any]) -> list[Parameter]:
    """Return the axes of ``ParameterRanges``. Raises InvalidRequestError for none, double names, empty ranges."""
    axes = [Parameter(r["Name"], tuple(r["Values"])) for r in ranges.get("CategoricalParameterRanges") or []]
    for whole, kind in ((False, "Continuous"), (True, "Integer")):
        for r in ranges.get(f"{kind}ParameterRanges") or []:
            low, high, scaling = float(r["MinValue"]), float(r["MaxValue"]), r.get("ScalingType", "Auto")
            if scaling == "ReverseLogarithmic":
                raise InvalidRequestError(
                    f"Parameter '{r['Name']}': local_mock has no scaling ReverseLogarithmic."
                )
            log = scaling == "Logarithmic" or (scaling == "Auto" and low > 0 and high / low >= LOG_FROM)
            if not low <= high or (log and low <= 0):
                raise InvalidRequestError(
                    f"Parameter '{r['Name']}': {low} to {high} is no range (scaling {scaling})."
                )
            axes.append(Parameter(r["Name"], low=low, high=high, whole=whole, log=log))
    names = [p.name for p in axes]
    if not axes or len(set(names)) != len(names) or any(p.values == () and p.name == "" for p in axes):
        raise InvalidRequestError(f"ParameterRanges must name every parameter once, but got {names}.")
    return axes


class Search:
    """The points of one tuning job, one after the other. The same seed and answers give the same points."""

    def __init__(self, strategy: str, space: Sequence[Parameter], seed: int) -> None:
        if strategy not in STRATEGIES:
            raise InvalidRequestError(f"local_mock tunes by {', '.join(STRATEGIES)}, not by '{strategy}'.")
        if strategy == "Grid" and any(not p.values for p in space):
            raise InvalidRequestError("Strategy Grid takes categorical parameters only.")
        if strategy == "Bayesian" and importlib.util.find_spec("sklearn") is None:
            raise InvalidRequestError("Strategy Bayesian needs scikit-learn: pip install 'local-mock[tuning]'.")
        self._strategy, self._space = strategy, list(space)
        self._rng = np.random.default_rng(seed)
        self._grid = itertools.product(*(p.values for p in space)) if strategy == "Grid" else None

    @property
    def size(self) -> int | None:
        """Number of points of a grid, None if there is no end."""
        return math.prod(len(p.values) for p in self._space) if self._strategy == "Grid" else None

    def next(self, done: Sequence[tuple[Point, float]], running: Sequence[Point]) -> Point | None:
        """Return the next point; None at the end of a grid. `done`: (point, objective); smaller is better."""
        if self._grid is not None:
            values = next(self._grid, None)
            return None if values is None else dict(zip((p.name for p in self._space), values, strict=True))
        if self._strategy == "Bayesian" and len(done) >= FIRST_RANDOM:
            return self._improving(done, running)
        return self._random()

    def _random(self) -> Point:
        return {
            p.name: p.at(unit) for p, unit in zip(self._space, self._rng.random(len(self._space)), strict=True)
        }

    def _encode(self, points: Sequence[Point]) -> np.ndarray[Any, Any]:
        return np.array([[x for p in self._space for x in p.encode(point[p.name])] for point in points])

    def _improving(self, done: Sequence[tuple[Point, float]], running: Sequence[Point]) -> Point:
        """Return the candidate of largest expected improvement over the best so far."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        x, y = self._encode([point for point, _ in done]), np.array([value for _, value in done])
        kernel = ConstantKernel() * Matern(length_scale=0.3, nu=2.5) + WhiteKernel(1e-3)
        model = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, y)
            if running:  # as if they had come to what is expected of them
                there = self._encode(running)
                model.set_params(kernel=model.kernel_, optimizer=None)
                model.fit(np.vstack([x, there]), np.concatenate([y, model.predict(there)]))
        candidates = [self._random() for _ in range(CANDIDATES)]
        mean, deviation = model.predict(self._encode(candidates), return_std=True)
        return candidates[int(np.argmax(_expected_improvement(mean, deviation, float(y.min()))))]


def _expected_improvement(mean: Any, deviation: Any, best: float) -> Any:
    from scipy.stats import norm

    deviation = np.maximum(deviation, 1e-9)
    z = (best - mean) / deviation
    return (best - mean) * norm.cdf(z) + deviation * norm.pdf(z)
