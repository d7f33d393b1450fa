"""Document 004's user analytics: a row for each person and day of the project's time zone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from loopin_api.queries.geo import travelers
from loopin_api.queries.lifetime import lives
from loopin_schemas.metrics.definition import ACTIVE, Condition, events
from loopin_sinks.metric_values.scope import EPOCH, Periods, Scope
from loopin_sinks.metric_values.sessions import NO_INTERACTION
from loopin_sinks.metric_values.sql import MS, Query
from loopin_sinks.persons.mapping import LINKED, PERSON_OF_ID, person_name
from loopin_sinks.rollups.user_measures import DONE, LENGTH_MS, RECEIVED, SESSIONS
from loopin_sinks.store import Store

MAX_LOCATIONS: Final = 100
"""Most places of a row."""

ONLINE_MINUTES: Final = 5
"""How long a member counts as online after an event in a community."""

_NO_REACTION: Final = ["community_viewed", "community_joined", "community_left", "geo_access_checked"]
_CHECKED: Final = events("geo_access_checked")
_BLOCKED: Final = events("geo_access_checked", where=Condition("access_result", "eq", "blocked"))


class Row(NamedTuple):
    """Which row: a day, and the distinct_id that names the person."""

    day: date
    user: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows that people have created and deleted."""

    created: Sequence[Row]
    deleted: Sequence[Row]


async def persons_of(store: Store, project: str, ids: Iterable[str]) -> Mapping[str, str]:
    """What names the person of each of these distinct_ids. Raises StoreError."""
    asked = sorted(set(ids))
    if not asked:
        return {}
    bound = {"project": project, "ids": asked}
    found = await store.query(
        f"SELECT distinct_id, person FROM ({PERSON_OF_ID}) WHERE distinct_id IN {{ids:Array(String)}}", bound
    )
    return {**{id: id for id in asked}, **{row["distinct_id"]: row["person"] for row in found}}


async def rows(
    store: Store,
    scope: Scope,
    start: date,
    end: date,
    changed: Changed,
    descending: bool,
    size: int,
    offset: int,
) -> tuple[int, list[Row]]:
    """How many rows there are of the days until before ``end``, and a page of them, by day, then name.

    The count is 0 where ``offset`` lies beyond the last.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    order = "day DESC, name" if descending else "day, name"
    chosen = await query.rows(
        store,
        f"""
        WITH ({LINKED}) AS linked SELECT day, name, count() OVER () AS rows
        FROM ({_found(query, start, end, changed)})
        ORDER BY {order} LIMIT {query.bind(size, "UInt32")} OFFSET {query.bind(offset, "UInt32")}
        """,
    )
    count = chosen[0]["rows"] if chosen else 0
    return count, [Row(EPOCH + timedelta(days=row["day"]), row["name"]) for row in chosen]


def _found(query: Query, start: date, end: date, changed: Changed) -> str:
    scope = query.scope
    first, until = (scope.midnight((day - EPOCH).days) for day in (start, end))
    active = f"""
        SELECT day, {person_name("id", "linked")} AS name FROM (
            SELECT user, {query.day} AS day, any(distinct_id) AS id
            FROM {query.events(ACTIVE, first, min(until, scope.now))} GROUP BY user, day
        )
    """
    if changed.created:
        active += f" UNION ALL SELECT pair.1 AS day, pair.2 AS name FROM ({_pairs(query, changed.created)})"
    found = f"SELECT DISTINCT day, name FROM ({active})"
    if changed.deleted:
        found += f" WHERE (day, name) NOT IN (SELECT pair.1, pair.2 FROM ({_pairs(query, changed.deleted)}))"
    return found


def _pairs(query: Query, rows: Sequence[Row]) -> str:
    days = query.bind([(row.day - EPOCH).days for row in rows], "Array(Int64)")
    names = query.bind([row.user for row in rows], "Array(String)")
    return f"SELECT arrayJoin(arrayZip({days}, {names})) AS pair"


async def computed(store: Store, scope: Scope, of: Sequence[Row]) -> Mapping[Row, dict[str, Any]]:
    """What is computed of each row, by field; ``active`` says whether the person had an event on the day.

    Raises:
        StoreError: the store did not answer.
    """
    if not of:
        return {}
    names = await _names(store, scope.project, {row.user for row in of})
    first, last = min(row.day for row in of), max(row.day for row in of)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    edges = [scope.midnight((day - EPOCH).days) for day in [*days, last + timedelta(days=1)]]
    within = Periods(tuple(edges))
    theirs = replace(scope, users=list(names), internal=())
    own, so_far = await asyncio.gather(
        _own(store, theirs, names, within), lives(store, scope, names, first, edges[-1])
    )
    away: frozenset[tuple[int, str]] = frozenset()
    if any(row["geo_attempts"] for row in own.values()):
        away = await travelers(store, theirs, within, sorted(set(names.values())))
    starts = dict(zip(days, within.starts_ms, strict=True))
    return {
        row: {
            **_of_day(own.get(row)),
            "travel_detected": (starts[row.day], row.user) in away,
            **_so_far(row, so_far.get(row.user, {})),
        }
        for row in of
    }


async def _names(store: Store, project: str, users: set[str]) -> Mapping[str, str]:
    """All distinct_ids of these persons, and what names the person of each."""
    bound = {"project": project, "names": sorted(users)}
    found = await store.query(
        f"SELECT distinct_id, person FROM ({PERSON_OF_ID}) WHERE person IN {{names:Array(String)}}", bound
    )
    return {**{row["distinct_id"]: row["person"] for row in found}, **{name: name for name in users}}


async def _own(
    store: Store, scope: Scope, names: Mapping[str, str], within: Periods
) -> Mapping[Row, dict[str, Any]]:
    """What the persons did on each day."""
    query = Query(scope)
    seen = query.bind(NO_INTERACTION, "Array(String)")
    ids, persons = (query.bind(list(each), "Array(String)") for each in (names, names.values()))
    found = await query.rows(
        store,
        f"""
        SELECT transform(distinct_id, {ids}, {persons}, distinct_id) AS name, {query.day} AS day,
            countIf(event = '$pageview') AS page_views, countIf(event NOT IN {seen}) AS actions_performed,
            uniqExactIf(community_id, community_id != '' AND event = 'community_viewed')
                AS communities_viewed,
            uniqExactIf(community_id, community_id != '' AND event = 'community_joined')
                AS communities_joined,
            groupUniqArrayIf(intDiv({MS}, 60000), community_id != '') AS minutes,
            countIf(community_id != '' AND event NOT IN {query.bind(_NO_REACTION, "Array(String)")})
                AS community_interactions,
            countIf({query.matches(_CHECKED)}) AS geo_attempts,
            countIf({query.matches(_BLOCKED)}) AS geo_restricted_attempts,
            arraySort(groupUniqArrayIf({MAX_LOCATIONS})(
                (toString(country), toString(city)), country != '' OR city != ''
            )) AS locations
        FROM {query.events(ACTIVE, within.start, min(within.end, scope.now))} GROUP BY name, day
        """,
    )
    return {Row(EPOCH + timedelta(days=row["day"]), row["name"]): row for row in found}


def _of_day(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"active": False}
    counted = ("page_views", "actions_performed", "communities_viewed", "communities_joined")
    return {
        "active": True,
        **{name: row[name] for name in (*counted, "community_interactions", "geo_restricted_attempts")},
        "community_online_time": 60 * _online(row["minutes"]),
        "locations_accessed_from": [
            {"country": country or None, "city": city or None} for country, city in row["locations"]
        ],
    }


def _online(minutes: Iterable[int]) -> int:
    """Minutes in which there was an event within ``ONLINE_MINUTES``."""
    return len({minute + later for minute in minutes for later in range(ONLINE_MINUTES)})


def _so_far(row: Row, days: Mapping[int, Mapping[str, int]]) -> dict[str, Any]:
    """What the person has come to by the end of the day; lengths in seconds."""
    last = (row.day - EPOCH).days
    many: Counter[str] = Counter()
    for day, numbers in days.items():
        if day <= last:
            many.update(numbers)
    sessions, seconds = many[SESSIONS], many[LENGTH_MS] / 1000
    return {
        **{name: many[name] for name in (*DONE, *RECEIVED)},
        "total_sessions": sessions,
        "total_time_spent": seconds,
        "avg_session_duration": seconds / sessions if sessions else None,
    }
