"""Every part of the evaluation, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable

from tests.evaluate.part import Alone, Judge
from tests.evaluate.personas import Personas
from tests.evaluate.recommendations import Recommendations

IN_WORLDS: dict[str, Callable[[], Judge]] = {
    "personas": Personas,
    "recommendations": Recommendations,
}
"""Judged in simulated worlds, each world with judges of its own."""

ALONE: dict[str, Callable[[], Alone]] = {}
"""Judged on real data."""
