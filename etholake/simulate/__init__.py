"""Simulate laboratories: tracks whose motion follows the behaviour, in the MABe layout, with its dirt.

Everything it touches says that it is simulated. The same arguments give the same bytes.
"""

from etholake.simulate.film import Filming
from etholake.simulate.generate import SimulationReport, add_tracking, simulate

__all__ = ["Filming", "SimulationReport", "add_tracking", "simulate"]
