"""Judges the metrics of a project by what is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from loopin_schemas.metrics import Grain, Metric
from loopin_sinks.alerts.judge import PAST
from loopin_sinks.metric_anomalies.found import LENGTH_MS, MetricAnomaly, Point, anomalies, judged_grain
from loopin_sinks.metric_anomalies.stored import kept_anomalies, replace
from loopin_sinks.metric_anomalies.sure import sure
from loopin_sinks.metric_history.coverage import known_after
from loopin_sinks.metric_history.stored import kept_name, kept_series
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Scope, epoch_ms, from_epoch_ms
from loopin_sinks.store import Store

JUDGED: Final[dict[Grain, timedelta]] = {"hour": timedelta(hours=48), "day": timedelta(days=7)}
"""How long periods are judged anew: late events come, and values are calculated again."""

_WEEK: Final = 7


class Judged(NamedTuple):
    """A metric, its grain, and from when on (epoch ms) it is judged; from ``end`` on nothing is known."""

    metric: Metric
    grain: Grain
    since: int
    end: int


async def sweep(store: Store, scope: Scope, metrics: Sequence[Metric]) -> int:
    """Judge the last periods that are over of each metric; how many rows are new, other or withdrawn.

    What was found of metrics of which nothing is known now, as after a change of the zone, stays.

    Raises:
        StoreError: the store did not answer.
    """
    judged = [each for metric in metrics if (each := _judged(scope, metric)) is not None]
    # One for all, so that what several metrics are made of is asked for once.
    calculator = Calculator(store, scope)
    found: list[MetricAnomaly] = []
    known: set[tuple[str, Grain]] = set()
    for grain in JUDGED:
        of_grain = [each for each in judged if each.grain == grain]
        for each, far in await _of_grain(store, scope, grain, of_grain):
            known.add((each.metric.name, grain))
            found += await sure(calculator, each.metric, far)
    first = from_epoch_ms(min((each.since for each in judged), default=epoch_ms(scope.now)))
    since = {(each.metric.name, each.grain): each.since for each in judged}
    unknown = since.keys() - known
    before = [
        each
        for each in await kept_anomalies(store, scope.project, metrics, first, scope.now)
        if (each.metric, each.grain) not in unknown
    ]
    return await replace(store, scope, metrics, found, since, before)


def _judged(scope: Scope, metric: Metric) -> Judged | None:
    grain = judged_grain(metric)
    if grain is None:
        return None
    # What users do later counts for some metrics: until then, the period is not known.
    end = scope.now - known_after(metric.definition)
    return Judged(metric, grain, epoch_ms(end - JUDGED[grain]), epoch_ms(end) - LENGTH_MS[grain] + 1)


async def _of_grain(
    store: Store, scope: Scope, grain: Grain, judged: Sequence[Judged]
) -> list[tuple[Judged, list[MetricAnomaly]]]:
    if not judged:
        return []
    start = _learned_from(scope, grain, min(each.since for each in judged))
    series = await kept_series(store, scope, [each.metric for each in judged], grain, start, scope.now)
    return await asyncio.to_thread(_anomalies, scope, judged, series)


def _learned_from(scope: Scope, grain: Grain, since: int) -> datetime:
    """As far back as alerts learn, from a Monday: so the same period gets the same score all week."""
    day = scope.day_of(from_epoch_ms(since) - timedelta(milliseconds=PAST[grain] * LENGTH_MS[grain]))
    # 1970-01-01 was a Thursday.
    return scope.midnight(day - (day + 3) % _WEEK)


def _anomalies(
    scope: Scope, judged: Sequence[Judged], series: Mapping[str, Sequence[tuple[int, float, int]]]
) -> list[tuple[Judged, list[MetricAnomaly]]]:
    """By metric of which some period is known that is to be judged."""
    found = []
    for each in judged:
        first = epoch_ms(_learned_from(scope, each.grain, each.since))
        values = series.get(kept_name(each.metric), ())
        points = [Point(*value) for value in values if first <= value[0] < each.end]
        if points and points[-1].start >= each.since:
            found.append((each, anomalies(each.metric, each.grain, points, each.since, scope.zone)))
    return found
