"""Thresholds and spreads per (lab, action), by which probabilities become decisions (see `decode`).

The *smoothed* probability must reach the threshold. `expected_f` fits both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from etholake.errors import ContractError

__all__ = ["ANY", "DEFAULT", "NEVER", "Thresholds"]

DEFAULT = 0.5  # the threshold where none was fitted
NEVER = 1.01  # above every probability: the action is not predicted in this lab (the phantom trap)
ANY = "*"  # stands for a lab that has no threshold of its own for an action


@dataclass(frozen=True)
class Thresholds:
    """Threshold by (lab, action), then by (ANY, action), with `default` for the rest; all in 0 < t <= NEVER.

    `spreads` weigh actions against each other: the lower, the more a frame above the threshold is worth. They have
    the same keys; 1 where there is none.
    """

    default: float = DEFAULT
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)
    spreads: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [t for t in (self.default, *self.values.values()) if not 0 < t <= NEVER]
        if wrong:
            raise ContractError(f"Thresholds must lie in 0 < t <= {NEVER}, but got {wrong}.")
        if wrong := [s for s in self.spreads.values() if not 0 < s < np.inf]:
            raise ContractError(f"Spreads of probabilities must be above 0, but got {wrong}.")

    def get(self, lab_id: str, action: str) -> float:
        """Return the threshold of an action in a lab."""
        return self.values.get((lab_id, action), self.values.get((ANY, action), self.default))

    def spread(self, lab_id: str, action: str) -> float:
        """Return by what the margin above the threshold is divided."""
        return self.spreads.get((lab_id, action), self.spreads.get((ANY, action), 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"default": …, "labs": {lab: {action: …}}, "spreads": {lab: {action: …}}}``.

        Labs and actions are sorted, and all values are plain numbers, ready for `json.dumps`.
        """
        made: dict[str, Any] = {"default": round(float(self.default), 4), "labs": _nested(self.values)}
        if self.spreads:
            made["spreads"] = _nested(self.spreads)
        return made

    @classmethod
    def from_dict(cls, data: Any) -> Thresholds:
        """Read what `to_dict` returned. Raises ContractError for anything else."""
        try:
            values, spreads = (
                {(lab, a): float(t) for lab, actions in named.items() for a, t in actions.items()}
                for named in (data["labs"], data.get("spreads", {}))
            )
            return cls(float(data["default"]), values, spreads)
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise ContractError(
                f'Expected thresholds as {{"default": …, "labs": {{lab: {{action: …}}}}}}, but got {data!r:.80}.'
            ) from err

    def extended(self, fitted: Thresholds, labs: Collection[str]) -> Thresholds:
        """Return these thresholds, with those of `fitted` in place of the ones of `labs`.

        For any other lab the value here stays, and a value of `fitted` is taken only where there is none.
        """
        values, spreads = (
            {**new, **old, **{at: value for at, value in new.items() if at[0] in labs}}
            for old, new in ((self.values, fitted.values), (self.spreads, fitted.spreads))
        )
        return Thresholds(self.default, values, spreads)


def _nested(values: Mapping[tuple[str, str], float]) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for (lab, action), value in sorted(values.items()):
        nested.setdefault(lab, {})[action] = float(f"{value:.5g}")
    return nested
