"""In SQL, which persona a user of the table ``events`` has: what kind of person, as said or as found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from loopin_sinks.persons.mapping import PERSON_OF_USER
from loopin_sinks.persons.property_rows import LARGEST, ONCE, PERSON_PROPERTIES, SET
from loopin_sinks.store import Store

PROPERTY: Final = "persona"
"""The property of a person that says it, a text."""

FOUND: Final = "found"


# What was set once counts where nothing was set, unless it was unset afterwards; its rank is turned around.
# What a run over all users has found (``loopin_sinks.personas``) counts where nobody says anything.
def _of_persons(chosen: str) -> str:
    """Of each person of some distinct_ids, ``chosen`` by a condition, what was said, found, and counts."""
    return f"""
        SELECT
            if(other.person = 0, found.user, other.person) AS person,
            argMaxIf(value, (rank, distinct_id), register = '{SET}') AS given,
            argMaxIf(value, (rank, distinct_id), register = '{ONCE}') AS once,
            countIf(register = '{SET}') > 0 AND
                {LARGEST} - maxIf(rank, register = '{ONCE}') <= maxIf(rank, register = '{SET}') AS unset,
            multiIf(given != '', given, unset, '', once) AS said,
            if(startsWith(said, '"'), JSONExtractString(said), '') AS named,
            argMaxIf(value, (rank, distinct_id), register = '{FOUND}') AS told,
            if(named != '', named, told) AS persona
        FROM (
            SELECT cityHash64(distinct_id) AS user, distinct_id, register, value, rank
            FROM {PERSON_PROPERTIES}
            WHERE project = {{project:String}} AND property = '{PROPERTY}' AND {chosen}
            UNION ALL
            SELECT user, distinct_id, '{FOUND}', toString(persona), version FROM personas FINAL
            WHERE project = {{project:String}} AND persona != '' AND {chosen}
        ) AS found
        LEFT ANY JOIN ({PERSON_OF_USER}) AS other ON other.user = found.user
        GROUP BY person HAVING persona != ''
    """


_ONE: Final = f"SELECT persona, told FROM ({_of_persons('distinct_id IN {ids:Array(String)}')})"

_PERSONAS: Final = f"""(
    SELECT (arrayPushBack(groupArray(user), toUInt64(0)), arrayPushBack(groupArray(persona), ''))
    FROM (
        SELECT arrayJoin(arrayPushBack(others.users, named.person)) AS user, named.persona AS persona
        FROM ({_of_persons("true")}) AS named
        LEFT ANY JOIN (SELECT person, groupArray(user) AS users FROM ({PERSON_OF_USER}) GROUP BY person)
            AS others ON others.person = named.person
        ORDER BY user
    )
)"""
"""All users who have one, and theirs, as constants for ``transform``, so that no query need join them; in one
order whenever it is asked. No array may be empty, and 0 is nobody."""

PERSONA_OF_PERSON: Final = f"SELECT person, persona FROM ({_of_persons('true')})"
"""The hash of each person's name, and their present persona, of those who have one."""

PERSONA: Final = f"transform(user, tupleElement({_PERSONAS}, 1), tupleElement({_PERSONAS}, 2), '')"
"""The present persona of the person that the column ``user`` is of; ``''`` for none."""


class Personas(NamedTuple):
    """Of a person: the persona that counts, and the one that was found; None for none."""

    persona: str | None = None
    found: str | None = None


async def personas_of(store: Store, project: str, distinct_ids: Sequence[str]) -> Personas:
    """Of the person who has all these distinct_ids.

    Raises:
        StoreError: the store did not answer.
    """
    for row in await store.query(_ONE, {"project": project, "ids": list(distinct_ids)}):
        return Personas(row["persona"], row["told"] or None)
    return Personas()
