"""Every part of the evaluation, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable

from tests.evaluate.forecasts import ForecastsInWorld, ForecastsOfRealSeries
from tests.evaluate.part import Alone, Judge

IN_WORLDS: dict[str, Callable[[], Judge]] = {
    "forecasts": ForecastsInWorld,
}
"""Judged in simulated worlds, each world with judges of its own."""

ALONE: dict[str, Callable[[], Alone]] = {
    "forecasts_real": ForecastsOfRealSeries,
}
"""Judged on real data."""
