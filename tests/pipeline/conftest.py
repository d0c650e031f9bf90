"""State machines on the session's mock."""

import pytest
from machines import Machines

from etholake.settings import Settings


@pytest.fixture
def machines(mock_settings: Settings) -> Machines:
    """Makes, runs and asks after state machines."""
    return Machines(mock_settings)
