"""What a dashboard asks of the store beside the overview."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from loopin_api.queries.export import export_events
from loopin_api.queries.kept import history
from loopin_api.queries.metrics import series
from loopin_api.timespan import last_days
from loopin_schemas.metrics import Metric, by_name
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store

EXPORTED_ROWS = 10_000
USER = "member-0"
"""The busiest one: nobody has more to be sorted."""

# One day's minutes of the metrics that events, users and revenue make, whole and by event, from the events.
FILL_WINDOWS = """
INSERT INTO metric_windows (
    project, metric, dimension, dimension_value, grain, start, count, sum, min, max, closed, basis, revision,
    _stored_at, _retention_days
)
SELECT
    {project:String}, measure.1, series.1, series.2, 'minute', minute, measure.2, measure.3, NULL, NULL,
    true, 'distinct_ids', 1, now64(3), 90
FROM (
    SELECT
        toStartOfMinute(timestamp) AS minute,
        series,
        count() AS events,
        uniqExact(user) AS users,
        countIf(amount IS NOT NULL) AS paid,
        toDecimal128(sum(if(event = 'payment_refunded', -1, 1) * ifNull(amount, 0)), 6) AS revenue
    FROM events
    ARRAY JOIN [('', ''), ('event', toString(event))] AS series
    WHERE project = {project:String}
        AND timestamp >= toDateTime64({start:Int64}, 3, 'UTC')
        AND timestamp < toDateTime64({end:Int64}, 3, 'UTC')
    GROUP BY minute, series
)
ARRAY JOIN [
    ('events', events, NULL::Nullable(Decimal(38, 6))),
    ('active_users', users, NULL::Nullable(Decimal(38, 6))),
    ('revenue', paid, revenue::Nullable(Decimal(38, 6)))
] AS measure
"""

_WINDOW_SERIES = """
SELECT dimension_value, start, count
FROM metric_windows FINAL
WHERE project = {project:String} AND metric = 'events' AND grain = 'minute' AND dimension = 'event'
    AND start >= {start:DateTime64(3, 'UTC')} AND start < {end:DateTime64(3, 'UTC')}
ORDER BY dimension_value, start
"""

_USER_EVENTS = """
SELECT timestamp, event, session_id, properties
FROM events
WHERE project = {project:String} AND user = cityHash64({user:String}) AND distinct_id = {user:String}
    AND timestamp >= {start:DateTime64(3, 'UTC')} AND timestamp < {end:DateTime64(3, 'UTC')}
ORDER BY timestamp DESC
LIMIT 100
"""


async def _window_series(store: Store, project: str, now: datetime) -> int:
    start = now - timedelta(days=1)
    return len(await store.query(_WINDOW_SERIES, {"project": project, "start": start, "end": now}))


def dau() -> Metric:
    """The metric that is asked for."""
    found = by_name("dau")
    assert found is not None
    return found


async def active_users(store: Store, project: str, now: datetime) -> int:
    """As ``GET /api/analytics/metrics/dau`` of 30 days; how many of them have a value."""
    scope = Scope(project, UTC, now, "EUR")
    kept = await history(store, scope, [dau()], own_days=True)
    span = last_days(30, now, UTC)
    found = await series(Calculator(store, scope), dau(), span, "day", "previous", kept)
    return sum(point.value is not None for point in found.points)


async def _user_events(store: Store, project: str, now: datetime) -> int:
    bound = {"project": project, "user": USER, "start": now - timedelta(days=30), "end": now}
    return len(await store.query(_USER_EVENTS, bound))


async def _export(store: Store, project: str, now: datetime) -> int:
    rows = 0
    async with store.stream(*export_events(project, last_days(30, now, UTC), (), ())) as blocks:
        async for block in blocks:
            rows += len(block)
            if rows >= EXPORTED_ROWS:
                break
    return rows


DASHBOARD: Mapping[str, Callable[[Store, str, datetime], Awaitable[int]]] = {
    "window_series": _window_series,
    "active_users": active_users,
    "user_events": _user_events,
    "export": _export,
}
"""By name: asks the store about a project up to now, and returns how many rows came."""
