"""Seeds of random cases."""

from __future__ import annotations

import pytest


def seeds(number: int) -> list[object]:
    """For ``parametrize``: one among the quick tests, the others among the scenarios."""
    return [0, *(pytest.param(seed, marks=pytest.mark.scenario) for seed in range(1, number))]
