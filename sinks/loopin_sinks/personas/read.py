"""What a project's users have done lately, read from the table ``events``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import SYSTEM_EVENTS, Query
from loopin_sinks.personas.activity import BY_HAND, DAYS, GROUPS, Activity, activity_of
from loopin_sinks.personas.run import LEAST_ASSIGNED
from loopin_sinks.persons.mapping import LINKED, person_name
from loopin_sinks.store import Store

MOST_USERS: Final = 500_000
"""Persons with the most events, whom a run is about: 40 numbers are held of each."""


async def activity(store: Store, scope: Scope, days: int = DAYS) -> Activity:
    """Of all persons with enough events in the days before now; bots and the project's own people apart.

    Events of the system group are no events of a person, and who has done nothing by hand is none.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    rows: list[tuple[Any, ...]] = []
    async with store.stream(_statement(query, days), query.parameters) as stream:
        async for block in stream:
            rows += block
    return activity_of(rows)


def _statement(query: Query, days: int) -> str:
    """Rows of (user, events, counts by group, hours of the day, place). Users are put together by number
    first, as ids are long and links are few."""
    now = query.scope.now
    groups = [query.bind(list(names), "Array(String)") for names in GROUPS.values()]
    counts = ", ".join(f"countIf(event IN {names})" for names in groups)
    by_hand = query.bind(list(BY_HAND), "Array(String)")
    hour = "toUInt32(intDiv(toUnixTimestamp64Milli(timestamp), 3600000))"
    place = "if(country = '' AND city = '', '', concat(country, '/', city))"
    return f"""
        WITH ({LINKED}) AS linked
        SELECT {person_name("id", "linked")} AS name, sum(events) AS number,
            sumForEach(counts) AS counted,
            arrayMap(of_day -> countEqual(arrayMap(at -> at % 24, groupUniqArrayArray(hours)), of_day),
                range(24)) AS hours_of_day,
            argMax(place, (place != '', events)) AS most_at
        FROM (
            SELECT any(distinct_id) AS id, count() AS events, [{counts}] AS counts,
                groupUniqArrayIf({hour}, event IN {by_hand}) AS hours,
                topKIf(1)({place}, country != '' OR city != '')[1] AS place
            FROM {query.source(now - timedelta(days=days), now)}
                AND event NOT IN {query.bind(SYSTEM_EVENTS, "Array(String)")}
            GROUP BY user
        )
        GROUP BY name HAVING number >= {query.bind(LEAST_ASSIGNED, "UInt64")} AND arraySum(hours_of_day) > 0
        ORDER BY number DESC, name LIMIT {query.bind(MOST_USERS, "UInt64")}
    """
