from __future__ import annotations

import pytest

from tests.uncounted import uncounted

from .worlds import Made, live_through, parameters


@pytest.fixture(scope="session")
def made() -> Made:
    """A world of six weeks, in which each kind of anomaly comes once; about 120,000 events."""
    with uncounted():
        return live_through(parameters(users=500, days=42, seed=7))
