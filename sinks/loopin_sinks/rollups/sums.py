"""What is counted and added up of days, in the table ``event_days``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.days import PLACE, Batch, of_share
from loopin_sinks.rollups.measures import COUNTED, MEASURED, events_of, numbers
from loopin_sinks.store import Store
from loopin_sinks.window_rows import DAILY_DAYS

_NAMES: Final = sorted({name for of in MEASURED for name in events_of(of).names})

_KEYS: Final = "project, of_day, event, whose, is_bot, one.1, one.2"


async def add_up(store: Store, scope: Scope, batch: Batch, version: int) -> None:
    """Store what some days' events come to, and those of the scope's internal people once more, by user.

    Raises:
        StoreError: some of it may be stored.
    """
    for share in range(batch.shares):
        for own in (False, True) if scope.internal else (False,):
            for measured in (_counts, _measures):
                await _add_up(store, scope, batch, (share, version), own, measured)


def _counts(query: Query) -> tuple[str, str]:
    """Of which events, and what of each: see ``numbers``."""
    return "true", f"('{COUNTED}', '', toUInt64(1), toFloat64(0), toInt128(0))"


def _measures(query: Query) -> tuple[str, str]:
    names = query.bind(_NAMES, "Array(String)")
    return f"event IN {names}", ", ".join(numbers(query, of) for of in MEASURED)


async def _add_up(
    store: Store,
    scope: Scope,
    batch: Batch,
    share: tuple[int, int],
    own: bool,
    measured: Callable[[Query], tuple[str, str]],
) -> None:
    query = Query(replace(scope, internal=()))
    chosen, told = measured(query)
    source = f"{of_share(query, batch, share[0])} AND {chosen}"
    if own:
        source += f" AND user IN ({query.of_same_persons(scope.internal)})"
    zone, version = query.bind(scope.zone_name, "String"), query.bind(share[1], "UInt64")
    await query.command(
        store,
        f"""
        INSERT INTO event_days (
            project, zone, by_place, event, measure, day, version, share, user, is_bot, currency, {PLACE},
            number, total, millionths, _retention_days
        )
        SELECT project, {zone}, grouping(country) = 0, event, one.1, toDate(toUInt16(of_day)), {version},
            {query.bind(share[0], "UInt16")}, whose, is_bot, one.2, {PLACE},
            sum(one.3), sumKahan(one.4), sum(one.5), {query.bind(DAILY_DAYS, "UInt16")}
        FROM (
            SELECT project, {query.day} AS of_day, event, {"user" if own else "toUInt64(0)"} AS whose, is_bot,
                {PLACE}, arrayJoin(arrayFilter(each -> each.3 > 0, [{told}])) AS one
            FROM {source}
        )
        GROUP BY GROUPING SETS (({_KEYS}), ({_KEYS}, {PLACE}))
        """,
    )
