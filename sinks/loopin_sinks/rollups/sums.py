"""What is counted and added up of days, in the table ``event_days``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.days import PLACE, Batch, of_share
from loopin_sinks.rollups.measures import COUNTED, MEASURED, events_of, numbers
from loopin_sinks.store import Store

_NAMES: Final = sorted({name for of in MEASURED for name in events_of(of).names})

_KEYS: Final = "project, of_day, event, whose, is_bot, one.1, one.2"


async def add_up(store: Store, scope: Scope, batch: Batch, version: int) -> None:
    """Store what some days' events come to.

    Raises:
        StoreError: some of it may be stored.
    """
    for share in range(batch.shares):
        for measured in (_counts, _measures):
            query = Query(scope)
            chosen, told = measured(query)
            source = f"{of_share(query, batch, share)} AND {chosen}"
            await _insert(
                store, query, source, told, dict.fromkeys(batch.days, version), share, "toUInt64(0)"
            )


async def add_up_own(store: Store, scope: Scope, own: Collection[int], versions: Mapping[int, int]) -> None:
    """Store the same of single users, where it is not stored yet: ``own`` are the project's own people.

    Raises:
        StoreError: some of it may be stored.
    """
    for measured in (_counts, _measures):
        query = Query(scope)
        chosen, told = measured(query)
        users, zone = query.bind(list(own), "Array(UInt64)"), query.bind(scope.zone_name, "String")
        source = f"""
            {of_share(query, Batch(list(versions), 1), 0)} AND {chosen} AND user IN {users}
                AND ({query.day}, user) NOT IN (
                    SELECT toInt64(day), user FROM event_days
                    WHERE project = {{project:String}} AND zone = {zone} AND NOT by_place AND user IN {users}
                        AND {"measure = ''" if measured is _counts else "measure != ''"}
                        AND version = {_version("toUInt16(day)", query, versions)}
                )
        """
        await _insert(store, query, source, told, versions, 0, "user")


def _version(day: str, query: Query, versions: Mapping[int, int]) -> str:
    days, known = (
        query.bind(list(versions), "Array(UInt16)"),
        query.bind([*versions.values()], "Array(UInt64)"),
    )
    return f"transform({day}, {days}, {known}, toUInt64(0))"


def _counts(query: Query) -> tuple[str, str]:
    """Of which events, and what of each: see ``numbers``."""
    return "true", f"('{COUNTED}', '', toUInt64(1), toFloat64(0), toInt128(0))"


def _measures(query: Query) -> tuple[str, str]:
    names = query.bind(_NAMES, "Array(String)")
    return f"event IN {names}", ", ".join(numbers(query, of) for of in MEASURED)


async def _insert(
    store: Store, query: Query, source: str, told: str, versions: Mapping[int, int], share: int, whose: str
) -> None:
    zone = query.bind(query.scope.zone_name, "String")
    kept = query.bind(query.scope.retention.daily, "UInt16")
    await query.command(
        store,
        f"""
        INSERT INTO event_days (
            project, zone, by_place, event, measure, day, version, share, user, is_bot, currency, {PLACE},
            number, total, millionths, _retention_days
        )
        SELECT project, {zone}, grouping(country) = 0, event, one.1, toDate(toUInt16(of_day)),
            {_version("toUInt16(of_day)", query, versions)}, {query.bind(share, "UInt16")}, whose, is_bot,
            one.2, {PLACE}, sum(one.3), sumKahan(one.4), sum(one.5), {kept}
        FROM (
            SELECT project, {query.day} AS of_day, event, {whose} AS whose, is_bot, {PLACE},
                arrayJoin(arrayFilter(each -> each.3 > 0, [{told}])) AS one
            FROM {source}
        )
        GROUP BY GROUPING SETS (({_KEYS}), ({_KEYS}, {PLACE}))
        """,
    )
