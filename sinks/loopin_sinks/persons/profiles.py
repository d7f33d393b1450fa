"""The profile of a person: those of all distinct_ids, combined by a rule for each field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from loopin_sinks.persons.mapping import PERSON_OF_ID
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.store import Store

COMBINED: Final = f"""
    SELECT
        if(other.person = '', p.distinct_id, other.person) AS person,
        groupUniqArray(p.distinct_id) AS distinct_ids,
        min(p.first_seen) AS first_seen,
        max(p.last_seen) AS last_seen,
        sum(p.events) AS events,
        sum(p.sessions) AS sessions,
        argMax(
            (p.session_started, p.session_last, p.session_events), (p.session_last, p.distinct_id)
        ) AS session,
        sumMap(p.currencies, p.revenues) AS revenue,
        arrayReverseSort(groupUniqArrayArray(p.active_days)) AS active_days
    FROM (SELECT * FROM {PROFILES} FINAL WHERE project = {{project:String}}) AS p
    LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
    GROUP BY person
"""
"""One row for each person with a profile."""

_ONE: Final = f"""
    SELECT person, distinct_ids, first_seen, last_seen, events, sessions,
        session.1 AS session_started, session.2 AS session_last, session.3 AS session_events,
        revenue.1 AS currencies, revenue.2 AS revenues, active_days
    FROM ({COMBINED}) WHERE has(distinct_ids, {{distinct_id:String}}) OR person = {{distinct_id:String}}
"""


class CombinedProfile(NamedTuple):
    """What is known of a person; ``person`` is the distinct_id that names them.

    ``sessions`` counts one that went on under another id twice. ``revenue`` is in whole units of each
    currency (``""``: none was named), ``active_days`` are days in UTC, the newest first.
    """

    person: str
    distinct_ids: frozenset[str]
    first_seen: datetime
    last_seen: datetime
    events: int
    sessions: int
    session: tuple[datetime, datetime, int]
    revenue: Mapping[str, Decimal]
    active_days: tuple[date, ...]


async def person_profile(store: Store, project: str, distinct_id: str) -> CombinedProfile | None:
    """The profile of the person that a distinct_id is of; None where the store has none yet.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(_ONE, {"project": project, "distinct_id": distinct_id})
    return _combined(rows[0]) if rows else None


def _combined(row: Mapping[str, Any]) -> CombinedProfile:
    return CombinedProfile(
        person=row["person"],
        distinct_ids=frozenset(row["distinct_ids"]),
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        events=row["events"],
        sessions=row["sessions"],
        session=(row["session_started"], row["session_last"], row["session_events"]),
        revenue=dict(zip(row["currencies"], row["revenues"], strict=True)),
        active_days=tuple(row["active_days"]),
    )
