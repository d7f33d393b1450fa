"""Document 004's user analytics: a row for each person and day of the project's time zone."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from loopin_api.queries.geo import travelers
from loopin_schemas.metrics.definition import ACTIVE, Condition, Events, SessionLength, Sessions, events
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import EPOCH, Periods, Scope
from loopin_sinks.metric_values.sessions import NO_INTERACTION
from loopin_sinks.metric_values.sql import MS, Query, Rows
from loopin_sinks.persons.mapping import LINKED, PERSON_OF_ID, person_name
from loopin_sinks.store import Store

MAX_LOCATIONS: Final = 100
"""Most places of a row."""

ONLINE_MINUTES: Final = 5
"""How long a member counts as online after an event in a community."""

LIFETIME: Final[Mapping[str, Events]] = {
    "total_posts": events("content_created"),
    "total_comments": events("content_commented"),
    "total_likes_given": events("content_liked"),
    "recommendations_shown": events("recommendation_shown"),
    "recommendations_clicked": events("recommendation_clicked"),
}
"""The person's own events, counted up to the end of the day."""

RECEIVED: Final[Mapping[str, tuple[str, str]]] = {
    "total_likes_received": ("content_liked", "author_id"),
    "followers_gained": ("user_followed", "followed_id"),
    "followers_lost": ("user_unfollowed", "followed_id"),
}
"""Anybody's events that name the person in a property, counted likewise."""

_NO_REACTION: Final = ["community_viewed", "community_joined", "community_left", "geo_access_checked"]
_BLOCKED: Final = events("geo_access_checked", where=Condition("access_result", "eq", "blocked"))
_FIRST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:@+\-]+")
_MAX_NEEDLES: Final = 200


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

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    found = _found(query, start, end, changed)
    order = "day DESC, name" if descending else "day, name"
    limit, skipped = query.bind(size, "UInt32"), query.bind(offset, "UInt32")
    with_links = f"WITH ({LINKED}) AS linked SELECT"
    (counted,), chosen = await asyncio.gather(
        query.rows(store, f"{with_links} count() AS rows FROM ({found})"),
        query.rows(
            store, f"{with_links} day, name FROM ({found}) ORDER BY {order} LIMIT {limit} OFFSET {skipped}"
        ),
    )
    return counted["rows"], [Row(EPOCH + timedelta(days=row["day"]), row["name"]) for row in chosen]


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
    own, received, away, sessions = await asyncio.gather(
        _own(store, theirs, names, first, edges[-1]),
        _received(store, scope, names, first, edges[-1]),
        travelers(store, theirs, within, sorted(set(names.values()))),
        _sessions(store, theirs, names, of),
    )
    starts = dict(zip(days, within.starts_ms, strict=True))
    return {
        row: {
            **_of_day(own.get(row.user, {}).get((row.day - EPOCH).days)),
            "travel_detected": (starts[row.day], row.user) in away,
            **_so_far(row, own.get(row.user, {}), LIFETIME),
            **_so_far(row, received.get(row.user, {}), RECEIVED),
            **sessions[row],
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
    store: Store, scope: Scope, names: Mapping[str, str], first: date, end: datetime
) -> Mapping[str, Mapping[int, dict[str, Any]]]:
    """By name and day what the persons did; all days before ``first`` are one."""
    query = Query(scope)
    counts = ", ".join(f"countIf({query.matches(of)}) AS {name}" for name, of in LIFETIME.items())
    seen = query.bind(NO_INTERACTION, "Array(String)")
    found = await query.rows(
        store,
        f"""
        SELECT {_named(query, names, "distinct_id")} AS name, {_folded(query, first)} AS day,
            countIf(event = '$pageview') AS page_views, countIf(event NOT IN {seen}) AS actions_performed,
            uniqExactIf(community_id, community_id != '' AND event = 'community_viewed')
                AS communities_viewed,
            uniqExactIf(community_id, community_id != '' AND event = 'community_joined')
                AS communities_joined,
            groupUniqArrayIf(intDiv({MS}, 60000), community_id != '') AS minutes,
            countIf(community_id != '' AND event NOT IN {query.bind(_NO_REACTION, "Array(String)")})
                AS community_interactions,
            countIf({query.matches(_BLOCKED)}) AS geo_restricted_attempts,
            arraySort(groupUniqArrayIf({MAX_LOCATIONS})(
                (toString(country), toString(city)), country != '' OR city != ''
            )) AS locations, {counts}
        FROM {query.events(ACTIVE, None, min(end, scope.now))} GROUP BY name, day
        """,
    )
    return _by_name(found)


async def _received(
    store: Store, scope: Scope, names: Mapping[str, str], first: date, end: datetime
) -> Mapping[str, Mapping[int, dict[str, Any]]]:
    """By name and day what others did to the persons."""
    query = Query(scope)
    tests = {
        field: f"(event = {query.bind(event, 'String')} AND {query.text(name)} IN {_ids(query, names)})"
        for field, (event, name) in RECEIVED.items()
    }
    named = {event: query.text(name) for event, name in RECEIVED.values()}
    whose = ", ".join(f"event = {query.bind(event, 'String')}, {text}" for event, text in named.items())
    counts = ", ".join(f"countIf({test}) AS {name}" for name, test in tests.items())
    of = Events(tuple(named))
    source = query.events(of, None, min(end, scope.now))
    if len(names) <= _MAX_NEEDLES and all(map(_PLAIN.fullmatch, names)):
        # Far cheaper than to parse them all.
        source += f" AND multiSearchAny(properties, {_ids(query, names)})"
    found = await query.rows(
        store,
        f"""
        SELECT {_named(query, names, f"multiIf({whose}, '')")} AS name, {_folded(query, first)} AS day,
            {counts}
        FROM {source} AND ({" OR ".join(tests.values())}) GROUP BY name, day
        """,
    )
    return _by_name(found)


async def _sessions(
    store: Store, scope: Scope, names: Mapping[str, str], of: Sequence[Row]
) -> Mapping[Row, dict[str, Any]]:
    """Sessions begun by the end of each row's day; lengths in seconds."""
    days: dict[str, list[date]] = defaultdict(list)
    for row in sorted(of):
        days[row.user].append(row.day)

    async def of_person(user: str) -> dict[Row, dict[str, Any]]:
        mine = replace(scope, users=[id for id, name in names.items() if name == user])
        ends = [scope.midnight((day - EPOCH).days + 1) for day in days[user]]
        within, calculator = Periods((_FIRST, *ends)), Calculator(store, mine)
        counts = await calculator.values(Sessions("all"), within)
        minutes = await calculator.values(SessionLength(), within)
        many, seconds, told = 0, 0.0, {}
        for number, day in enumerate(days[user]):
            begun = int(counts.get((number, "")) or 0)
            many, seconds = many + begun, seconds + begun * 60 * (minutes.get((number, "")) or 0.0)
            told[Row(day, user)] = {
                "total_sessions": many,
                "total_time_spent": seconds,
                "avg_session_duration": seconds / many if many else None,
            }
        return told

    found = await asyncio.gather(*map(of_person, days))
    return {row: each for one in found for row, each in one.items()}


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


def _so_far(row: Row, days: Mapping[int, Mapping[str, Any]], fields: Iterable[str]) -> dict[str, int]:
    last = (row.day - EPOCH).days
    return {name: sum(each[name] for day, each in days.items() if day <= last) for name in fields}


def _by_name(rows: Rows) -> Mapping[str, Mapping[int, dict[str, Any]]]:
    found: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        found[row["name"]][row["day"]] = row
    return found


def _named(query: Query, names: Mapping[str, str], id: str) -> str:
    return f"transform({id}, {_ids(query, names)}, {query.bind(list(names.values()), 'Array(String)')}, {id})"


def _ids(query: Query, names: Mapping[str, str]) -> str:
    return query.bind(list(names), "Array(String)")


def _folded(query: Query, first: date) -> str:
    return f"greatest({query.day}, {query.bind((first - EPOCH).days - 1, 'Int64')})"
