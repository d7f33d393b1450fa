"""What recommendations are made of, read from the table ``events``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np

from loopin_sinks.metric_values.platform_events import STARTS
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS
from loopin_sinks.persons.mapping import LINKED, LINKED_NUMBERS, PERSON_IDS, person_name, person_number
from loopin_sinks.recommendations.history import Demand, History, Places, Wanted
from loopin_sinks.recommendations.platform_events import CHANGES, PlatformEvent, PlatformEvents, turns
from loopin_sinks.recommendations.recent import COMMUNITIES, DAY_MS, Kind, RecentQuery, about, who_are
from loopin_sinks.store import Store

MOST_EVENTS: Final = 50_000
"""Platform events that are looked at; of more, all that are open come first, those that begin soonest."""

MOST_COMMUNITIES: Final = 5_000
"""Communities that are looked at: those with most events."""

WEEKS_BACK: Final = timedelta(days=28)
"""How long ago what is learned from was open at most."""


_PERSON_NUMBER: Final = person_number("user", "linked")

_PERSON: Final = f"""
    SELECT argMax(person, revision) AS person FROM {PERSON_IDS}
    WHERE project = {{project:String}} AND distinct_id = {{user:String}} GROUP BY distinct_id
"""


async def platform_events(store: Store, scope: Scope) -> PlatformEvents:
    """Those that were created lately, the oldest first.

    Where there are more than ``MOST_EVENTS``, all that are open now come first, and of these those that begin
    soonest; then those that were open in the weeks that are learned from, and then all others, by lot.
    Of each of ``CHANGES`` only the last of each whole day before now is read, so whether one is open is exact
    now and where these days begin.

    Raises:
        StoreError: the store did not answer.
    """
    query = RecentQuery(scope)
    now, back = (query.bind(epoch_ms(at), "Int64") for at in (scope.now, scope.now - WEEKS_BACK))
    return await _events(
        store,
        query,
        query.recent(("event_created",)),
        f"""
        ORDER BY (ifNull(starts <= {now}, false) OR closed) AS over,
            over AND ifNull(starts, created_at) < {back},
            if(over, NULL, starts) ASC NULLS LAST, cityHash64(event_id)
        LIMIT {query.bind(MOST_EVENTS, "UInt64")}
        """,
    )


async def platform_event(store: Store, scope: Scope, id: str) -> PlatformEvents:
    """The one of an id, whenever it was created, or none. Raises StoreError."""
    query = RecentQuery(scope)
    of_id = f"{query.ever(('event_created',))} AND event_id = {query.bind(id, 'String')}"
    return await _events(store, query, of_id, "")


async def _events(store: Store, query: RecentQuery, created: str, which: str) -> PlatformEvents:
    """Of rows of ``event_created``, in the order that ``which`` bounds them by."""

    def of(value: str) -> str:
        return f"argMax({value}, timestamp)"

    host = query.text("host_id")
    statement = f"""
        WITH ({LINKED}) AS linked
        SELECT event_id, category, city, host, price, currency, capacity, created_at, starts, community,
            changes
        FROM (
            SELECT event_id, {of(query.text("category"))} AS category,
                {of("toString(city)")} AS city,
                {of(f"if({host} != '', {host}, distinct_id)")} AS made_by,
                {person_name("made_by", "linked")} AS host,
                {of(query.number("price"))} AS price,
                {of("toString(currency)")} AS currency,
                {of(query.number("capacity"))} AS capacity,
                min({MS}) AS created_at, {of(STARTS)} AS starts, {of("community_id")} AS community
            FROM {created} AND event_id != ''
            GROUP BY event_id
        ) AS created
        LEFT ANY JOIN ({_changes(query)}) AS changed ON changed.event_id = created.event_id
        {which}
    """
    found: list[PlatformEvent] = []
    names: dict[str, str] = {}
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            found += [_event(row, names) for row in block]
    return PlatformEvents(tuple(sorted(found, key=lambda event: (event.created, event.id))))


def _changes(query: RecentQuery) -> str:
    """Rows of ``event_id``, ``changes`` and ``closed``; who leaves changes only what has been sold out."""
    return f"""
        SELECT event_id, groupArray((last, name)) AS changes, {_closed()} AS closed
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


def _closed() -> str:
    """Whether an event is closed by all its changes: what closes it did not come before what opens it."""
    last: dict[str, dict[bool, str]] = {}
    for name, change in CHANGES.items():
        last.setdefault(change.reason, {})[change.closes] = f"maxIf(last, name = '{name}')"
    tests = [f"({of[True]} > 0 AND {of[True]} >= {of[False]})" for of in last.values()]
    return f"({' OR '.join(tests)})"


async def person_of(store: Store, scope: Scope, user: str) -> str:
    """What names the person of a distinct_id. Raises StoreError."""
    rows = await store.query(_PERSON, {"project": scope.project, "user": user})
    return str(rows[0]["person"]) if rows else user


def _event(row: Sequence[Any], names: dict[str, str]) -> PlatformEvent:
    """One row; ``names`` holds each text once that many events share."""

    def once(text: str) -> str:
        return names.setdefault(text, text)

    def known(value: float | None) -> float | None:
        return value if value is not None and value >= 0 else None

    id, category, city, host, price, currency, capacity, created, starts, community, changes = row
    return PlatformEvent(
        id=id,
        category=once(category),
        city=once(city),
        host=once(host),
        price=known(price),
        currency=once(currency),
        capacity=known(capacity),
        created=created,
        starts=starts,
        community=once(community),
        turns=turns(changes),
    )


async def communities(store: Store, scope: Scope) -> tuple[str, ...]:
    """Those of which there were events, sorted. Raises StoreError."""
    query = RecentQuery(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT community_id FROM {query.recent((*COMMUNITIES.takes, *COMMUNITIES.looks))}
            AND community_id != ''
        GROUP BY community_id ORDER BY count() DESC, community_id
        LIMIT {query.bind(MOST_COMMUNITIES, "UInt64")}
        """,
    )
    return tuple(sorted(row["community_id"] for row in rows))


async def wanted(store: Store, scope: Scope, kind: Kind, number: Mapping[str, int]) -> Wanted:
    """How many people want each of these items now. Raises StoreError."""
    query = RecentQuery(scope)
    takes = f"""
        WITH ({LINKED_NUMBERS}) AS linked
        SELECT item, countIf(act.2) FROM ({_acts(query, kind)}) GROUP BY item
    """
    looks = f"""
        WITH ({LINKED_NUMBERS}) AS linked
        SELECT {kind.property} AS item, uniqExact({_PERSON_NUMBER})
        FROM {query.recent(kind.looks)} AND item != '' GROUP BY item
    """
    found = Wanted(np.zeros(len(number)), np.zeros(len(number)))
    for statement, of in ((looks, found.looks), (takes, found.takes)):
        async with store.stream(statement, query.parameters) as rows:
            async for block in rows:
                for item, people in block:
                    if item in number:
                        of[number[item]] = people
    return found


async def demand(store: Store, scope: Scope, kind: Kind, number: Mapping[str, int]) -> Demand:
    """Of these items, by whole days before now. Raises StoreError."""
    query = RecentQuery(scope)
    # The last act of each day is enough: no week begins within one.
    takes = f"""
        WITH ({LINKED_NUMBERS}) AS linked
        SELECT item, days_ago, sum(change) FROM (
            SELECT item, arraySort(groupArray(act)) AS acts,
                arrayDifference(arrayPushFront(arrayMap(act -> toInt8(act.2), acts), toInt8(0))) AS changes,
                arrayJoin(arrayZip(arrayMap(act -> act.1, acts), arrayPopFront(changes))) AS one,
                {query.days_ago("one.1")} AS days_ago, one.2 AS change
            FROM ({_acts(query, kind, f", {query.days_ago()}")}) GROUP BY item, person
        ) GROUP BY item, days_ago
    """
    looks = f"""
        WITH ({LINKED_NUMBERS}) AS linked
        SELECT item, {query.days_ago("first")} AS days_ago, count() FROM (
            SELECT {kind.property} AS item, {_PERSON_NUMBER} AS person, min({MS}) AS first
            FROM {query.recent(kind.looks)} AND item != '' GROUP BY item, person
        ) GROUP BY item, days_ago
    """
    found: list[tuple[int, int, int, int]] = []
    for statement, looked in ((takes, 0), (looks, 1)):
        async with store.stream(statement, query.parameters) as rows:
            async for block in rows:
                found += [
                    (number[item], epoch_ms(scope.now) - (days + 1) * DAY_MS, of * looked, of * (1 - looked))
                    for item, days, of in block
                    if item in number
                ]
    columns = np.array(found, dtype=np.int64).reshape(-1, 4).T
    return Demand(columns[0], columns[1], columns[2], columns[3])


def _acts(query: RecentQuery, kind: Kind, of_each: str = "") -> str:
    """Rows of ``item``, ``person`` and ``act``: when they last joined or left it, epoch ms, and which.

    Of all acts, or of those alike in ``of_each``, too (in SQL, after a comma). Of what is done at the same
    time joining counts last.
    """
    joined = query.bind(kind.takes[0], "String")
    return f"""
        SELECT {kind.property} AS item, {_PERSON_NUMBER} AS person, max(({MS}, event = {joined})) AS act
        FROM {query.recent((kind.takes[0], kind.left))} AND item != '' GROUP BY item, person{of_each}
    """


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
