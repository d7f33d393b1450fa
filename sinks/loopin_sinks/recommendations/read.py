"""What recommendations are made of, read from the table ``events``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np

from loopin_sinks.metric_values.platform_events import STARTS
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS, Query, users_of
from loopin_sinks.persons.mapping import LINKED, person_name
from loopin_sinks.recommendations.community_signals import Barriers
from loopin_sinks.recommendations.history import Demand, History
from loopin_sinks.recommendations.platform_events import PlatformEvent, PlatformEvents
from loopin_sinks.store import Store
from loopin_sinks.store.interface import MAX_RESULT_ROWS

DAYS: Final = 90
"""So many days before now count."""

MOST_ITEMS: Final = 5_000
"""The newest platform events, and the communities with most events, that are looked at."""

LEARNED_FROM: Final = 2_000
"""Users, drawn by their number, whom weights are learned from."""

DAY_MS: Final = 86_400_000

# Whoever got round a restriction is refused all the same.
_REFUSED: Final = """
    (JSONExtractString(properties, 'access_result') = 'blocked' OR JSONExtractBool(properties, 'bypass'))
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """How users deal with one kind of items: by which property, which events take and look, which are learned
    from."""

    property: str
    takes: tuple[str, ...]
    looks: tuple[str, ...]
    learned: tuple[str, ...]


_JOINS: Final = ("event_joined", "event_attended", "ticket_purchased")
EVENTS: Final = Kind("event_id", _JOINS, ("event_viewed",), _JOINS)
_VISITS: Final = ("community_viewed", "community_activity")
COMMUNITIES: Final = Kind("community_id", ("community_joined",), _VISITS, ("community_joined", *_VISITS))


class RecentQuery(Query):
    """One statement over the days that count."""

    def recent(self, names: Sequence[str]) -> str:
        """Rows of these events."""
        now = self.scope.now
        named = f"event IN {self.bind(list(names), 'Array(String)')}"
        return f"{self.source(now - timedelta(days=DAYS), now)} AND {named}"


async def platform_events(store: Store, scope: Scope) -> PlatformEvents:
    """Those that were created lately, the oldest first. Raises StoreError."""
    query = RecentQuery(scope)
    made = "event = 'event_created'"

    def of(value: str) -> str:
        return f"argMaxIf({value}, timestamp, {made})"

    host = query.text("host_id")
    rows = await query.rows(
        store,
        f"""
        SELECT event_id, {of(query.text("category"))} AS category,
            {of("toString(city)")} AS city,
            {of(f"if({host} != '', {host}, distinct_id)")} AS host,
            {of(query.number("price"))} AS price,
            {of("toString(currency)")} AS currency,
            {of(query.number("capacity"))} AS capacity,
            minIf({MS}, {made}) AS created, {of(STARTS)} AS starts,
            minIfOrNull({MS}, event IN ('event_cancelled', 'event_sold_out')) AS closed
        FROM {query.recent(("event_created", "event_cancelled", "event_sold_out"))} AND event_id != ''
        GROUP BY event_id HAVING countIf({made}) > 0
        ORDER BY created DESC, event_id LIMIT {query.bind(MOST_ITEMS, "UInt64")}
        """,
    )
    return PlatformEvents(tuple(_event(row) for row in reversed(rows)))


def _event(row: Mapping[str, Any]) -> PlatformEvent:
    def known(value: float | None) -> float | None:
        return value if value is not None and value >= 0 else None

    return PlatformEvent(
        id=row["event_id"],
        category=row["category"],
        city=row["city"],
        host=row["host"],
        price=known(row["price"]),
        currency=row["currency"],
        capacity=known(row["capacity"]),
        created=row["created"],
        starts=row["starts"],
        closed=row["closed"],
    )


async def communities(store: Store, scope: Scope) -> tuple[str, ...]:
    """Those of which there were events, sorted. Raises StoreError."""
    query = RecentQuery(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT community_id FROM {query.recent((*COMMUNITIES.takes, *COMMUNITIES.looks))}
            AND community_id != ''
        GROUP BY community_id ORDER BY count() DESC, community_id LIMIT {query.bind(MOST_ITEMS, "UInt64")}
        """,
    )
    return tuple(sorted(row["community_id"] for row in rows))


async def demand(store: Store, scope: Scope, kind: Kind, number: Mapping[str, int]) -> Demand:
    """Of these items, by whole days before now. Raises StoreError."""
    query = RecentQuery(scope)
    now = query.bind(epoch_ms(scope.now), "Int64")
    takes = query.bind(list(kind.takes[:1]), "Array(String)")
    statement = f"""
        SELECT {kind.property} AS item, intDiv({now} - {MS}, {DAY_MS}) AS days_ago,
            countIf(event IN {takes}) AS takes, countIf(event NOT IN {takes}) AS looks
        FROM {query.recent((kind.takes[0], *kind.looks))} AND item != '' GROUP BY item, days_ago
    """
    found: list[tuple[int, int, int, int]] = []
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            found += [
                (number[item], epoch_ms(scope.now) - (days + 1) * DAY_MS, looks, taken)
                for item, days, taken, looks in block
                if item in number
            ]
    columns = np.array(found, dtype=np.int64).reshape(-1, 4).T
    return Demand(columns[0], columns[1], columns[2], columns[3])


async def history(
    store: Store, scope: Scope, kind: Kind, number: Mapping[str, int], user: str | None = None
) -> History:
    """Of one user, with all their ids, or of some of those who took anything; each item by whole days.

    Raises:
        StoreError: the store did not answer.
    """
    query = _about(scope, user)
    name, who = _who(query, kind, user)
    now = query.bind(epoch_ms(scope.now), "Int64")
    takes = query.bind(list(kind.takes), "Array(String)")
    statement = f"""
        WITH ({LINKED}) AS linked
        SELECT {name} AS name, item, took, min(at)
        FROM (
            SELECT any(distinct_id) AS id, {kind.property} AS item, event IN {takes} AS took,
                min({MS}) AS at
            FROM {query.recent((*kind.takes, *kind.looks))} AND item != '' AND user IN ({who})
            GROUP BY user, item, took, intDiv({now} - {MS}, {DAY_MS})
        )
        GROUP BY name, item, took, intDiv({now} - at, {DAY_MS}) ORDER BY name, item
    """
    found: list[tuple[str, int, bool, int]] = []
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            found += [
                (name, number[item], bool(took), at) for name, item, took, at in block if item in number
            ]
    places = await _places(store, scope, kind, user)
    names = sorted({name for name, *_ in found}) if user is None else [user]
    at_of = {name: at for at, name in enumerate(names)}
    return History(
        users=tuple(names),
        places=tuple(places.get(name, "") for name in names),
        user=np.array([at_of[name] for name, *_ in found], dtype=np.int64),
        item=np.array([item for _, item, _, _ in found], dtype=np.int64),
        taken=np.array([took for _, _, took, _ in found], dtype=np.bool_),
        at=np.array([at for *_, at in found], dtype=np.int64),
    )


async def _places(store: Store, scope: Scope, kind: Kind, user: str | None) -> dict[str, str]:
    """By person the city where most of their events were; that of an event they made is not theirs."""
    query = _about(scope, user)
    name, who = _who(query, kind, user)
    statement = f"""
        WITH ({LINKED}) AS linked
        SELECT name, argMax(place, (number, place))
        FROM (
            SELECT {name} AS name, place, sum(events) AS number
            FROM (
                SELECT any(distinct_id) AS id, toString(city) AS place, count() AS events
                FROM {query.source(scope.now - timedelta(days=DAYS), scope.now)} AND city != ''
                    AND event != 'event_created' AND user IN ({who})
                GROUP BY user, place
            )
            GROUP BY name, place
        )
        GROUP BY name
    """
    found: dict[str, str] = {}
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            found |= dict(block)
    return found


async def barriers(store: Store, scope: Scope, of: History, user: str | None = None) -> Barriers:
    """Which communities refuse these users, or all from where they are. Raises StoreError."""
    query = _about(scope, user)
    name, who = _who(query, COMMUNITIES, user)
    own = await query.rows(
        store,
        f"""
        WITH ({LINKED}) AS linked
        SELECT {name} AS name, community, argMax(refused, at) AS last
        FROM (
            SELECT any(distinct_id) AS id, community_id AS community,
                argMax({_REFUSED}, timestamp) AS refused, max(timestamp) AS at
            FROM {query.recent(("geo_access_checked",))} AND community_id != '' AND user IN ({who})
            GROUP BY user, community
        )
        GROUP BY name, community LIMIT {MAX_RESULT_ROWS}
        """,
    )
    query = RecentQuery(scope)
    places = query.bind(sorted({place for place in of.places if place}), "Array(String)")
    by_place = await query.rows(
        store,
        f"""
        SELECT toString(city) AS place, community_id, countIf(NOT {_REFUSED}) = 0 AS refused
        FROM {query.recent(("geo_access_checked",))} AND community_id != '' AND city IN {places}
        GROUP BY place, community_id LIMIT {MAX_RESULT_ROWS}
        """,
    )
    return Barriers(
        users={(row["name"], row["community"]): bool(row["last"]) for row in own},
        places={(row["place"], row["community_id"]): bool(row["refused"]) for row in by_place},
    )


def _about(scope: Scope, user: str | None) -> RecentQuery:
    """Of a user who is asked about also the project's own people are told."""
    return RecentQuery(scope if user is None else replace(scope, internal=()))


def _who(query: RecentQuery, kind: Kind, user: str | None) -> tuple[str, str]:
    """In SQL, what names the person of a row's ``id``, and the users there are rows of."""
    if user is not None:
        return query.bind(user, "String"), users_of(query, [user])
    takers = f"""
        SELECT user FROM {query.recent(kind.learned)}
        GROUP BY user ORDER BY cityHash64(user) LIMIT {query.bind(LEARNED_FROM, "UInt64")}
    """
    return person_name("id", "linked"), takers
