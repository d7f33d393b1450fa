"""A metric's daily values as far back as they are kept."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import isfinite
from typing import Final, NamedTuple

import numpy as np

from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.ratios import range_of
from loopin_sinks.forecasts.series import Bounds, Series, series
from loopin_sinks.metric_history.coverage import Coverage, coverage, ripe_after
from loopin_sinks.metric_history.stored import Kept, kept_name, kept_values, terms_of
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import EPOCH, Scope, from_epoch_ms, periods
from loopin_sinks.store import Store

AT_ONCE: Final = 90
"""Most days that are computed by one statement."""


class Past(NamedTuple):
    """What came.

    Attributes:
        values: by day, up to the last one that has a value.
        until: the first day that is not over or not known yet.
        calculated_at: when the newest of the values was calculated; None where nothing was kept.
    """

    values: Series
    until: date
    calculated_at: datetime | None

    @property
    def gap(self) -> int:
        """How many days have passed since without a value."""
        return (self.until - self.values.day(len(self.values))).days


def bounds_of(metric: Metric) -> Bounds:
    """Between which values a metric always lies."""
    low, high = range_of(metric)
    return Bounds(low if isfinite(low) else None, high if isfinite(high) else None)


async def past(store: Store, scope: Scope, metric: Metric) -> Past:
    """The values of the days that are over and known, in the zone and the money of the scope.

    Days are told by what is kept of them; those of which nothing is, or only by other rates or with other
    people, by their events, where these are still there.

    Raises:
        StoreError: the store did not answer.
    """
    # What users do later counts for some metrics: until then, the day is not known.
    end = scope.day_of(scope.now - ripe_after(metric.definition))
    kept = await _kept(store, scope, metric, end)
    covered = await coverage(store, scope)
    first = min([*kept, *_days(scope, covered)], default=end)
    found = {day: each.value for day, each in kept.items()}
    terms = terms_of(scope, metric)
    asked = [
        day
        for day in range(first, end)
        if covered is not None
        and scope.midnight(day) >= covered.start
        and (day not in kept or kept[day].terms != terms)
    ]
    found |= await _computed(store, scope, metric, asked)
    values = np.array([_number(found.get(day)) for day in range(first, end)], dtype=np.float64)
    calculated = max((each.calculated_at for each in kept.values()), default=None)
    return Past(series(EPOCH + timedelta(days=first), values), EPOCH + timedelta(days=end), calculated)


def _days(scope: Scope, covered: Coverage | None) -> list[int]:
    return [] if covered is None else [scope.day_of(covered.start)]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


async def _kept(store: Store, scope: Scope, metric: Metric, end: int) -> dict[int, Kept]:
    """By number of the day."""
    start = scope.midnight(end - scope.retention.daily)
    found = await kept_values(store, scope, [metric], "day", start, scope.midnight(end))
    name = kept_name(metric)
    return {scope.day_of(from_epoch_ms(at)): each for (of, at), each in found.items() if of == name}


async def _computed(store: Store, scope: Scope, metric: Metric, days: list[int]) -> dict[int, float | None]:
    """By number of the day, from the events; nothing of days that these do not tell."""
    found: dict[int, float | None] = {}
    wanted, calculator = set(days), Calculator(store, scope)
    while days:
        start, end = days[0], min(days[-1] + 1, days[0] + AT_ONCE)
        within = periods("day", scope.midnight(start), scope.midnight(end), scope.zone)
        for (number, _), value in (await calculator.values(metric.definition, within)).items():
            if start + number in wanted:
                found[start + number] = value
        days = [day for day in days if day >= end]
    return found
