"""The values of the catalogue's metrics, beside those of an earlier time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal

from loopin_api.queries.kept import History, calculated_at, computed, is_added_up, kept_before
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Dimension, Grain, Metric
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, periods
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store

Compare = Literal["previous", "year"]
"""With the time right before, of the same length; or with the same time a year ago."""

Status = Literal["ok", "warning", "critical"]

MAX_POINTS: Final = 1_000
"""Most points of a series; what would be more is told by a longer grain."""

MAX_VALUES: Final = 100
"""Most values of a dimension in a split, those with the greatest value."""

_GRAINS: Final[tuple[Grain, ...]] = ("hour", "day", "week", "month")
_LONGEST: Final[dict[Grain, timedelta]] = {
    "hour": timedelta(days=2),
    "day": timedelta(days=120),
    "week": timedelta(days=730),
}
"""The longest time that a grain is chosen for where nobody asks for one."""

_WEEKS_OF_A_YEAR: Final = 52


@dataclass(frozen=True, slots=True)
class Point:
    """A value of one period and that of its counterpart."""

    at: datetime
    value: float | None
    previous: float | None


@dataclass(frozen=True, slots=True)
class Total:
    """A metric over a whole span and over its counterpart."""

    value: float | None
    previous: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over time; ``grain`` is the one that was chosen.

    Of periods that end by ``kept_before`` values are told that were kept, the oldest of which is of
    ``calculated_at``; both are None where there are none.
    """

    grain: Grain
    points: Sequence[Point]
    total: Total
    kept_before: datetime | None = None
    calculated_at: datetime | None = None


async def series(
    calculator: Calculator,
    metric: Metric,
    span: Timespan,
    grain: Grain | None,
    compare: Compare,
    kept: History,
) -> Series:
    """A metric by period, and over the whole span: by the values that are ``kept``, else from the events.

    Raises:
        StoreError: the store did not answer.
    """
    chosen = choose_grain(metric, span, grain)
    now = periods(chosen, span.start, span.end, span.zone)
    before = counterpart(now, chosen, span.zone, compare)
    whole = Periods((span.start, span.end))
    this, that = await asyncio.gather(kept.of(metric, chosen, now), kept.of(metric, chosen, before))
    values, former = await asyncio.gather(
        this.values(metric.definition, calculator), that.values(metric.definition, calculator)
    )
    value, previous = await asyncio.gather(
        this.total(metric.definition, values, whole, calculator),
        that.total(metric.definition, former, _earlier(whole, span, compare), calculator),
    )
    return Series(
        chosen,
        _points(now, values, former),
        Total(value, previous),
        kept_before([this]) or kept_before([that]),
        calculated_at([this, that]),
    )


def _points(now: Periods, values: Values, former: Values) -> list[Point]:
    return [
        Point(start, values.get((number, "")), former.get((number, "")))
        for number, start in enumerate(now.edges[:-1])
    ]


async def total(
    calculator: Calculator, metric: Metric, span: Timespan, compare: Compare, kept: History
) -> Total:
    """A metric over a span and over its counterpart, each by the days that are kept, else from the events.

    Raises:
        StoreError: the store did not answer.
    """
    whole = Periods((span.start, span.end))
    value, previous = await asyncio.gather(
        _total(calculator, metric, whole, kept),
        _total(calculator, metric, _earlier(whole, span, compare), kept),
    )
    return Total(value, previous)


async def _total(calculator: Calculator, metric: Metric, whole: Periods, kept: History) -> float | None:
    days = periods("day", whole.start, whole.end, calculator.scope.zone)
    filled = await kept.of(metric, "day", days)
    of = metric.definition
    # What is no sum of days is told by its own values of days only at its end.
    values = await filled.values(of, calculator) if is_added_up(of) else filled.known()
    return await filled.total(of, values, whole, calculator)


async def split(
    store: Store, scope: Scope, metric: Metric, span: Timespan, by: Dimension
) -> list[tuple[str, float]]:
    """A metric by value of a dimension, greatest first; events without one stand under ``""``.

    Raises:
        StoreError: the store did not answer.
    """
    whole = Periods((span.start, span.end))
    found = await computed(Calculator(store, replace(scope, by=by)), metric.definition, whole)
    by_value = sorted(
        ((value, number) for (_, value), number in found.items()), key=lambda one: (-one[1], one[0])
    )
    return by_value[:MAX_VALUES]


def choose_grain(metric: Metric, span: Timespan, asked: Grain | None) -> Grain:
    """The grain asked for, or a longer one where the metric has none so short, or the points are too many."""
    length = span.end - span.start
    wanted = asked or next((grain for grain in _GRAINS if length <= _LONGEST.get(grain, length)), "month")
    for grain in _GRAINS[_GRAINS.index(wanted) :]:
        if grain in metric.grains and len(periods(grain, span.start, span.end, span.zone)) <= MAX_POINTS:
            return grain
    return "month"


def counterpart(now: Periods, grain: Grain, zone: tzinfo, compare: Compare) -> Periods:
    """The periods to compare with, one for each, by the zone's calendar and clock.

    As many periods before; or a year before, which for weeks is 52 weeks, so that they begin on a Monday.
    """
    back: timedelta | _Months
    if compare == "year":
        back = timedelta(weeks=_WEEKS_OF_A_YEAR) if grain == "week" else _Months(12)
    elif grain == "month":
        back = _Months(len(now))
    elif grain == "hour":
        return Periods(tuple(edge - timedelta(hours=len(now)) for edge in now.edges))
    else:
        back = timedelta(days=len(now) * (7 if grain == "week" else 1))
    return _moved(now, zone, back)


@dataclass(frozen=True, slots=True)
class _Months:
    count: int


def _earlier(whole: Periods, span: Timespan, compare: Compare) -> Periods:
    if compare == "year":
        return _moved(whole, span.zone, _Months(12))
    first, last = (
        span.start.astimezone(span.zone),
        (span.end - timedelta(milliseconds=1)).astimezone(span.zone),
    )
    if first.timetz().replace(tzinfo=None) == datetime.min.time():
        # Whole days, the last of which may not be over: as many days before, up to the same time.
        return _moved(whole, span.zone, timedelta(days=(last.date() - first.date()).days + 1))
    return Periods((span.start - (span.end - span.start), span.start))


def _moved(of: Periods, zone: tzinfo, back: timedelta | _Months) -> Periods:
    edges = [_back(edge.astimezone(zone), back).astimezone(UTC) for edge in of.edges]
    for number in range(1, len(edges)):  # a day that the other month does not have
        edges[number] = max(edges[number], edges[number - 1] + timedelta(milliseconds=1))
    return Periods(tuple(edges))


def _back(local: datetime, back: timedelta | _Months) -> datetime:
    if isinstance(back, timedelta):
        return local - back
    months = local.year * 12 + local.month - 1 - back.count
    year, month = divmod(months, 12)
    first = date(year, month + 1, 1)
    days = ((first + timedelta(days=32)).replace(day=1) - first).days
    return local.replace(year=year, month=month + 1, day=min(local.day, days))


def change_percentage(value: float | None, previous: float | None) -> float | None:
    """By how much of the former's size the value has changed, percent; null where that is nothing."""
    if value is None or not previous:
        return None
    return (value - previous) / abs(previous) * 100


def status_of(metric: Metric, value: float | None) -> Status:
    """How worrying a value is: beyond a threshold, or, of a key result, whether its target is missed."""
    if value is None:
        return "ok"
    sign = 1 if metric.better == "lower" else -1
    for status, limit in (("critical", metric.critical), ("warning", metric.warning)):
        if limit is not None and sign * value >= sign * limit:
            return "critical" if status == "critical" else "warning"
    if metric.kind == "kr" and metric.target is not None and sign * value > sign * metric.target:
        return "warning"
    return "ok"


def progress_of(metric: Metric, value: float | None) -> float | None:
    """The value as a share of the target; null without either."""
    return None if value is None or not metric.target else value / metric.target
