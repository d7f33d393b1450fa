"""What recommendations are made of, read from the table ``events``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from loopin_sinks.metric_values.platform_events import STARTS
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS
from loopin_sinks.persons.mapping import LINKED, PERSON_IDS, person_name
from loopin_sinks.recommendations.history import Demand, History, Places
from loopin_sinks.recommendations.platform_events import CHANGES, PlatformEvent, PlatformEvents, turns
from loopin_sinks.recommendations.recent import COMMUNITIES, DAY_MS, Kind, RecentQuery, about, who_are
from loopin_sinks.store import Store

MOST_ITEMS: Final = 5_000
"""The newest platform events, and the communities with most events, that are looked at."""


_PERSON: Final = f"""
    SELECT argMax(person, revision) AS person FROM {PERSON_IDS}
    WHERE project = {{project:String}} AND distinct_id = {{user:String}} GROUP BY distinct_id
"""


async def platform_events(store: Store, scope: Scope) -> PlatformEvents:
    """Those that were created lately, the oldest first.

    Of each of ``CHANGES`` only the last of each whole day before now is read, so whether one is open is exact
    now and where these days begin.

    Raises:
        StoreError: the store did not answer.
    """
    query = RecentQuery(scope)

    def of(value: str) -> str:
        return f"argMax({value}, timestamp)"

    host = query.text("host_id")
    rows = await query.rows(
        store,
        f"""
        WITH ({LINKED}) AS linked
        SELECT created.*, changes
        FROM (
            SELECT event_id, {of(query.text("category"))} AS category,
                {of("toString(city)")} AS city,
                {of(f"if({host} != '', {host}, distinct_id)")} AS made_by,
                {person_name("made_by", "linked")} AS host,
                {of(query.number("price"))} AS price,
                {of("toString(currency)")} AS currency,
                {of(query.number("capacity"))} AS capacity,
                min({MS}) AS created_at, {of(STARTS)} AS starts
            FROM {query.recent(("event_created",))} AND event_id != ''
            GROUP BY event_id
            ORDER BY created_at DESC, event_id LIMIT {query.bind(MOST_ITEMS, "UInt64")}
        ) AS created
        LEFT ANY JOIN ({_changes(query)}) AS changed ON changed.event_id = created.event_id
        ORDER BY created_at DESC, event_id
        """,
    )
    return PlatformEvents(tuple(_event(row) for row in reversed(rows)))


def _changes(query: RecentQuery) -> str:
    """Rows of ``event_id`` and ``changes``; who leaves changes only what has been sold out."""
    return f"""
        SELECT event_id, groupArray((last, name)) AS changes
        FROM (
            SELECT event_id, toString(event) AS name, max({MS}) AS last
            FROM {query.recent_of_anybody(tuple(CHANGES))} AND event_id != '' AND (
                event != 'event_left'
                OR event_id IN (SELECT event_id FROM {query.recent_of_anybody(("event_sold_out",))})
            )
            GROUP BY event_id, name, {query.days_ago()}
        )
        GROUP BY event_id
    """


async def person_of(store: Store, scope: Scope, user: str) -> str:
    """What names the person of a distinct_id. Raises StoreError."""
    rows = await store.query(_PERSON, {"project": scope.project, "user": user})
    return str(rows[0]["person"]) if rows else user


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
        created=row["created_at"],
        starts=row["starts"],
        turns=turns(row["changes"]),
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
    takes = query.bind(list(kind.takes[:1]), "Array(String)")
    statement = f"""
        SELECT {kind.property} AS item, {query.days_ago()} AS days_ago,
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

    What one user has taken is read for as long as events are kept, of many no more than what is rare.

    Raises:
        StoreError: the store did not answer.
    """
    query = about(scope, user)
    name, who = who_are(query, kind, user)
    takes = query.bind(list(kind.takes), "Array(String)")
    ever = kind.rare if user is None else kind.takes
    source = query.recent_or_ever(who, (*kind.takes, *kind.looks), ever)
    statement = f"""
        WITH ({LINKED}) AS linked
        SELECT {name} AS name, item, took, min(at)
        FROM (
            SELECT any(distinct_id) AS id, {kind.property} AS item, event IN {takes} AS took,
                min({MS}) AS at
            FROM {source} AND item != ''
            GROUP BY user, item, took, {query.days_ago()}
        )
        GROUP BY name, item, took, {query.days_ago("at")} ORDER BY name, item
    """
    found: list[tuple[str, int, bool, int]] = []
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            found += [
                (name, number[item], bool(took), at) for name, item, took, at in block if item in number
            ]
    names = sorted({name for name, *_ in found}) if user is None else [user]
    at_of = {name: at for at, name in enumerate(names)}
    return History(
        users=tuple(names),
        places=await _places(store, scope, kind, user, at_of),
        user=np.array([at_of[name] for name, *_ in found], dtype=np.int64),
        item=np.array([item for _, item, _, _ in found], dtype=np.int64),
        taken=np.array([took for _, _, took, _ in found], dtype=np.bool_),
        at=np.array([at for *_, at in found], dtype=np.int64),
    )


async def _places(
    store: Store, scope: Scope, kind: Kind, user: str | None, at_of: Mapping[str, int]
) -> Places:
    """Where events of these persons were, by whole days; that of an event they made is not theirs."""
    query = about(scope, user)
    name, who = who_are(query, kind, user)
    statement = f"""
        WITH ({LINKED}) AS linked
        SELECT {name} AS name, place, sum(events), min(at)
        FROM (
            SELECT any(distinct_id) AS id, toString(city) AS place, count() AS events, min({MS}) AS at
            FROM {query.recent_of(who)} AND city != '' AND event != 'event_created'
            GROUP BY user, place, {query.days_ago()}
        )
        GROUP BY name, place, {query.days_ago("at")}
    """
    found: list[tuple[int, str, int, int]] = []
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            found += [(at_of[name], place, events, at) for name, place, events, at in block if name in at_of]
    cities = sorted({place for _, place, _, _ in found})
    number = {city: at for at, city in enumerate(cities)}
    return Places(
        cities=tuple(cities),
        user=np.array([user for user, *_ in found], dtype=np.int64),
        city=np.array([number[place] for _, place, _, _ in found], dtype=np.int64),
        events=np.array([events for _, _, events, _ in found], dtype=np.int64),
        at=np.array([at for *_, at in found], dtype=np.int64),
    )
