"""A forecast as it is kept and answered."""

from __future__ import annotations

from datetime import date
from math import isfinite
from typing import Final

import msgspec

from loopin_sinks.metric_values.scope import EPOCH, Scope, epoch_ms

HISTORY: Final = 90
"""Days of the past that are told beside a forecast."""


class ExpectedDay(msgspec.Struct, frozen=True):
    """What is expected of a day, in the metric's unit; intervals are null where nothing tells them.

    Attributes:
        at: its start, epoch ms.
        value: what is expected.
        low_80, high_80, low_95, high_95: ends of the intervals.
    """

    at: int
    value: float
    low_80: float | None
    high_80: float | None
    low_95: float | None
    high_95: float | None


class PastDay(msgspec.Struct, frozen=True):
    """What a day came to, and its parts, which add up to it; in the metric's unit.

    Attributes:
        at: its start, epoch ms.
        value: None where there is none.
        trend, weekly, yearly, residual: None where they cannot be told.
    """

    at: int
    value: float | None
    trend: float | None = None
    weekly: float | None = None
    yearly: float | None = None
    residual: float | None = None


class Tested(msgspec.Struct, frozen=True):
    """How good the forecasts would have been: see ``loopin_sinks.forecasts.forecast.Quality``."""

    mase: float | None
    naive_mase: float | None
    coverage_80: float
    coverage_95: float
    folds: int


class Lineage(msgspec.Struct, frozen=True):
    """Which values a forecast rests on.

    Attributes:
        start, end: start of the first day and end of the last, epoch ms.
        points: how many of the days between had a value.
        calculated_at: when the newest of them was calculated, epoch ms; None where they were not kept.
    """

    start: int
    end: int
    points: int
    calculated_at: int | None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast of a metric.

    Attributes:
        made_at: epoch ms.
        horizon: days.
        points: what is expected, day by day.
        history: what came before, the last days of it.
        method: ``model`` or ``heuristic``.
        model: its name, or that of the rule; empty where there is nothing to go by.
        model_version: of the models and of how one is chosen.
        reason: why no model could be chosen; None for a model.
        yearly: whether a yearly season is in it.
        holidays: country whose holidays a model may go by, ISO 3166; None for none.
        tested: None where no model was chosen.
        lineage: None where there is nothing to go by.
    """

    made_at: int
    horizon: int
    points: tuple[ExpectedDay, ...]
    history: tuple[PastDay, ...]
    method: str
    model: str
    model_version: str
    reason: str | None = None
    yearly: bool = False
    holidays: str | None = None
    tested: Tested | None = None
    lineage: Lineage | None = None


def day_ms(scope: Scope, day: date) -> int:
    """When a day of the scope's zone begins, epoch ms."""
    return epoch_ms(scope.midnight((day - EPOCH).days))


def finite(value: float) -> float | None:
    """The number, None where it is none."""
    return float(value) if isfinite(value) else None
