"""What persons have come to up to a day: of days that are rolled up from those, else from the events."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from loopin_sinks.metric_values.active import split
from loopin_sinks.metric_values.calculate import with_rollups
from loopin_sinks.metric_values.scope import EPOCH, Scope
from loopin_sinks.metric_values.sessions import Whose, sessions_of, whole_sessions_since
from loopin_sinks.metric_values.sql import Query, Rows
from loopin_sinks.rollups.user_measures import (
    COUNTED,
    DONE,
    DONE_EVENTS,
    LENGTH_MS,
    RECEIVED,
    RECEIVED_EVENTS,
    SESSIONS,
    done,
    received,
)
from loopin_sinks.store import Store

Persons = Mapping[str, str]
"""All distinct_ids of some persons, and what names the person of each."""

Lives = Mapping[str, Mapping[int, Mapping[str, int]]]
"""By name and day (from 1970-01-01) the numbers of each measure; days before the first are one together."""

_FIRST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:@+\-]+")
_MAX_NEEDLES: Final = 200


async def lives(store: Store, scope: Scope, persons: Persons, first: date, end: datetime) -> Lives:
    """What the persons have come to by ``end``: ``DONE``, ``RECEIVED``, ``SESSIONS`` and ``LENGTH_MS``.

    Of days whose events are gone, a session that went on under another of its person's ids counts twice.

    Raises:
        StoreError: the store did not answer.
    """
    scope = await with_rollups(store, scope)
    counted, sessions = await _usable(store, scope)
    of = _Lives(store, scope, persons, (first - EPOCH).days - 1, end)
    ids: dict[str, list[str]] = defaultdict(list)
    for id, name in persons.items():
        ids[name].append(id)
    alone = [each[0] for each in ids.values() if len(each) == 1]
    shared = [id for each in ids.values() if len(each) > 1 for id in each]
    asked = [of.counts(counted)]
    if alone:
        asked.append(of.sessions(alone, sessions))
    if shared:
        since = await whole_sessions_since(store, scope)
        asked.append(of.sessions(shared, {day for day in sessions if since is None or day < since}))
    found: dict[str, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for rows in await asyncio.gather(*asked):
        for row in rows:
            found[row["name"]][row["day"]][row["measure"]] += row["number"]
    return found


async def _usable(store: Store, scope: Scope) -> tuple[set[int], set[int]]:
    """The days of which it is rolled up what is counted of users, and their sessions."""
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT toString(measure) AS what, toInt64(day) AS number, max(version) AS version FROM user_measures
        WHERE project = {{project:String}} AND zone = {query.bind(scope.zone_name, "String")} AND user = 0
        GROUP BY what, number
        """,
    )
    made = {(row["what"], row["number"]): row["version"] for row in rows}
    rolled = scope.rolled
    return (
        {day for day, told in rolled.days.items() if told.whole and made.get((COUNTED, day)) == told.version},
        {day for day, version in rolled.sessions.items() if made.get((SESSIONS, day)) == version},
    )


class _Lives:
    """Rows of ``name``, ``day``, ``measure`` and ``number``, of persons up to ``end``."""

    def __init__(self, store: Store, scope: Scope, persons: Persons, before: int, end: datetime) -> None:
        self._store = store
        self._scope = scope
        self._persons = persons
        self._before = before
        self._end = min(end, scope.now)

    async def counts(self, usable: Collection[int]) -> Rows:
        parts = split(self._scope, usable, (None, self._end))
        days = [day for first, last in parts.days for day in range(first, last + 1)]
        found = await asyncio.gather(
            self._rolled([*DONE, *RECEIVED], list(self._persons), days),
            self._done(parts.spans),
            self._received(parts.spans),
        )
        return [row for rows in found for row in rows]

    async def sessions(self, ids: Sequence[str], usable: Collection[int]) -> Rows:
        parts = split(self._scope, usable, (None, self._end))
        days = [day for first, last in parts.days for day in range(first, last + 1)]
        found = await asyncio.gather(
            self._rolled([SESSIONS, LENGTH_MS], ids, days, self._scope.rolled.sessions),
            self._begun(ids, parts.spans),
        )
        return [row for rows in found for row in rows]

    async def _rolled(
        self,
        measures: Sequence[str],
        ids: Sequence[str],
        days: Sequence[int],
        versions: Mapping[int, int] | None = None,
    ) -> Rows:
        """What is rolled up of these days; of each the given version, or the greatest."""
        if not days:
            return []
        query = Query(replace(self._scope, bots=True))
        tests = [
            f"project = {{project:String}} AND zone = {query.bind(self._scope.zone_name, 'String')}",
            f"user IN {_users(query, ids)}",
            f"measure IN {query.bind(list(measures), 'Array(String)')}",
        ]
        told = query.bind(list(days), "Array(UInt16)")
        if versions is None:
            tests.append(f"toUInt16(day) IN {told}")
        else:
            of_days = query.bind([versions[day] for day in days], "Array(UInt64)")
            tests.append(f"version = transform(toUInt16(day), {told}, {of_days}, toUInt64(0))")
        if self._scope.internal:
            tests.append(f"actor NOT IN ({query.internal()})")
        return await query.rows(
            self._store,
            f"""
            SELECT {self._name(query, "user")} AS name, {self._folded(query, "toInt64(day)")} AS day,
                toString(measure) AS measure, sum(newest) AS number
            FROM (
                SELECT user, measure, day, argMax(number, version) AS newest FROM user_measures
                WHERE {" AND ".join(tests)} GROUP BY user, measure, day, actor
            )
            GROUP BY name, day, measure
            """,
        )

    async def _done(self, spans: Sequence[tuple[datetime | None, datetime]]) -> Rows:
        query = Query(replace(self._scope, users=list(self._persons), internal=()))
        return await query.rows(
            self._store,
            f"""
            SELECT {self._name(query, "user")} AS name, {self._folded(query, query.day)} AS day,
                {done(query)} AS measure, count() AS number
            FROM events WHERE ({query.within(spans)}) AND {query.of_scope()} AND {query.matches(DONE_EVENTS)}
            GROUP BY name, day, measure
            """,
        )

    async def _received(self, spans: Sequence[tuple[datetime | None, datetime]]) -> Rows:
        query = Query(self._scope)
        measure, named = received(query)
        ids = query.bind(list(self._persons), "Array(String)")
        source = f"events WHERE ({query.within(spans)}) AND {query.of_scope()}"
        if len(self._persons) <= _MAX_NEEDLES and all(map(_PLAIN.fullmatch, self._persons)):
            # Far cheaper than to parse them all.
            source += f" AND multiSearchAny(properties, {ids})"
        return await query.rows(
            self._store,
            f"""
            SELECT {self._name(query, f"cityHash64({named})")} AS name,
                {self._folded(query, query.day)} AS day, {measure} AS measure, count() AS number
            FROM {source} AND {query.matches(RECEIVED_EVENTS)} AND {named} IN {ids}
            GROUP BY name, day, measure
            """,
        )

    async def _begun(self, ids: Sequence[str], spans: Sequence[tuple[datetime | None, datetime]]) -> Rows:
        query = Query(replace(self._scope, users=ids, internal=()))
        one = Whose(lambda found: f"({found}) AS found", f"cityHash64({self._name(query, 'found.user')})")
        begun = " UNION ALL ".join(
            sessions_of(query, (since or _FIRST, until), one, also="true") for since, until in spans
        )
        zone = query.bind(self._scope.zone_name, "String")
        day = f"toInt64(toDate(fromUnixTimestamp64Milli(began), {zone}))"
        return await query.rows(
            self._store,
            f"""
            SELECT {self._name(query, "whose")} AS name, {self._folded(query, day)} AS day,
                one.1 AS measure, sum(one.2) AS number
            FROM (SELECT * FROM ({begun}))
            ARRAY JOIN [('{SESSIONS}', toInt64(1)), ('{LENGTH_MS}', toInt64(ended - began))] AS one
            GROUP BY name, day, measure
            """,
        )

    def _name(self, query: Query, user: str) -> str:
        """What names the person of a user, by number."""
        names = query.bind(list(self._persons.values()), "Array(String)")
        return f"transform({user}, {_users(query, self._persons)}, {names}, '')"

    def _folded(self, query: Query, day: str) -> str:
        return f"greatest({day}, {query.bind(self._before, 'Int64')})"


def _users(query: Query, ids: Iterable[str]) -> str:
    return f"arrayMap(id -> cityHash64(id), {query.bind(list(ids), 'Array(String)')})"
