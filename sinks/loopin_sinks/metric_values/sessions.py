"""Sessions: what a person does under one session's id, or, without one, without a longer pause."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import ACTIVE, UniquePageViews, events
from loopin_sinks.metric_history.coverage import coverage, oldest_event
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


class Begun(NamedTuple):
    """Of today, but for users who share a person: the sessions with an id that began, by period; users with
    sessions that go on from yesterday; and those who may have such without an id.
    """

    rows: Rows
    carried: Sequence[int]
    unnamed: Sequence[int]


class Whose(NamedTuple):
    """In SQL, how rows with a column ``user`` are put together: how to read them, and whose each is."""

    read: Callable[[str], str]
    key: str


PERSONS: Final = Whose(of_persons, PERSON)
USERS: Final = Whose(lambda found: f"({found}) AS found", "found.user")

LENGTH: Final = "sum(ended - began)"


async def session_numbers(store: Store, scope: Scope, periods: Periods) -> SessionNumbers:
    """All that metrics ask of sessions.

    Of days that are rolled up, the sessions of users are read; for those who share a person with others stand
    that person's, from the events, and so it is for those whose sessions go on today.
    """
    plain = not (scope.bots or scope.users or scope.where or scope.only or scope.by)
    usable = set(scope.rolled.sessions) if plain else set()
    yesterday = scope.day_of(scope.now) - 1
    today = scope.midnight(yesterday + 1)
    begun = None
    if plain and yesterday in scope.rolled.unfinished:
        parts = split(scope, usable | {yesterday}, periods.edges)
        if parts.spans and parts.spans[-1][0] == today:
            begun = await _begun(store, scope, periods, (today, periods.end))
            usable |= {yesterday} if begun is not None else set()
    parts = split(scope, usable, periods.edges)
    asked: list[Awaitable[Rows]] = []
    for span in parts.spans:
        if begun is not None and span[0] == today:
            asked += _of_today(store, scope, periods, span, begun)
        else:
            asked.append(_began(store, scope, periods, span, _whose(scope)))
    if parts.days:
        asked.append(_rolled_up(store, scope, periods, parts.days, "user = 0", 1))
        asked += await _corrections(store, scope, periods, parts.days)
        if begun and parts.days[-1][1] == yesterday:
            asked += _continued(store, scope, periods, (yesterday, yesterday), begun)
    sums: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for found in [begun.rows if begun is not None else [], *await asyncio.gather(*asked)]:
        for row in found:
            sums[periods.number[row["at"]], row["of"]].update(
                {each: row[each] for each in (*KINDS, "length")}
            )
    sums = {key: found for key, found in sums.items() if found["all"]}
    return SessionNumbers(
        {kind: {key: found[kind] for key, found in sums.items()} for kind in KINDS},
        {key: found["length"] / 60_000 / found["all"] for key, found in sums.items()},
    )


async def _begun(store: Store, scope: Scope, periods: Periods, span: Span) -> Begun | None:
    """What today's events alone tell of its sessions; None where too many users' go on from yesterday."""
    query = Query(scope)
    without_id = f"""
        SELECT DISTINCT user FROM {query.source(span[0], scope.now)} AND {query.matches(ACTIVE)}
            AND session_id = '' AND user IN ({_open(query, "user")} AND session = cityHash64(''))
            AND {alone(scope)}
        LIMIT {MAX_CARRIED + 1}
    """
    rows, unnamed = await asyncio.gather(
        _named_today(store, scope, periods, span), query.rows(store, without_id)
    )
    carried = [user for row in rows for user in row.pop("carried")]
    if max(len(carried), len(unnamed)) > MAX_CARRIED:
        return None
    return Begun(rows, carried, [row["user"] for row in unnamed])


async def _named_today(store: Store, scope: Scope, periods: Periods, span: Span) -> Rows:
    query = Query(scope)
    goes_on = f"cityHash64(user, session) IN ({_open(query, 'cityHash64(user, session)')})"
    # All that goes on is told, also after the time that is asked for.
    counts = f"NOT goes_on AND began < {query.bind(_ms(span[1]), 'Int64')}"
    counted = ", ".join(f"countIf({test} AND {counts}) AS {kind}" for kind, test in KINDS.items())
    named = _named(query, span, alone(scope), "events", timedelta())
    return await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "began")} AS at, '' AS of, {counted},
            sumIf(ended - began, {counts}) AS length,
            groupUniqArrayIf({MAX_CARRIED + 1})(user, goes_on) AS carried
        FROM (SELECT *, {goes_on} AS goes_on FROM ({named})) GROUP BY at
        """,
    )


def _open(query: Query, what: str) -> str:
    """A query of yesterday's sessions, none of which need be over."""
    scope = query.scope
    yesterday = scope.day_of(scope.now) - 1
    return f"""
        SELECT {what} FROM open_sessions
        WHERE project = {{project:String}} AND zone = {query.bind(scope.zone_name, "String")}
            AND day = toDate({query.bind(yesterday, "UInt16")})
            AND version = {query.bind(scope.rolled.days[yesterday].version, "UInt64")}
    """


def _of_today(
    store: Store, scope: Scope, periods: Periods, span: Span, begun: Begun
) -> Sequence[Awaitable[Rows]]:
    """Sessions that began today, but for those that are told: of most users today's events alone tell."""
    query = Query(scope)
    goes_on = f"user IN {_users(begun.unnamed)}" if begun.unnamed else "false"
    found = [unnamed_sessions_of(query, span, USERS, f"NOT {goes_on} AND {alone(scope)}", timedelta())]
    if begun.unnamed:
        found.append(unnamed_sessions_of(query, span, USERS, f"{goes_on} AND {alone(scope)}", LONGEST))
    if scope.rolled.linked:
        found.append(sessions_of(query, span, PERSONS, LINKED))
    return [_counted(store, query, periods, found)]


def _continued(
    store: Store, scope: Scope, periods: Periods, day: Run, begun: Begun
) -> Sequence[Awaitable[Rows]]:
    """Sessions of a day as they are, in place of what was rolled up before they went on."""
    if not (begun.carried or begun.unnamed):
        return []
    whose = f"user IN {_users({*begun.carried, *begun.unnamed})} AND {alone(scope)}"
    return [
        _rolled_up(store, scope, periods, [day], whose, -1),
        _began(store, scope, periods, edges_of(scope, day), [(USERS, whose)]),
    ]


def _users(numbers: Collection[int]) -> str:
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
) -> Rows:
    """Sessions that began in the span, by period."""
    query = Query(scope)
    found = [sessions_of(query, span, one, also) for one, also in whose]
    return await _counted(store, query, periods, found)


async def _counted(store: Store, query: Query, periods: Periods, found: Sequence[str]) -> Rows:
    counted = ", ".join(f"countIf({test}) AS {kind}" for kind, test in KINDS.items())
    return await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "began")} AS at, of, {counted}, {LENGTH} AS length
        FROM ({" UNION ALL ".join(found)}) GROUP BY at, of
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
    oldest = await oldest_event(store, scope.project)
    return None if oldest is None else max(scope.day_of(covered.start), scope.day_of(oldest.at)) + 1


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
    # Numbers are several times cheaper to tell apart than texts, and the fewer keys the better.
    keys = ", ".join(["user", "seen", *["at"] * (len(periods) > 1), *["of"] * (scope.by is not None)])
    found = f"""
        SELECT {query.period(periods)} AS at, {query.of} AS of, user, cityHash64(session_id, path) AS seen,
            {LINKED} AS linked
        FROM {query.events(events("$pageview"), periods.start, periods.end)} GROUP BY {keys}
    """
    if scope.rolled.linked:
        value, source = f"countIf(NOT linked) + uniqExactIf({PERSON}, found.seen, linked)", of_persons(found)
    else:
        value, source = "count()", f"({found})"
    rows = await query.rows(store, f"SELECT at, of, {value} AS value FROM {source} GROUP BY at, of")
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
    named = _named(query, span, also, table, back)
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
    return _begun_within(query, span, f"{by_id} UNION ALL {_unnamed(query, span, whose, also, table, back)}")


def unnamed_sessions_of(query: Query, span: Span, whose: Whose, also: str, back: timedelta) -> str:
    """Those of them whose events have no id."""
    return _begun_within(query, span, _unnamed(query, span, whose, also, "events", back))


def _begun_within(query: Query, span: Span, found: str) -> str:
    start, end = (query.bind(_ms(edge), "Int64") for edge in span)
    return f"""
        SELECT whose, of, began, ended, views, interactions, crashes
        FROM ({found}) WHERE chosen AND began >= {start} AND began < {end}
    """


def _ms(edge: datetime | None) -> int:
    assert edge is not None
    return epoch_ms(edge)


def _source(query: Query, span: Span, also: str, table: str, back: timedelta) -> str:
    since, until = span
    assert since is not None
    source = query.source(since - back, min(until + LONGEST, query.scope.now), table)
    return f"{source} AND {query.matches(ACTIVE)} AND {also}"


_VIEW: Final = "event = '$pageview'"
_CRASH: Final = "event = 'app_crashed'"


def _interaction(query: Query) -> str:
    return f"event NOT IN {query.bind(NO_INTERACTION, 'Array(String)')}"


def _named(query: Query, span: Span, also: str, table: str, back: timedelta) -> str:
    """Rows of ``user``, ``session`` (hash of the id), ``chosen`` and what ``sessions_of`` gives."""
    scope = query.scope
    # What decides is the first event; where nothing is asked of it, it need not be looked for.
    of = f"argMin({query.of}, timestamp)" if scope.by else "''"
    chosen = f"argMin({query.chosen}, timestamp)" if scope.where else "true"
    return f"""
        SELECT user, cityHash64(session_id) AS session, toUnixTimestamp64Milli(min(timestamp)) AS began,
            toUnixTimestamp64Milli(max(timestamp)) AS ended, {of} AS of, {chosen} AS chosen,
            countIf({_VIEW}) AS views, countIf({_interaction(query)}) AS interactions,
            countIf({_CRASH}) AS crashes
        FROM {_source(query, span, also, table, back)} AND session_id != '' GROUP BY user, session
    """


def _unnamed(query: Query, span: Span, whose: Whose, also: str, table: str, back: timedelta) -> str:
    found = f"""
        SELECT user, groupArray((
            {MS}, {query.of}, {query.chosen}, toUInt64({_VIEW}), toUInt64({_interaction(query)}),
            toUInt64({_CRASH})
        )) AS pieces
        FROM {_source(query, span, also, table, back)} AND session_id = '' GROUP BY user
    """
    return f"""
        SELECT whose, part[1].1 AS began, part[-1].1 AS ended, part[1].2 AS of, part[1].3 AS chosen,
            arraySum(piece -> piece.4, part) AS views, arraySum(piece -> piece.5, part) AS interactions,
            arraySum(piece -> piece.6, part) AS crashes
        FROM (
            SELECT {whose.key} AS whose, arraySort(groupArrayArray(found.pieces)) AS sorted,
                arrayDifference(arrayMap(piece -> piece.1, sorted)) AS pauses,
                arraySplit((piece, pause) -> pause > {SESSION_GAP_MS}, sorted, pauses) AS parts
            FROM {whose.read(found)} GROUP BY whose
        )
        ARRAY JOIN parts AS part
    """
