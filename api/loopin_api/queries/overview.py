"""The numbers of the overview, as the metric catalogue defines them, from the stored events.

Users are persons: what an id did before it was known whose it is counts for the person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from loopin_api.timespan import Timespan
from loopin_schemas.catalogue.system import SYSTEM
from loopin_sinks.persons.mapping import PERSON_OF_USER
from loopin_sinks.store import Store

SESSION_GAP_MS: Final = 30 * 60 * 1000
"""Longest pause within a session of events that name no session, in ms."""

SESSION_LOOKBACK: Final = timedelta(days=1)
"""How far before the interval a session is followed back to tell whether it began within it."""

MAX_AMOUNT: Final = 1e12
"""Amounts from here on, of either sign, are a client's error and do not count: a trillion in any currency
is no ticket, and beyond it doubles lose the cents of a sum."""

OTHER: Final = "other"
"""What stands for all currencies that are not three letters."""

MAX_CURRENCIES: Final = 200
"""Most currencies in an answer, those with the largest revenue; ISO 4217 has fewer."""

SYSTEM_EVENTS: Final = tuple(event.name for event in SYSTEM)
"""Events that do not make a user active."""

_PERSON: Final = "if(other.person = 0, found.user, other.person)"
"""Who a user is, where ``other`` has a row for those who are another one's person."""

# Events by user first, then users by person: an event's person is dear, a user's is not.
_EVER: Final = f"""
SELECT uniqExact({_PERSON}) AS total_users, sum(events) AS stored, max(newest) AS newest_ms
FROM (
    SELECT user, count() AS events, toUnixTimestamp64Milli(max(received_at)) AS newest
    FROM events
    WHERE project = {{project:String}} AND timestamp < {{end:DateTime64(3, 'UTC')}}
    GROUP BY user
) AS found
LEFT ANY JOIN ({PERSON_OF_USER}) AS other ON other.user = found.user
"""

_PERIOD: Final = f"""
SELECT
    sum(events) AS tracked_events,
    sum(created) AS total_events,
    uniqExactIf({_PERSON}, active) AS active_users,
    uniqExactIf({_PERSON}, bought) AS buyers,
    uniqExactIf({_PERSON}, today) AS active_users_today
FROM (
    SELECT
        user,
        count() AS events,
        countIf(event = 'event_created') AS created,
        max(NOT has({{system:Array(String)}}, event)) AS active,
        max(event = 'ticket_purchased') AS bought,
        max(NOT has({{system:Array(String)}}, event) AND timestamp >= {{today:DateTime64(3, 'UTC')}}) AS today
    FROM events
    WHERE project = {{project:String}}
        AND timestamp >= {{start:DateTime64(3, 'UTC')}} AND timestamp < {{end:DateTime64(3, 'UTC')}}
    GROUP BY user
) AS found
LEFT ANY JOIN ({PERSON_OF_USER}) AS other ON other.user = found.user
"""

_REVENUE: Final = """
WITH upper(trim(currency)) AS given
SELECT
    multiIf(given = '', '', match(given, '^[A-Z]{3}$'), given, {other:String}) AS code,
    sumKahan(if(event = 'ticket_purchased', 1, -1) * toFloat64(ifNull(amount, 0))) AS revenue
FROM events
WHERE project = {project:String}
    AND timestamp >= {start:DateTime64(3, 'UTC')} AND timestamp < {end:DateTime64(3, 'UTC')}
    AND event IN ('ticket_purchased', 'payment_refunded')
    AND abs(ifNull(amount, 0)) < {max_amount:Float64}
GROUP BY code
ORDER BY code IN ('', {currency:String}) DESC, abs(revenue) DESC, code
LIMIT {max_currencies:UInt32}
"""

_SESSIONS: Final = f"""
SELECT count() AS sessions, sum(ended_ms - began_ms) AS total_ms
FROM (
    SELECT min(found.began) AS began_ms, max(found.ended) AS ended_ms
    FROM (
        SELECT
            user,
            session_id,
            min(toUnixTimestamp64Milli(timestamp)) AS began,
            max(toUnixTimestamp64Milli(timestamp)) AS ended
        FROM events
        WHERE project = {{project:String}}
            AND timestamp >= {{lookback:DateTime64(3, 'UTC')}} AND timestamp < {{end:DateTime64(3, 'UTC')}}
            AND session_id != '' AND NOT has({{system:Array(String)}}, event)
        GROUP BY user, session_id
    ) AS found
    LEFT ANY JOIN ({PERSON_OF_USER}) AS other ON other.user = found.user
    GROUP BY {_PERSON}, found.session_id
    UNION ALL
    SELECT session[1] AS began_ms, session[-1] AS ended_ms
    FROM (
        SELECT
            arraySort(groupArrayArray(found.times)) AS moments,
            arraySplit((at, pause) -> pause > {{gap_ms:Int64}}, moments, arrayDifference(moments)) AS parts
        FROM (
            SELECT user, groupArray(toUnixTimestamp64Milli(timestamp)) AS times
            FROM events
            WHERE project = {{project:String}}
                AND timestamp >= {{lookback:DateTime64(3, 'UTC')}}
                AND timestamp < {{end:DateTime64(3, 'UTC')}}
                AND session_id = '' AND NOT has({{system:Array(String)}}, event)
            GROUP BY user
        ) AS found
        LEFT ANY JOIN ({PERSON_OF_USER}) AS other ON other.user = found.user
        GROUP BY {_PERSON}
    )
    ARRAY JOIN parts AS session
)
WHERE began_ms >= toUnixTimestamp64Milli({{start:DateTime64(3, 'UTC')}})
"""


@dataclass(frozen=True, slots=True)
class OverviewNumbers:
    """The overview's numbers; ratios 0 to 1, lengths in minutes, money by ISO 4217 code."""

    tracked_events: int
    total_events: int
    total_users: int
    active_users_today: int
    ticket_conversion: float | None
    avg_session_length: float | None
    revenue: Mapping[str, float]
    newest_received: datetime | None


async def overview(store: Store, project: str, span: Timespan, currency: str) -> OverviewNumbers:
    """Compute the overview of a project over a span; amounts without a currency are in ``currency``.

    Raises:
        StoreError: the store did not answer.
    """
    bound: dict[str, object] = {
        "project": project,
        "start": span.start,
        "end": span.end,
        "today": max(span.last_midnight, span.start),
        "lookback": span.start - SESSION_LOOKBACK,
        "gap_ms": SESSION_GAP_MS,
        "system": list(SYSTEM_EVENTS),
        "currency": currency,
        "other": OTHER,
        "max_amount": MAX_AMOUNT,
        "max_currencies": MAX_CURRENCIES + 2,
    }
    (ever,), (period,), money, (sessions,) = await asyncio.gather(
        *(store.query(sql, bound) for sql in (_EVER, _PERIOD, _REVENUE, _SESSIONS))
    )
    return OverviewNumbers(
        tracked_events=period["tracked_events"],
        total_events=period["total_events"],
        total_users=ever["total_users"],
        active_users_today=period["active_users_today"],
        ticket_conversion=_ratio(period["buyers"], period["active_users"]),
        avg_session_length=_ratio(sessions["total_ms"] / 60_000, sessions["sessions"]),
        revenue=_by_currency(money, currency),
        newest_received=_moment(ever["newest_ms"]) if ever["stored"] else None,
    )


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _by_currency(rows: list[dict[str, Any]], default: str) -> dict[str, float]:
    totals: dict[str, float] = {}
    for row in rows:
        code = row["code"] or default
        totals[code] = totals.get(code, 0.0) + row["revenue"]
    return totals


def _moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
