"""Who was active when: from the table ``person_days`` where days are rolled up, else from the events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import ACTIVE, Events
from loopin_schemas.metrics.metric import VISIT
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import MS, Query
from loopin_sinks.rollups.measures import users_of
from loopin_sinks.rollups.rolled import runs

Edge = datetime | None
Span = tuple[Edge, datetime]
Run = tuple[int, int]

KEPT: Final = frozenset(VISIT)
"""Dimensions that rolled days keep apart."""

_NOON_MS: Final = 43_200_000


class At(NamedTuple):
    """In SQL, the same of an event and of a rolled day."""

    event: str
    day: str


class Parts(NamedTuple):
    """A time in parts: spans to read events of, and runs of days (the last included) to read rollups of."""

    spans: Sequence[Span]
    days: Sequence[Run]


def day_number(query: Query) -> At:
    """The zone's day, as a number from 1970-01-01."""
    return At(query.day, "toInt64(day)")


def moment_of(query: Query) -> At:
    """Epoch ms; of a day that is told as a whole its noon."""
    return At(MS, _noon(query))


def period_of(query: Query, periods: Periods) -> At:
    """Start (epoch ms) of the period that holds it; of a day, which is of one period as a whole."""
    return At(query.period(periods), query.period(periods, _noon(query)))


def rows_of(query: Query, of: Events, edges: Sequence[Edge], at: At) -> str:
    """Rows of ``of``, ``user`` and ``at``, many alike: users with such an event between the outer two edges.

    No other edge is within a day that is told as a whole.
    """
    if of != ACTIVE or not is_kept(query.scope):
        return _of_events(query, of, (edges[0], _last(edges)), at)
    parts = split(query.scope, query.scope.rolled.days, edges)
    found = [_of_events(query, of, span, at) for span in parts.spans]
    if parts.days:
        found += [_of_days(query, parts.days, at), *_stored_late(query, of, parts.days, at)]
    return " UNION ALL ".join(found)


def beginnings(query: Query, of: Events, periods: Periods) -> str:
    """Rows of ``of``, ``user`` and ``at`` (epoch ms): among them each user's first such event before the end.

    For an event of a day that is told as a whole may stand its noon.
    """
    edges = (None, *periods.edges)
    scope = query.scope
    if of.where or scope.bots or scope.where or scope.only or scope.by:
        return rows_of(query, of, edges, moment_of(query))
    parts = split(scope, days_of_users(scope, of), edges)
    found = [_of_events(query, of, span, At(MS, "")) for span in parts.spans]
    if parts.days:
        first = "toUnixTimestamp64Milli(first)"
        found.append(f"""
            SELECT '' AS of, user, {first} AS at FROM user_events
            WHERE {query.of_users()} AND event IN {query.bind(list(of.names) or [""], "Array(String)")}
                AND first < {query.moment(periods.end)}
        """)
        found += _stored_late(query, of, parts.days, At(MS, ""))
    return " UNION ALL ".join(found)


def days_of_users(scope: Scope, of: Events) -> list[int]:
    """Days that are rolled up with all users of such events, whether or not others have come since."""
    what = [users_of(name) for name in of.names]
    return [number for number, day in scope.rolled.days.items() if day.measures.issuperset(what)]


def split(scope: Scope, usable: Iterable[int], edges: Sequence[Edge]) -> Parts:
    """The time between the outer two edges (None: all before); no day told by rollups has an edge within."""
    start, end = edges[0], _last(edges)
    cut = {scope.day_of(edge) for edge in edges if edge is not None and not _begins_day(scope, edge)}
    after = -1 if start is None else scope.day_of(start)
    before = scope.day_of(end)
    days = runs(sorted(day for day in usable if after <= day < before and day not in cut))
    bounds = [start, *(edge for run in days for edge in edges_of(scope, run)), end]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return Parts([(a, b) for a, b in pairs if b is not None and (a is None or a < b)], days)


def _last(edges: Sequence[Edge]) -> datetime:
    last = edges[-1]
    assert last is not None
    return last


def _noon(query: Query) -> str:
    """Epoch ms within a rolled day, whatever the zone's clocks do at midnight."""
    zone = query.bind(query.scope.zone_name, "String")
    return f"(toInt64(toUnixTimestamp(toDateTime(day, {zone}))) * 1000 + {_NOON_MS})"


def _begins_day(scope: Scope, moment: datetime) -> bool:
    return scope.midnight(scope.day_of(moment)) == moment


def edges_of(scope: Scope, run: Run) -> tuple[datetime, datetime]:
    """When a run of days begins and ends."""
    return scope.midnight(run[0]), scope.midnight(run[1] + 1)


def is_kept(scope: Scope) -> bool:
    """Whether rolled days keep all dimensions apart that are asked for."""
    by = () if scope.by is None else (scope.by,)
    return KEPT.issuperset((*scope.where, *scope.only, *by))


def _of_events(query: Query, of: Events, span: Span, at: At) -> str:
    return f"""
        SELECT {query.of} AS of, user, {at.event} AS at FROM {query.events(of, *span)}
    """


def _of_days(query: Query, days: Sequence[Run], at: At) -> str:
    within = " OR ".join(
        f"day BETWEEN toDate({query.bind(first, 'UInt16')}) AND toDate({query.bind(last, 'UInt16')})"
        for first, last in days
    )
    return f"""
        SELECT {query.of} AS of, user, {at.day} AS at FROM person_days
        WHERE zone = {query.bind(query.scope.zone_name, "String")} AND ({within})
            AND {query.of_scope()} AND {query.chosen}
    """


def _stored_late(query: Query, of: Events, days: Sequence[Run], at: At) -> Iterator[str]:
    """Events of rolled days that may not be rolled up yet; who is told twice was active all the same."""
    if source := stored_late(query, of, days):
        yield f"SELECT {query.of} AS of, user, {at.event} AS at FROM {source}"


def stored_late(query: Query, of: Events, days: Sequence[Run]) -> str:
    """From which rows: such events of rolled days that may not be rolled up yet; "" where there are none."""
    late = query.scope.rolled.late(days)
    if not late:
        return ""
    spans = [edges_of(query.scope, run) for run in late]
    return f"""
        {query.events(of, spans[0][0], spans[-1][1])}
            AND _stored_at >= {query.moment(query.scope.rolled.since)} AND ({query.within(spans)})
    """
