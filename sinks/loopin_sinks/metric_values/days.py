"""What is told of users by the days on which they were active."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import (
    ACTIVE,
    Lapsed,
    LatestMean,
    Retention,
    Stickiness,
    TrailingUsers,
    Users,
    UsersSoFar,
)
from loopin_sinks.metric_values.active import beginnings, day_number, rows_of
from loopin_sinks.metric_values.counts import users
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import LINKED, MS, PERSON, Query, of_persons, stretches
from loopin_sinks.metric_values.values import Values, by_period, quotient, running
from loopin_sinks.store import Store

BEFORE: Final = -1
"""In place of a period's start: before all of them."""


async def trailing_users(store: Store, scope: Scope, of: TrailingUsers, periods: Periods) -> Values:
    """Persons active within the days that end with each period's last one."""
    ends = [periods.last_day(scope, number) for number in range(len(periods))]
    counts = await _trailing(store, scope, of.days, ends, periods.end)
    return {(number, value): float(n) for value, sums in counts.items() for number, n in enumerate(sums) if n}


async def stickiness(store: Store, scope: Scope, of: Stickiness, periods: Periods) -> Values:
    """Mean of the days' users over all users of those days."""
    ends = [periods.last_day(scope, number) for number in range(len(periods))]
    first = min(ends) - of.days + 1
    days = range(first, max(ends) + 1)
    daily = await _trailing(store, scope, 1, days, periods.end)
    monthly = await _trailing(store, scope, of.days, ends, periods.end)
    means = {
        (number, value): sum(counts[end - of.days + 1 - first : end + 1 - first]) / of.days
        for value, counts in daily.items()
        for number, end in enumerate(ends)
    }
    return quotient(
        means, {(at, value): float(n) for value, ns in monthly.items() for at, n in enumerate(ns)}
    )


async def _trailing(
    store: Store, scope: Scope, days: int, ends: range | list[int], until: datetime
) -> dict[str, list[int]]:
    """For each day of ``ends``, ascending: persons active on it or in the ``days - 1`` days before."""
    since = scope.midnight(min(ends) - days + 1)
    if len(ends) == 1:
        # The same, by far cheaper.
        whole = Periods((since, min(until, scope.midnight(ends[0] + 1))))
        return {of: [int(n)] for (_, of), n in (await users(store, scope, Users(ACTIVE), whole)).items()}
    query = Query(scope)
    found = f"""
        SELECT of, user, groupUniqArray(at) AS times
        FROM ({rows_of(query, ACTIVE, (since, until), day_number(query))}) GROUP BY of, user
    """
    rows = await query.rows(store, stretches(found, query.bind(days, "Int64")))
    return running(((row["at"], row["of"], row["change"]) for row in rows), ends)


async def users_so_far(store: Store, scope: Scope, of: UsersSoFar, periods: Periods) -> Values:
    """Persons with such an event before each period's end."""
    query = Query(scope)
    rows_of_users = beginnings(query, of.of, periods)
    of_each, keys = ("of", "user, of") if scope.by else ("'' AS of", "user")
    alone, linked = (
        f"SELECT {of_each}, user, min(at) AS began FROM ({rows_of_users}) WHERE {whose} GROUP BY {keys}"
        for whose in (f"NOT {LINKED}", LINKED)
    )
    start = query.bind(epoch_ms(periods.start), "Int64")
    rows = await query.rows(
        store,
        f"""
        SELECT of, if(first < {start}, {BEFORE}, {query.period(periods, "first")}) AS at, count() AS persons
        FROM (
            SELECT of, began AS first FROM ({alone})
            UNION ALL
            SELECT of, min(found.began) AS first FROM {of_persons(linked)}
            GROUP BY of, {PERSON}
        )
        GROUP BY of, at
        """,
    )
    changes = ((row["at"], row["of"], row["persons"]) for row in rows)
    counts = running(changes, periods.starts_ms)
    return {(at, value): float(n) for value, ns in counts.items() for at, n in enumerate(ns)}


class Cohort(NamedTuple):
    """Persons who were first active on a day, and how many of them came back in time, by definition."""

    of: str
    first: int
    persons: int
    back: Mapping[Retention, int]


async def cohorts(store: Store, scope: Scope, wanted: Iterable[Retention]) -> list[Cohort]:
    """All cohorts of the project; several definitions at once are hardly dearer than one."""
    query = Query(scope)
    found = f"""
        SELECT of, user, min(at) AS first, groupUniqArray(at) AS days
        FROM ({rows_of(query, ACTIVE, (None, scope.now), day_number(query))}) GROUP BY of, user
    """
    asked = list(wanted)
    back = ", ".join(f"countIf({_came_back(query, of)})" for of in asked)
    rows = await query.rows(
        store,
        f"""
        SELECT of, first, count() AS persons, [{back}] AS back
        FROM (
            SELECT of, min(found.first) AS first, arrayDistinct(groupArrayArray(found.days)) AS days
            FROM {of_persons(found)} GROUP BY of, {PERSON}
        )
        GROUP BY of, first
        """,
    )
    return [
        Cohort(row["of"], row["first"], row["persons"], dict(zip(asked, row["back"], strict=True)))
        for row in rows
    ]


def _came_back(query: Query, of: Retention) -> str:
    days = query.bind(of.days, "Int64")
    if of.rolling:
        return f"arrayExists(day -> day > first AND day <= first + {days}, days)"
    return f"has(days, first + {days})"


def retention(scope: Scope, of: Retention, periods: Periods, found: Iterable[Cohort]) -> Values:
    """Of those first active on the days that begin in each period, the share who came back in time."""
    persons: dict[tuple[int, str], float] = defaultdict(float)
    returned: dict[tuple[int, str], float] = defaultdict(float)
    for cohort in found:
        number = periods.holding(scope.midnight(cohort.first))
        if number is not None and scope.midnight(cohort.first + of.days + 1) <= scope.now:
            persons[number, cohort.of] += cohort.persons
            returned[number, cohort.of] += cohort.back[of]
    return quotient(returned, persons)


async def lapsed(store: Store, scope: Scope, of: Lapsed, periods: Periods) -> Values:
    """Of those with such an event a while ago, the share who have had none since."""
    query = Query(scope)
    ends = sorted({periods.last_day(scope, number) for number in range(len(periods))})
    since = scope.midnight(ends[0] - of.before + 1)
    # A host may be named; where not, it is who created the event.
    if of.by:
        found = f"""
            SELECT {query.of} AS of, {query.text(of.by)} AS name, user, groupUniqArray({query.day}) AS days
            FROM {query.events(of.of, since, periods.end)} GROUP BY of, name, user
        """
    else:
        rows_by_day = rows_of(query, of.of, (since, periods.end), day_number(query))
        found = (
            f"SELECT of, '' AS name, user, groupUniqArray(at) AS days FROM ({rows_by_day}) GROUP BY of, user"
        )
    before, recent = query.bind(of.before, "Int64"), query.bind(of.recent, "Int64")
    rows = await query.rows(
        store,
        f"""
        SELECT of, end, count() AS former,
            countIf(NOT arrayExists(day -> day > end - {recent} AND day <= end, days)) AS gone
        FROM (
            SELECT of, arrayDistinct(groupArrayArray(found.days)) AS days
            FROM {of_persons(found)} GROUP BY of, found.name, if(found.name = '', {PERSON}, 0)
        )
        ARRAY JOIN {query.bind(ends, "Array(Int64)")} AS end
        WHERE arrayExists(day -> day > end - {before} AND day <= end - {recent}, days)
        GROUP BY of, end
        """,
    )
    shares = {(row["end"], row["of"]): row["gone"] / row["former"] for row in rows}
    return {
        (number, value): found
        for number in range(len(periods))
        for (end, value), found in shares.items()
        if end == periods.last_day(scope, number)
    }


async def latest_mean(store: Store, scope: Scope, of: LatestMean, periods: Periods) -> Values:
    """Mean over persons of the last number told before each period's end."""
    query = Query(scope)
    number = query.number(of.property)
    within = f"{number} >= {query.bind(of.least, 'Float64')} AND {number} <= {query.bind(of.most, 'Float64')}"
    found = f"""
        SELECT {query.of} AS of, user, groupArray(({MS}, assumeNotNull({number}))) AS told
        FROM {query.events(of.of, None, periods.end)} AND ifNull({within}, false) GROUP BY of, user
    """
    ends = [epoch_ms(edge) for edge in periods.edges[1:]]
    rows = await query.rows(
        store,
        f"""
        SELECT of, starts[position] AS at, avg(arrayLast(each -> each.1 < end, all).2) AS value
        FROM (
            SELECT of, arraySort(groupArrayArray(found.told)) AS all
            FROM {of_persons(found)} GROUP BY of, {PERSON}
        )
        ARRAY JOIN {query.bind(ends, "Array(Int64)")} AS end,
            arrayEnumerate({query.bind(ends, "Array(Int64)")}) AS position
        WHERE all[1].1 < end GROUP BY of, position
        """.replace("starts[position]", f"{query.bind(periods.starts_ms, 'Array(Int64)')}[position]"),
    )
    return by_period(rows, periods)
