"""Makes a forecast of what came, as it is kept and answered: in a quarter of a second, or one for years."""

from __future__ import annotations

from typing import Final

from loopin_sinks.forecasts.decomposition import Decomposition, decompose
from loopin_sinks.forecasts.defaults import VERSION
from loopin_sinks.forecasts.effects import Holidays
from loopin_sinks.forecasts.forecast import Forecast, Quality, forecast
from loopin_sinks.forecasts.history import Past
from loopin_sinks.forecasts.made import (
    HISTORY,
    ExpectedDay,
    Lineage,
    Made,
    PastDay,
    Tested,
    day_ms,
    finite,
)
from loopin_sinks.forecasts.public_holidays import holidays_of
from loopin_sinks.forecasts.series import Bounds, Series
from loopin_sinks.metric_values.scope import Scope, epoch_ms

NOTHING: Final = "There is no day with a value yet."

STALE: Final = 60
"""Days without a value up to now after which nobody knows what to expect."""

LONG_AGO: Final = f"There has been no value for more than {STALE} days."


def make(scope: Scope, past: Past, horizon: int, bounds: Bounds, country: str | None = None) -> Made:
    """The next days of a metric, the days before, and how good this is.

    Args:
        scope: the project's zone, and the time now.
        past: what came.
        horizon: days ahead.
        bounds: between which values the metric always lies.
        country: whose public holidays may matter, ISO 3166; None for none.

    Raises:
        UnknownCountry: nothing is known of its holidays.
    """
    known, made_at = past.values, epoch_ms(scope.now)
    ahead = horizon + past.gap
    holidays = {} if country is None else _holidays(country, known, ahead)
    if not known.known or past.gap > STALE:
        return Made(
            made_at=made_at,
            horizon=horizon,
            points=(),
            history=_history(scope, known),
            method="heuristic",
            model="",
            model_version=VERSION,
            reason=LONG_AGO if known.known else NOTHING,
            holidays=country,
        )
    found = forecast(known, ahead, bounds, holidays)
    return Made(
        made_at=made_at,
        horizon=horizon,
        points=_points(scope, found)[past.gap :],
        history=_history(scope, known),
        method=found.method,
        model=found.model,
        model_version=VERSION,
        reason=found.reason,
        yearly=found.yearly,
        holidays=country,
        tested=_tested(found.quality),
        lineage=Lineage(
            start=day_ms(scope, known.first),
            end=day_ms(scope, found.first),
            points=known.known,
            calculated_at=None if past.calculated_at is None else epoch_ms(past.calculated_at),
        ),
    )


def _holidays(country: str, known: Series, horizon: int) -> Holidays:
    return holidays_of(country, known.first.year, known.day(len(known) + horizon).year)


def _points(scope: Scope, found: Forecast) -> tuple[ExpectedDay, ...]:
    ends = zip(found.low[0], found.high[0], found.low[1], found.high[1], strict=True)
    ahead = Series(found.first, found.values)
    return tuple(
        ExpectedDay(day_ms(scope, ahead.day(number)), float(value), *map(finite, each))
        for number, (value, each) in enumerate(zip(found.values, ends, strict=True))
    )


def _history(scope: Scope, known: Series) -> tuple[PastDay, ...]:
    parts = decompose(known)
    return tuple(
        PastDay(day_ms(scope, known.day(number)), finite(known.values[number]), *_parts(parts, number))
        for number in range(max(0, len(known) - HISTORY), len(known))
    )


def _parts(of: Decomposition | None, number: int) -> tuple[float | None, ...]:
    if of is None:
        return ()
    parts = (of.trend, of.weekly, of.yearly, of.residual)
    return tuple(None if each is None else finite(each[number]) for each in parts)


def _tested(found: Quality | None) -> Tested | None:
    if found is None:
        return None
    return Tested(found.mase, found.naive_mase, found.coverage_80, found.coverage_95, found.folds)
