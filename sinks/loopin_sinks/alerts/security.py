"""The numbers of the security rules, in SQL: of single users and addresses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from loopin_schemas.alert_rules.security import (
    COUNTRIES_OF_ONE_USER,
    DIMENSION_OF,
    EXPORTS_AGAINST_MEDIAN,
    EXPORTS_OF_ONE_USER,
    LOGIN_FAILURES_OF_ONE_ADDRESS,
    LOGIN_FAILURES_OF_ONE_USER,
    REFUSED_REQUESTS_OF_ONE_USER,
    TRAVEL_SPEED_OF_ONE_USER,
)
from loopin_sinks.alerts.totals import Total, Totals
from loopin_sinks.metric_values.scope import from_epoch_ms
from loopin_sinks.metric_values.sql import PERSON, of_persons
from loopin_sinks.metric_values.travel import LOCATED, LOOKBACK_MS, OFF, with_speed
from loopin_sinks.persons.mapping import linked_of, person_name
from loopin_sinks.store import Store

MOST: Final = 1000
"""Users or addresses that are looked at in one window, those with the greatest values."""

FEW_HOURS: Final = 3
"""Earlier hours with exports from which on a median says what is usual."""

DAYS_BEFORE: Final = 30


class Asked(NamedTuple):
    """A project's window, epoch ms, and the least value that matters."""

    project: str
    start: int
    end: int
    least: float
    at_least: int

    @property
    def parameters(self) -> dict[str, object]:
        """What every query binds."""
        return {
            "project": self.project,
            "start": from_epoch_ms(self.start),
            "end": from_epoch_ms(self.end),
            "least": self.least,
            "most": MOST,
        }


_WITHIN: Final = """
    project = {project:String}
    AND timestamp >= {start:DateTime64(3, 'UTC')} AND timestamp < {end:DateTime64(3, 'UTC')}
"""
_PERSON: Final = person_name("distinct_id", "linked")
_TRIED: Final = "JSONExtractString(properties, 'username_hash')"
_ADDRESS: Final = (
    "arrayFirst(one -> one != '', [JSONExtractString(properties, '$ip'), "
    "JSONExtractString(properties, 'ip'), JSONExtractString(properties, 'ip_address')])"
)
_EXPORT: Final = """
    (event = 'data_exported' OR (event = 'api_request' AND ifNull(status, 0) BETWEEN 200 AND 399
        AND positionCaseInsensitive(JSONExtractString(properties, 'route'), 'export') > 0))
"""


def _linked(which: str) -> str:
    """The persons of those who have done such things in the window."""
    return f"WITH ({linked_of(f'SELECT user FROM events WHERE {_WITHIN} AND {which}')}) AS linked"


def is_security(metric: str) -> bool:
    """Whether it is one of these."""
    return metric in DIMENSION_OF


async def security_totals(store: Store, metric: str, asked: Asked) -> Totals:
    """The values of one window that are at least ``asked.least``, by user or address.

    Raises:
        StoreError: the store did not answer.
    """
    return await _ASKED[metric](store, asked)


def _counted(who: str, which: str) -> Callable[[Store, Asked], Awaitable[Totals]]:
    """Numbers of events, by whoever they are of."""

    async def count(store: Store, asked: Asked) -> Totals:
        rows = await store.query(
            f"{_linked(which)} SELECT {who} AS of, count() AS number FROM events WHERE {_WITHIN} AND {which} "
            "GROUP BY of HAVING of != '' AND number >= {least:Float64} "
            "ORDER BY number DESC, of LIMIT {most:UInt32}",
            asked.parameters,
        )
        return {row["of"]: Total(row["number"], float(row["number"])) for row in rows}

    return count


async def _countries(store: Store, asked: Asked) -> Totals:
    """By user first, because few have events in many countries."""
    rows = await store.query(
        f"""
        {_linked("country != ''")}
        SELECT {_PERSON} AS of, uniqExactArray(countries) AS places, sum(events) AS number
        FROM (
            SELECT any(distinct_id) AS distinct_id, groupUniqArray(country) AS countries, count() AS events
            FROM events WHERE {_WITHIN} AND country != '' GROUP BY user
        )
        GROUP BY of HAVING places >= {{least:Float64}}
        ORDER BY places DESC, of LIMIT {{most:UInt32}}
        """,
        asked.parameters,
    )
    return {row["of"]: Total(row["number"], float(row["places"])) for row in rows}


async def _travel(store: Store, asked: Asked) -> Totals:
    """One event after the other, but only of persons who were in two places."""
    since = f"""
        project = {{project:String}} AND {LOCATED}
        AND timestamp >= {{since:DateTime64(3, 'UTC')}} AND timestamp < {{end:DateTime64(3, 'UTC')}}
    """
    places = f"""
        SELECT user, (min(latitude), min(longitude)) AS least, (max(latitude), max(longitude)) AS most
        FROM events WHERE {since} GROUP BY user
    """
    movers = f"""
        SELECT arrayJoin(groupArray(found.user)) FROM {of_persons(places)}
        GROUP BY {PERSON} HAVING uniqExactArray([found.least, found.most]) > 1
    """
    located = f"""
        SELECT {_PERSON} AS person, toUnixTimestamp64Milli(timestamp) AS ms, uuid, latitude, longitude,
            {OFF} AS off
        FROM events WHERE {since} AND user IN ({movers})
    """
    rows = await store.query(
        f"""
        WITH ({linked_of(movers)}) AS linked
        SELECT person AS of, max(speed) AS fastest, count() AS number
        FROM ({with_speed(located, "person, ms")})
        WHERE ms >= {{start_ms:Int64}}
        GROUP BY of HAVING fastest >= {{least:Float64}}
        ORDER BY fastest DESC, of LIMIT {{most:UInt32}}
        """,
        {
            **asked.parameters,
            "start_ms": asked.start,
            "since": from_epoch_ms(asked.start - LOOKBACK_MS),
        },
    )
    return {row["of"]: Total(row["number"], float(row["fastest"])) for row in rows}


async def _against_median(store: Store, asked: Asked) -> Totals:
    """Whoever exports much now is looked up in the days before, and nobody else."""
    recent = await store.query(
        f"SELECT user FROM events WHERE {_WITHIN} AND {_EXPORT} "
        "GROUP BY user ORDER BY count() DESC LIMIT {most:UInt32}",
        asked.parameters,
    )
    if not recent:
        return {}
    length = asked.end - asked.start
    rows = await store.query(
        f"""
        {_linked("user IN {users:Array(UInt64)}")}
        SELECT of, sumIf(exports, ago = 0) AS number, groupArrayIf(exports, ago > 0) AS before,
            arrayReduce('medianExact', before) AS usual, if(usual > 0, number / usual, 0) AS ratio
        FROM (
            SELECT {_PERSON} AS of, count() AS exports,
                intDiv(toUnixTimestamp64Milli({{end:DateTime64(3, 'UTC')}}) - 1
                    - toUnixTimestamp64Milli(timestamp), {{length:Int64}}) AS ago
            FROM events
            WHERE project = {{project:String}} AND timestamp >= {{since:DateTime64(3, 'UTC')}}
                AND timestamp < {{end:DateTime64(3, 'UTC')}}
                AND user IN {{users:Array(UInt64)}} AND {_EXPORT}
            GROUP BY of, ago
        )
        GROUP BY of
        HAVING number >= {{at_least:UInt64}} AND length(before) >= {{hours:UInt32}}
            AND ratio >= {{least:Float64}}
        ORDER BY ratio DESC, of LIMIT {{most:UInt32}}
        """,
        {
            **asked.parameters,
            "length": length,
            "since": from_epoch_ms(asked.start - DAYS_BEFORE * 86_400_000),
            "users": [row["user"] for row in recent],
            "at_least": asked.at_least,
            "hours": FEW_HOURS,
        },
    )
    return {row["of"]: Total(row["number"], float(row["ratio"])) for row in rows}


_ASKED: Final[dict[str, Callable[[Store, Asked], Awaitable[Totals]]]] = {
    LOGIN_FAILURES_OF_ONE_USER: _counted(
        f"if({_TRIED} != '', {_TRIED}, {_PERSON})", "event = 'login_failed'"
    ),
    LOGIN_FAILURES_OF_ONE_ADDRESS: _counted(_ADDRESS, "event = 'login_failed'"),
    COUNTRIES_OF_ONE_USER: _countries,
    TRAVEL_SPEED_OF_ONE_USER: _travel,
    REFUSED_REQUESTS_OF_ONE_USER: _counted(_PERSON, "event = 'api_request' AND status IN (401, 403)"),
    EXPORTS_OF_ONE_USER: _counted(_PERSON, _EXPORT),
    EXPORTS_AGAINST_MEDIAN: _against_median,
}
