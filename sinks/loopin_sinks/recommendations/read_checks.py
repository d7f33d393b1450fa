"""Which checks of places count, read from the table ``events``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import MS
from loopin_sinks.persons.mapping import LINKED
from loopin_sinks.recommendations.checks import NEVER, Checks, by_place
from loopin_sinks.recommendations.history import History
from loopin_sinks.recommendations.recent import COMMUNITIES, RecentQuery, about, who_are
from loopin_sinks.store import Store

_CHECKED: Final = ("geo_access_checked",)

MOST_PLACES: Final = 100_000
"""Pairs of a city and a community of which it is known whether the one is let in by the other."""

# Whoever got round a restriction is refused all the same.
_REFUSED: Final = """
    (JSONExtractString(properties, 'access_result') = 'blocked' OR JSONExtractBool(properties, 'bypass'))
"""


class Passed(NamedTuple):
    """When somebody from a city was first checked by a community, and first let in (``NEVER``), epoch ms."""

    place: str
    community: str
    checked: int
    let_in: int


async def checks(
    store: Store,
    scope: Scope,
    number: Mapping[str, int],
    of: History,
    places: Iterable[Passed],
    user: str | None = None,
) -> Checks:
    """Whom of these users communities let in or refused, the last of each day, and whom from some places.

    Those of one user are read for as long as events are kept. Raises StoreError.
    """
    query = about(scope, user)
    name, who = who_are(query, COMMUNITIES, user)
    source = query.recent_or_ever(who, _CHECKED, () if user is None else _CHECKED)
    statement = f"""
        WITH ({LINKED}) AS linked
        SELECT {name} AS name, community, argMax(refused, at), max(at) AS last
        FROM (
            SELECT any(distinct_id) AS id, community_id AS community,
                argMax({_REFUSED}, timestamp) AS refused, max({MS}) AS at
            FROM {source} AND community != ''
            GROUP BY user, community, {query.days_ago()}
        )
        GROUP BY name, community, {query.days_ago("at")} ORDER BY last
    """
    at_of = {name: at for at, name in enumerate(of.users)}
    own: list[tuple[int, int, bool, int]] = []
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            own += [
                (at_of[name], number[community], bool(refused), at)
                for name, community, refused, at in block
                if name in at_of and community in number
            ]
    return Checks(
        user=np.array([user for user, *_ in own], dtype=np.int64),
        item=np.array([item for _, item, _, _ in own], dtype=np.int64),
        refused=np.array([refused for _, _, refused, _ in own], dtype=np.bool_),
        at=np.array([at for *_, at in own], dtype=np.int64),
        places=by_place(
            (place, number[community], checked, let_in)
            for place, community, checked, let_in in places
            if community in number
        ),
    )


async def places(store: Store, scope: Scope) -> list[Passed]:
    """Of all cities, of so many as have most checks. Raises StoreError."""
    query = RecentQuery(scope)
    statement = f"""
        SELECT toString(city) AS place, community_id, min({MS}),
            if(countIf(NOT {_REFUSED}) > 0, minIf({MS}, NOT {_REFUSED}), {query.bind(NEVER, "Int64")})
        FROM {query.recent(_CHECKED)} AND community_id != '' AND place != ''
        GROUP BY place, community_id
        ORDER BY count() DESC, place, community_id LIMIT {query.bind(MOST_PLACES, "UInt64")}
    """
    found: list[Passed] = []
    names: dict[str, str] = {}
    async with store.stream(statement, query.parameters) as rows:
        async for block in rows:
            found += [
                Passed(names.setdefault(place, place), names.setdefault(community, community), *times)
                for place, community, *times in block
            ]
    return found
