"""Sessions: what a person does under one session's id, or, without one, without a longer pause."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import ACTIVE, UniquePageViews, events
from loopin_sinks.metric_history.coverage import coverage
from loopin_sinks.metric_values.active import Run, Span, edges_of, period_of, split
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import LINKED, MS, PERSON, Query, Rows, alone, of_persons
from loopin_sinks.metric_values.values import Values, by_period
from loopin_sinks.store import Store

SESSION_GAP_MS: Final = 30 * 60 * 1000
"""Longest pause within a session of events that name no session, in ms."""

LONGEST: Final = timedelta(days=1)
"""How long an id stands for one session, as all clients and the stream keep it: so far sessions are followed
beyond both ends of a period, back to tell whether they began within it, on to tell how long they lasted."""

NO_INTERACTION: Final = ["$pageview", "$pageleave", "$web_vitals", "page_loaded"]
"""Events that a visitor who only looks at a page causes."""


MAX_CARRIED: Final = 10_000
"""Most users whose sessions go on today that are told apart from the rest."""

KINDS: Final = {
    "all": "true",
    "viewed": "views > 0",
    "bounced": "views = 1 AND interactions = 0",
    "crashed": "crashes > 0",
}


@dataclass(frozen=True, slots=True)
class SessionNumbers:
    """Of the sessions that began in each period: how many, by kind, and their mean length in minutes."""

    counts: Mapping[str, Values]
    minutes: Values


class Whose(NamedTuple):
    """In SQL, how rows with a column ``user`` are put together: how to read them, and whose each is."""

    read: Callable[[str], str]
    key: str


PERSONS: Final = Whose(of_persons, PERSON)
USERS: Final = Whose(lambda found: f"({found}) AS found", "found.user")

LENGTH: Final = "sum(ended - began)"

_OLDEST: Final = """
    SELECT timestamp FROM events WHERE project = {project:String}
    ORDER BY project, toDate(timestamp), timestamp LIMIT 1
"""


async def session_numbers(store: Store, scope: Scope, periods: Periods) -> SessionNumbers:
    """All that metrics ask of sessions.

    Of days that are rolled up, the sessions of users are read; for those who share a person with others stand
    that person's, from the events, and so it is for those whose sessions go on today.
    """
    plain = not (scope.bots or scope.users or scope.where or scope.only or scope.by)
    usable = set(scope.rolled.sessions) if plain else set()
    yesterday = scope.day_of(scope.now) - 1
    today = scope.midnight(yesterday + 1)
    carried = None
    if plain and yesterday in scope.rolled.unfinished and periods.end > today:
        carried = await _carried_on(store, scope, yesterday)
        usable |= {yesterday} if carried is not None else set()
    parts = split(scope, usable, periods.edges)
    asked: list[Awaitable[Rows]] = []
    for span in parts.spans:
        if carried is not None and span[0] == today:
            asked += _of_today(store, scope, periods, span, carried)
        else:
            asked.append(_began(store, scope, periods, span, _whose(scope)))
    if parts.days:
        asked.append(_rolled_up(store, scope, periods, parts.days, "user = 0", 1))
        asked += await _corrections(store, scope, periods, parts.days)
        if carried and parts.days[-1][1] == yesterday:
            asked += _continued(store, scope, periods, (yesterday, yesterday), carried)
    sums: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for found in await asyncio.gather(*asked):
        for row in found:
            sums[periods.number[row["at"]], row["of"]].update(
                {each: row[each] for each in (*KINDS, "length")}
            )
    sums = {key: found for key, found in sums.items() if found["all"]}
    return SessionNumbers(
        {kind: {key: found[kind] for key, found in sums.items()} for kind in KINDS},
        {key: found["length"] / 60_000 / found["all"] for key, found in sums.items()},
    )


async def _carried_on(store: Store, scope: Scope, yesterday: int) -> list[int] | None:
    """Users whose sessions may have gone on today, but for those who share a person; None for too many.

    Among them are those who have a session today of another's id: one key is far cheaper than two.
    """
    query = Query(scope)
    today = query.source(scope.midnight(yesterday + 1), scope.now)
    rows = await query.rows(
        store,
        f"""
        SELECT DISTINCT user FROM {today} AND {query.matches(ACTIVE)} AND {alone(scope)}
            AND if(session_id = '', user, cityHash64(session_id)) IN (
                SELECT if(session = cityHash64(''), user, session) FROM open_sessions
                WHERE project = {{project:String}} AND zone = {query.bind(scope.zone_name, "String")}
                    AND day = toDate({query.bind(yesterday, "UInt16")})
                    AND version = {query.bind(scope.rolled.days[yesterday].version, "UInt64")}
            )
        LIMIT {MAX_CARRIED + 1}
        """,
    )
    return [row["user"] for row in rows] if len(rows) <= MAX_CARRIED else None


def _of_today(
    store: Store, scope: Scope, periods: Periods, span: Span, carried: Sequence[int]
) -> Sequence[Awaitable[Rows]]:
    """Sessions that began today: of most users today's events alone tell."""
    shared = [] if not scope.rolled.linked else [(PERSONS, LINKED)]
    goes_on = [(USERS, f"user IN {_users(carried)} AND {alone(scope)}")] if carried else []
    rest = f"user NOT IN {_users(carried)}" if carried else "true"
    asked = [_began(store, scope, periods, span, [(USERS, f"{rest} AND {alone(scope)}")], back=timedelta())]
    if whose := [*shared, *goes_on]:
        asked.append(_began(store, scope, periods, span, whose))
    return asked


def _continued(
    store: Store, scope: Scope, periods: Periods, day: Run, carried: Sequence[int]
) -> Sequence[Awaitable[Rows]]:
    """Sessions of a day as they are, in place of what was rolled up before they went on."""
    whose = f"user IN {_users(carried)} AND {alone(scope)}"
    return [
        _rolled_up(store, scope, periods, [day], whose, -1),
        _began(store, scope, periods, edges_of(scope, day), [(USERS, whose)]),
    ]


def _users(numbers: Sequence[int]) -> str:
    return f"[{', '.join(map(str, numbers))}]"


def _whose(scope: Scope) -> list[tuple[Whose, str]]:
    """How all sessions are put together, and a test of the events that it is done so for.

    For most users there is nothing to put together: putting it together is dear all the same.
    """
    return [(PERSONS, LINKED), (USERS, f"NOT {LINKED}")] if scope.rolled.linked else [(USERS, "true")]


async def _began(
    store: Store,
    scope: Scope,
    periods: Periods,
    span: Span,
    whose: Sequence[tuple[Whose, str]],
    back: timedelta = LONGEST,
) -> Rows:
    """Sessions that began in the span, by period; ``back`` is how long before it one may have begun."""
    query = Query(scope)
    counted = ", ".join(f"countIf({test}) AS {kind}" for kind, test in KINDS.items())
    found = " UNION ALL ".join(sessions_of(query, span, one, also, back=back) for one, also in whose)
    return await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "began")} AS at, of, {counted}, {LENGTH} AS length
        FROM ({found}) GROUP BY at, of
        """,
    )


async def _corrections(
    store: Store, scope: Scope, periods: Periods, days: Sequence[Run]
) -> list[Awaitable[Rows]]:
    """What the sessions of all users say otherwise than those of persons, without the project's own.

    Of days whose events are gone nothing tells which sessions of a person's users were one: they all count.
    """
    asked: list[Awaitable[Rows]] = []
    told: Sequence[Run] = ()
    if scope.rolled.linked:
        since = await whole_sessions_since(store, scope)
        told = [(max(first, since), last) for first, last in days if since is not None and last >= since]
        if told:
            asked.append(_rolled_up(store, scope, periods, told, LINKED, -1))
        asked += [_began(store, scope, periods, edges_of(scope, run), [(PERSONS, LINKED)]) for run in told]
    if scope.internal:
        own = "user IN ({internal})"
        asked.append(_rolled_up(store, scope, periods, days, own, -1))
        if told:
            # They have been taken away already.
            asked.append(_rolled_up(store, scope, periods, told, f"{LINKED} AND {own}", 1))
    return asked


async def whole_sessions_since(store: Store, scope: Scope) -> int | None:
    """The first day whose sessions the events tell as they were: the day before it is all there, too.

    The number of the day from 1970-01-01; 0 where no event has expired, None where there are none.

    Raises:
        StoreError: the store did not answer.
    """
    covered = await coverage(store, scope)
    if covered is None or not covered.expired:
        return None if covered is None else 0
    [row] = await store.query(_OLDEST, {"project": scope.project})
    return max(scope.day_of(covered.start), scope.day_of(row["timestamp"])) + 1


async def _rolled_up(
    store: Store, scope: Scope, periods: Periods, days: Sequence[Run], whose: str, sign: int
) -> Rows:
    """Sessions of users that began on rolled days, by period; all of them negative where the sign is."""
    query = Query(scope)
    known = {**scope.rolled.sessions, **scope.rolled.unfinished}
    versions = {day: known[day] for first, last in days for day in range(first, last + 1)}
    sums = ", ".join(
        f"{sign} * toInt64(sum(kept.{column})) AS {name}"
        for name, column in {
            **dict(zip(KINDS, KINDS, strict=True)),
            "all": "sessions",
            "length": "length_ms",
        }.items()
    )
    return await query.rows(
        store,
        f"""
        SELECT {period_of(query, periods).day} AS at, '' AS of, {sums} FROM session_days AS kept
        WHERE project = {{project:String}} AND zone = {query.bind(scope.zone_name, "String")}
            AND (toInt64(day), version) IN (
                SELECT arrayJoin(arrayZip(
                    {query.bind(list(versions), "Array(Int64)")},
                    {query.bind(list(versions.values()), "Array(UInt64)")}
                ))
            )
            AND {whose.replace("{internal}", query.internal() if scope.internal else "")}
        GROUP BY at
        """,
    )


async def unique_page_views(store: Store, scope: Scope, _: UniquePageViews, periods: Periods) -> Values:
    """Distinct pairs of session and path."""
    query = Query(scope)
    found = f"""
        SELECT {query.period(periods)} AS at, {query.of} AS of, user, session_id, path
        FROM {query.events(events("$pageview"), periods.start, periods.end)}
        GROUP BY at, of, user, session_id, path
    """
    rows = await query.rows(
        store,
        f"""
        SELECT at, of, uniqExact({PERSON}, found.session_id, found.path) AS value
        FROM {of_persons(found)} GROUP BY at, of
        """,
    )
    return by_period(rows, periods)


def sessions_of(
    query: Query,
    span: Span,
    whose: Whose,
    also: str,
    table: str = "events",
    back: timedelta = LONGEST,
) -> str:
    """Rows of ``whose``, ``of``, ``began``, ``ended`` (ms), ``views``, ``interactions``, ``crashes``.

    Of the sessions that began in the span. Events of one id are added up by user, then by person; those
    without one are cut at pauses, by person. ``also`` is a further test of events.
    """
    scope = query.scope
    since, until = span
    assert since is not None
    source = query.source(since - back, min(until + LONGEST, scope.now), table)
    source += f" AND {query.matches(ACTIVE)} AND {also}"
    # What decides is the first event; where nothing is asked of it, it need not be looked for.
    of = f"argMin({query.of}, timestamp)" if scope.by else "''"
    chosen = f"argMin({query.chosen}, timestamp)" if scope.where else "true"
    view = "event = '$pageview'"
    interaction = f"event NOT IN {query.bind(NO_INTERACTION, 'Array(String)')}"
    crash = "event = 'app_crashed'"
    named = f"""
        SELECT user, cityHash64(session_id) AS session, toUnixTimestamp64Milli(min(timestamp)) AS began,
            toUnixTimestamp64Milli(max(timestamp)) AS ended,
            {of} AS of, {chosen} AS chosen,
            countIf({view}) AS views, countIf({interaction}) AS interactions, countIf({crash}) AS crashes
        FROM {source} AND session_id != '' GROUP BY user, session
    """
    unnamed = f"""
        SELECT user, groupArray((
            {MS}, {query.of}, {query.chosen}, toUInt64({view}), toUInt64({interaction}), toUInt64({crash})
        )) AS pieces
        FROM {source} AND session_id = '' GROUP BY user
    """
    start, end = (query.bind(epoch_ms(edge), "Int64") for edge in (since, until))
    by_id = (
        f"SELECT user AS whose, began, ended, of, chosen, views, interactions, crashes FROM ({named})"
        if whose is USERS
        else f"""
            SELECT {whose.key} AS whose, min(found.began) AS began, max(found.ended) AS ended,
                {"argMin(found.of, found.began)" if scope.by else "''"} AS of,
                {"argMin(found.chosen, found.began)" if scope.where else "true"} AS chosen,
                sum(found.views) AS views, sum(found.interactions) AS interactions,
                sum(found.crashes) AS crashes
            FROM {whose.read(named)} GROUP BY whose, found.session
        """
    )
    return f"""
        SELECT whose, of, began, ended, views, interactions, crashes
        FROM (
            {by_id}
            UNION ALL
            SELECT whose, part[1].1 AS began, part[-1].1 AS ended, part[1].2 AS of, part[1].3 AS chosen,
                arraySum(piece -> piece.4, part) AS views, arraySum(piece -> piece.5, part) AS interactions,
                arraySum(piece -> piece.6, part) AS crashes
            FROM (
                SELECT {whose.key} AS whose, arraySort(groupArrayArray(found.pieces)) AS sorted,
                    arrayDifference(arrayMap(piece -> piece.1, sorted)) AS pauses,
                    arraySplit((piece, pause) -> pause > {SESSION_GAP_MS}, sorted, pauses) AS parts
                FROM {whose.read(unnamed)} GROUP BY whose
            )
            ARRAY JOIN parts AS part
        )
        WHERE chosen AND began >= {start} AND began < {end}
    """
