"""Model families by name, and how a trained model is stored and used."""

from __future__ import annotations

import os

# Read by OpenMP when torch is imported, which this package therefore does not do at import. By default waiting
# threads spin: on two cores that others use too, a training step took 4 times as long as with sleeping threads
# (and longer than with one thread). A value that the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
