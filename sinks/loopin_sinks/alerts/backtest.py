"""When a rule would have fired over history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from loopin_schemas.alert_rule import Absence, AlertRule, Anomaly, Change
from loopin_schemas.window import Grain
from loopin_sinks.alerts.episodes import Episode
from loopin_sinks.alerts.measured import Measured
from loopin_sinks.alerts.numbers import Numbers
from loopin_sinks.alerts.recalculate import recalculate
from loopin_sinks.alerts.replay import StoredWindow, grains_of, replay
from loopin_sinks.alerts.security import is_security
from loopin_sinks.alerts.totals import NOTHING
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms, from_epoch_ms
from loopin_sinks.store import Store
from loopin_streams.alerts.lifecycle import Rule
from loopin_streams.alerts.source import Source, source_of
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.windows.grains import BY_NAME, MINUTE_MS

LONGEST_DAYS: Final[dict[Grain, int]] = {"minute": 31, "hour": 92, "day": 1095}
"""Longest time that a rule of the stream is tried over, by its grain: a minute takes half a millisecond."""

MOST_PERIODS: Final = 1000
"""Most windows of a rule that the store is asked for, each of its spans counted."""

MOST_SINGLE: Final = 500
"""Most windows of a security rule: each is asked for by itself."""

MOST_WINDOWS: Final = 100_000
"""Most stored windows that are looked at."""

_SEASONS: Final = timedelta(days=35)
"""What an anomaly's model is given to learn from, before the time asked for."""

_WEEK: Final = timedelta(days=8)

_WINDOWS: Final = """
SELECT grain, toInt64(toUnixTimestamp(start)) * 1000 AS at, metric, dimension, dimension_value, count, sum
FROM metric_windows FINAL
WHERE project = {project:String} AND metric IN {metrics:Array(String)} AND grain IN {grains:Array(String)}
    AND (
        metric = {metric:String} AND dimension = {dimension:String}
            AND ({every:Bool} OR dimension_value = {value:String})
        OR {whole:Bool} AND metric = {whole_metric:String} AND dimension = ''
    )
    AND start >= {start:DateTime64(3, 'UTC')} AND start < {end:DateTime64(3, 'UTC')}
"""

_STORED: Final = """
SELECT count() AS number, min(start) AS first, max(start) AS last
FROM metric_windows
WHERE project = {project:String} AND metric = {metric:String} AND dimension = '' AND grain = {grain:String}
    AND start >= {start:DateTime64(3, 'UTC')} AND start < {end:DateTime64(3, 'UTC')}
"""


_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)


class TooMuchHistory(ValueError):
    """It would take too long; the text is one sentence that says what to do."""


def longest_time(rule: AlertRule) -> timedelta:
    """The longest time that a rule is tried over, in whole days, hours or minutes; 0 for none at all."""
    if source_of(rule) is not None:
        return timedelta(days=LONGEST_DAYS[BY_NAME[rule.grain].name])
    windows = _most(rule) // len(rule.spans)
    longest = timedelta(milliseconds=windows * BY_NAME[rule.grain].size_ms) - _warm_up(rule)
    return max(longest // _unit(longest) * _unit(longest), timedelta())


@dataclass(frozen=True, slots=True)
class Backtest:
    """The episodes in a time, in order, and the part of it that there is history of; None for none."""

    episodes: list[Episode]
    covered: tuple[datetime, datetime] | None


async def backtest(
    store: Store, scope: Scope, rule: Rule, configuration: Callable[[], Configuration], span: Periods
) -> Backtest:
    """Try a rule of the project of ``scope`` over a time, by the code that judges it live.

    Rules of the stream are tried over the windows that the store has, the others over what it computes.

    Raises:
        NotJudged: nobody can judge the rule as it is.
        StoreError: the store did not answer.
        TooMuchHistory: the time is too long, or has too many windows.
    """
    longest = longest_time(rule.rule)
    if span.end - span.start > longest or not longest:
        raise TooMuchHistory(_too_long(rule.rule, longest))
    source = source_of(rule.rule)
    if source is not None:
        return await _of_stream(store, scope, rule, source, span)
    return await _of_store(store, scope, rule, configuration, span)


async def _of_stream(store: Store, scope: Scope, rule: Rule, source: Source, span: Periods) -> Backtest:
    project, grain = scope.project, BY_NAME[rule.rule.grain]
    since = grain.start(epoch_ms(span.start - _lead(rule.rule)))
    start = epoch_ms(span.start) // MINUTE_MS * MINUTE_MS
    end = epoch_ms(span.end) // MINUTE_MS * MINUTE_MS
    covered = await _stored(store, project, grain.name, from_epoch_ms(start), from_epoch_ms(end))
    if covered is None:
        return Backtest([], None)
    windows = await _windows(store, project, source, grains_of(rule.rule), since, end)
    found = await asyncio.to_thread(replay, rule, project, windows, since, end, scope.zone)
    return Backtest(_within(found, start), covered)


async def _of_store(
    store: Store, scope: Scope, rule: Rule, configuration: Callable[[], Configuration], span: Periods
) -> Backtest:
    start, end = epoch_ms(span.start), epoch_ms(span.end)
    since = epoch_ms(span.start - _warm_up(rule.rule))
    measured = Measured(
        store, lambda _, now: replace(scope, now=min(scope.now, from_epoch_ms(now))), configuration
    )
    numbers = Numbers(store, measured, lambda _: NOTHING)
    found = await recalculate(numbers, rule, scope, since, end)
    return Backtest(_within(found, start), (span.start, span.end))


def _most(rule: AlertRule) -> int:
    return MOST_SINGLE if is_security(rule.metric) else MOST_PERIODS


def _unit(length: timedelta) -> timedelta:
    """In which a length of time is told: the longest that it has two of, or the shortest."""
    return next((unit for unit in (_DAY, _HOUR) if length >= 2 * unit), _MINUTE)


def _too_long(rule: AlertRule, longest: timedelta) -> str:
    if not longest:
        return (
            f"What goes on when a time begins takes more than the {_most(rule)} windows that this rule "
            "is tried over: make its spans, for_s or quiet_s shorter in changes."
        )
    unit = _unit(longest)
    name = {_DAY: "days", _HOUR: "hours", _MINUTE: "minutes"}[unit]
    return f"This rule is not tried over so long a time: give at most {longest // unit} {name}."


def _lead(rule: AlertRule) -> timedelta:
    """How long before the time asked for windows have to be looked at, to know what is known live."""
    if isinstance(rule.condition, Anomaly):
        return _SEASONS
    return _WEEK if isinstance(rule.condition, Change) else _warm_up(rule)


def _warm_up(rule: AlertRule) -> timedelta:
    """How long before the time asked for a rule has to be judged, to know what goes on when that begins.

    It has begun within one span, and was judged by the whole of another.
    """
    condition, size = rule.condition, BY_NAME[rule.grain].size_ms
    windows = 2 * max(rule.spans) + 1
    if isinstance(condition, Absence):
        windows = 2 * condition.windows + 2
    longer = (BY_NAME[span.grain].size_ms * (2 * span.windows + 1) for span in rule.longer)
    together = max((windows * size, *longer))
    return timedelta(milliseconds=together, seconds=rule.for_s + rule.quiet_s)


def _within(found: list[Episode], start: int) -> list[Episode]:
    """Those that were not over before."""
    return [each for each in found if each.resolved_at is None or each.resolved_at > start]


async def _stored(
    store: Store, project: str, grain: Grain, start: datetime, end: datetime
) -> tuple[datetime, datetime] | None:
    """The part of a time that windows are stored of, as far as all events tell."""
    bound = {"project": project, "metric": "events", "grain": grain, "start": start, "end": end}
    [row] = await store.query(_STORED, bound)
    if not row["number"]:
        return None
    size = timedelta(milliseconds=BY_NAME[grain].size_ms)
    return max(start, row["first"]), min(end, row["last"] + size)


async def _windows(
    store: Store, project: str, source: Source, of: Sequence[Grain], since: int, end: int
) -> list[StoredWindow]:
    # Distinct users of minutes do not add up to those of an hour.
    grains = {*of} if source.metric == "active_users" else {*of, "minute"}
    bound: dict[str, object] = {
        "project": project,
        "metrics": [source.metric, *([source.whole[0]] if source.whole else [])],
        "grains": sorted(grains),
        "metric": source.metric,
        "dimension": source.dimension,
        "every": source.value is None,
        "value": source.value or "",
        "whole": source.whole is not None,
        "whole_metric": source.whole[0] if source.whole else "",
        "start": from_epoch_ms(since),
        "end": from_epoch_ms(end),
    }
    found: list[StoredWindow] = []
    async with store.stream(_WINDOWS, bound) as rows:
        async for block in rows:
            found += [_window(*row) for row in block]
            if len(found) > MOST_WINDOWS:
                raise TooMuchHistory(
                    f"More than {MOST_WINDOWS:,} windows are stored of this time; give a shorter one."
                )
    return found


def _window(
    grain: Grain, at: int, metric: str, dimension: str, value: str, count: int, total: Decimal | None
) -> StoredWindow:
    series = (metric, dimension, value)
    return StoredWindow(grain, at, series, count, None if total is None else int(total.scaleb(6)))
