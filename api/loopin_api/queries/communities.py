"""Who comes to a community, when, and who of its members stay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from loopin_api.queries.days import day_periods
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Grain
from loopin_schemas.metrics.definition import ACTIVE, OnlineMembers, SessionLength, events
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons
from loopin_sinks.store import Store

ONLINE: Final = timedelta(minutes=5)
"""For how long an event makes a member online."""

MAX_PEAK_HOURS: Final = 3

_INSTANT: Final = timedelta(milliseconds=1)
_USUAL_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Now:
    """A community at the moment.

    ``online`` are the persons active in it within 5 minutes, ``peak_today`` and ``peak_week`` the most of
    them at once since today and the sixth day before it began, ``members`` and ``actions`` the persons active
    within 24 hours and their events.
    """

    online: int
    peak_today: int
    peak_week: int
    members: int
    actions: int


@dataclass(frozen=True, slots=True)
class Busy:
    """What happened in one period, hour of the day or day of the week; ``members`` are distinct persons."""

    actions: int = 0
    members: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """A community over a span: ``hourly`` has 24, ``weekly`` 7 from Monday, ``series`` one for each period.

    ``session_minutes`` is None without sessions, ``retention`` (0 to 1) without members at the start.
    """

    views: int
    visitors: int
    joins: int
    leaves: int
    members: int
    retention: float | None
    peak_online: int
    session_minutes: float | None
    grain: Grain
    series: Sequence[tuple[date, Busy]]
    weekly: Sequence[Busy]
    hourly: Sequence[Busy]

    @property
    def peak_hours(self) -> list[int]:
        """Hours of the day with the most actions, at most three, busiest first; of equal ones the earlier."""
        busy = [hour for hour, one in enumerate(self.hourly) if one.actions]
        return sorted(busy, key=lambda hour: -self.hourly[hour].actions)[:MAX_PEAK_HOURS]


async def realtime(store: Store, scope: Scope, community: str) -> Now:
    """How busy a community is now; zeros for one that nobody has been in.

    Raises:
        StoreError: the store did not answer.
    """
    within = replace(scope, only={"community": community})
    today = scope.day_of(scope.now)
    days = [scope.midnight(today - ago) for ago in reversed(range(_USUAL_DAYS))]
    # To the end of this minute, so that it counts, too.
    week = Periods((*days, scope.now + timedelta(minutes=1)))
    present, peaks = await asyncio.gather(
        _present(store, within), values_of(store, within, OnlineMembers("peak"), week)
    )
    by_day = [int(peaks.get((day, ""), None) or 0) for day in range(_USUAL_DAYS)]
    # Counted by minutes, a peak may miss who came and went at the edges of the last five.
    return Now(
        online=present["online"],
        peak_today=max(by_day[-1], present["online"]),
        peak_week=max(*by_day, present["online"]),
        members=present["members"],
        actions=present["actions"],
    )


async def _present(store: Store, scope: Scope) -> dict[str, Any]:
    query = Query(scope)
    until = scope.now + _INSTANT
    since = query.bind(epoch_ms(until - ONLINE), "Int64")
    found = f"""
        SELECT user, count() AS acts, max({MS}) AS latest
        FROM {query.events(ACTIVE, until - timedelta(days=1), until)} GROUP BY user
    """
    (row,) = await query.rows(
        store,
        f"""
        SELECT uniqExact({PERSON}) AS members, sum(found.acts) AS actions,
            uniqExactIf({PERSON}, found.latest >= {since}) AS online
        FROM {of_persons(found)}
        """,
    )
    return row


@dataclass(frozen=True, slots=True)
class Online:
    """Persons active within 5 minutes: in any community, and by community, those with the most first."""

    members: int
    communities: Sequence[tuple[str, int]]


async def online(store: Store, scope: Scope, most: int) -> Online:
    """Who is online now, in at most so many communities.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(replace(scope, by="community"))
    until = scope.now + _INSTANT
    found = f"""
        SELECT {query.of} AS of, user FROM {query.events(ACTIVE, until - ONLINE, until)}
        AND community_id != '' GROUP BY of, user
    """
    rows = await query.rows(
        store,
        f"""
        SELECT arrayJoin(['', found.of]) AS community, uniqExact({PERSON}) AS members
        FROM {of_persons(found)} GROUP BY community
        ORDER BY community != '', members DESC, community LIMIT {query.bind(most + 1, "UInt64")}
        """,
    )
    if not rows:
        return Online(0, ())
    whole, *each = rows
    return Online(whole["members"], [(row["community"], row["members"]) for row in each])


async def report(store: Store, scope: Scope, community: str, span: Timespan) -> Report:
    """A community over a span; zeros for one that nobody has been in.

    Raises:
        StoreError: the store did not answer.
    """
    within = replace(scope, only={"community": community})
    whole = Periods((span.start, span.end))
    grain, series = day_periods(span)
    people, busy, peak, length = await asyncio.gather(
        _people(store, within, span),
        _busy(store, within, series),
        values_of(store, within, OnlineMembers("peak"), whole),
        values_of(store, within, SessionLength(), whole),
    )
    return Report(
        views=people["views"],
        visitors=people["visitors"],
        joins=people["joins"],
        leaves=people["leaves"],
        members=people["members"],
        retention=people["retained"] / people["members"] if people["members"] else None,
        peak_online=int(peak.get((0, "")) or 0),
        session_minutes=length.get((0, "")),
        grain=grain,
        series=[
            (edge.astimezone(span.zone).date(), busy.get(("period", start), Busy()))
            for edge, start in zip(series.edges[:-1], series.starts_ms, strict=True)
        ],
        weekly=[busy.get(("weekday", day), Busy()) for day in range(1, 8)],
        hourly=[busy.get(("hour", hour), Busy()) for hour in range(24)],
    )


async def _people(store: Store, scope: Scope, span: Timespan) -> dict[str, Any]:
    """Visits, and members: whoever, before the span, left neither after joining last nor at the same ms.

    A member is retained who does anything in the span but leave.
    """
    query = Query(scope)
    start = query.moment(span.start)
    is_join, is_leave = (query.matches(events(name)) for name in ("community_joined", "community_left"))
    found = f"""
        SELECT user,
            countIf(timestamp >= {start} AND {query.matches(events("community_viewed"))}) AS views,
            countIf(timestamp >= {start} AND {is_join}) AS joins,
            countIf(timestamp >= {start} AND {is_leave}) AS leaves,
            countIf(timestamp >= {start} AND {query.matches(ACTIVE)} AND NOT ({is_leave})) AS acts,
            maxIf({MS}, timestamp < {start} AND {is_join}) AS joined,
            maxIf({MS}, timestamp < {start} AND {is_leave}) AS parted
        FROM {query.source(None, span.end)} AND (timestamp >= {start} OR {is_join} OR {is_leave})
        GROUP BY user
    """
    (row,) = await query.rows(
        store,
        f"""
        SELECT sum(seen) AS views, countIf(seen > 0) AS visitors, sum(came) AS joins, sum(went) AS leaves,
            countIf(is_member) AS members, countIf(is_member AND did > 0) AS retained
        FROM (
            SELECT sum(found.views) AS seen, sum(found.joins) AS came, sum(found.leaves) AS went,
                sum(found.acts) AS did, max(found.joined) > max(found.parted) AS is_member
            FROM {of_persons(found)} GROUP BY {PERSON}
        )
        """,
    )
    return row


async def _busy(store: Store, scope: Scope, series: Periods) -> dict[tuple[str, int], Busy]:
    """By period (its start, epoch ms), weekday (1 is Monday) and hour of the day, in the zone."""
    query = Query(scope)
    zone = query.bind(scope.zone_name, "String")
    found = f"""
        SELECT {query.period(series)} AS at, toDayOfWeek(toDate(timestamp, {zone})) AS weekday,
            toHour(timestamp, {zone}) AS hour, user, count() AS acts
        FROM {query.events(ACTIVE, series.start, series.end)} GROUP BY at, weekday, hour, user
    """
    slots = ", ".join(
        f"('{kind}', toInt64(found.{column}))"
        for kind, column in (("period", "at"), ("weekday", "weekday"), ("hour", "hour"))
    )
    rows = await query.rows(
        store,
        f"""
        SELECT slot.1 AS kind, slot.2 AS number, sum(acts) AS actions, uniqExact(person) AS members
        FROM (
            SELECT arrayJoin([{slots}]) AS slot, {PERSON} AS person, found.acts AS acts
            FROM {of_persons(found)}
        )
        GROUP BY kind, number
        """,
    )
    return {(row["kind"], row["number"]): Busy(row["actions"], row["members"]) for row in rows}
